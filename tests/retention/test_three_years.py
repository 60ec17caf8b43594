"""Three years, pruned every day: outages, clocks that jump, damaged and partial backups, a leap day, a week 53, summer
time. At the end of every day all that was promised is there, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from backup_engine.archive.manifest import BackupKind, BackupState
from backup_engine.backup import Backup
from backup_engine.chain import bases_of, by_name
from backup_engine.retention.periods import PERIODS, local
from backup_engine.retention.planning import is_sound
from backup_engine.retention.policy import Policy, Slots
from backup_engine.retention.quarantine import quarantined
from tests.retention.histories import delta, full, gone, kept, left, looked, plan

BEGIN = datetime(2024, 1, 15, tzinfo=UTC)
DAYS = 3 * 366
POLICY = Policy(zone="Europe/Berlin")


def days_of_work(chance: Random) -> Iterator[tuple[datetime, timedelta]]:
    """Each day on which something runs, and by how much the clock is wrong on it."""
    day = 0
    while day < DAYS:
        if chance.random() < 0.005:
            day += chance.randrange(1, 70)  # an outage
        wrong = timedelta(days=chance.choice([-400, -3, 2, 900])) if chance.random() < 0.01 else timedelta(0)
        yield BEGIN + timedelta(days=day), wrong
        day += 1


def made_on(day: datetime, wrong: timedelta, chance: Random) -> list[Backup]:
    at = day + timedelta(hours=chance.choice([0, 1, 2, 22]), minutes=chance.randrange(60)) + wrong
    name = f"{day:%Y%m%d}"
    records = [looked(at)] if chance.random() < 0.9 else [looked(at, passed=False)] if chance.random() < 0.3 else []
    odd = {"state": BackupState.PARTIAL} if chance.random() < 0.02 else {}
    base = full(name, at, *records, **odd)
    chain = [base]
    for hour in (1, 2) if not odd and chance.random() < 0.3 else ():
        on = chain[hour & (hour - 1)]
        chain.append(delta(f"{name}-{hour}", at + timedelta(hours=6 * hour), on, looked(at), number=hour))
    return chain


def test_three_years_leave_what_was_promised_and_no_more():
    chance, there, most = Random(3), list[Backup](), 0  # noqa: S311 - one history, the same each time
    for day, wrong in days_of_work(chance):
        there += made_on(day, wrong, chance)
        now = day + timedelta(hours=23, minutes=59) + max(wrong, timedelta(0)) * (chance.random() < 0.5)
        candidates, _ = _separated(there, now)
        made = plan(candidates, POLICY, now)
        _check(candidates, made)
        removed = gone(made)
        there = [one for one in there if one.name not in removed]
        most = max(most, sum(one.kind is BackupKind.FULL for one in left(candidates, made)))
    slots = POLICY.slots
    assert slots.daily < most <= slots.daily + slots.weekly + slots.monthly + 20  # and bases, floors, the odd ones


def _separated(there: list[Backup], now: datetime) -> tuple[tuple[Backup, ...], object]:
    sizes = {f"{one.folder.value}/{one.name}.tar.gz": one.bytes for one in there}
    return quarantined(there, sizes, "production", (), now)


def _check(candidates: tuple[Backup, ...], made) -> None:
    known, stay = by_name(candidates), kept(made)
    sound = sorted(
        (one for one in candidates if is_sound(one, known)), key=lambda one: (one.captured_at, one.name), reverse=True
    )
    assert {one.name for one in sound[:1]} <= stay
    assert {one.name for one in [one for one in sound if one.verified_at][:2]} <= stay
    assert all(bases_of(known[name]) <= stay for name in stay)
    fulls = [one for one in sound if one.kind is BackupKind.FULL]
    for (period, name_of), number in zip(PERIODS.items(), (30, 12, 12), strict=True):
        firsts = {name_of(local(one.captured_at, ZoneInfo(POLICY.zone))): one.name for one in fulls}
        assert {*[*firsts.values()][:number]} <= stay, period


def test_the_check_fails_for_a_pruner_that_forgets_what_others_hang_on():
    base = full("base", BEGIN, looked(BEGIN))
    on = delta("on", BEGIN + timedelta(hours=1), base, looked(BEGIN))
    made = plan([base, on], Policy(slots=Slots()), BEGIN + timedelta(days=1))
    forgetful = made.model_copy(update={"keep": tuple(one for one in made.keep if one.name == "on")})
    with pytest.raises(AssertionError):
        _check((base, on), forgetful)
