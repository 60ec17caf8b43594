"""Retention compared with small models of what others do, each in the domain where both mean the same.

restic and Borg keep the last backup of a period, and this product the first: so for each rule by itself, times are
mirrored within their period before the other model is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.retention.periods import PERIODS
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots
from tests.retention.generated import instants, near
from tests.retention.histories import START, days, full, hourly, kept, plan

PeriodOf = Callable[[datetime], str]
ONE_BY_ONE = {
    "day": lambda number: Slots(daily=number, weekly=0, monthly=0),
    "week": lambda number: Slots(daily=0, weekly=number, monthly=0),
    "month": lambda number: Slots(daily=0, weekly=0, monthly=number),
}


def restic(times: Sequence[datetime], rules: Sequence[tuple[PeriodOf, int]], *, oldest: bool = False) -> set[datetime]:
    """``forget --keep-…``: rules are independent; each keeps the newest of the newest periods that have any, and with
    ``oldest`` (as it is) the oldest of all where it has slots left.
    """
    found: set[datetime] = set()
    for period_of, slots in rules:
        last, left = None, slots
        for place, at in enumerate(sorted(times, reverse=True), 1):
            is_oldest = oldest and place == len(times)
            if left and (period_of(at) != last or is_oldest):
                found.add(at)
                last, left = period_of(at), left - 1
    return found


def borg(times: Sequence[datetime], rules: Sequence[tuple[PeriodOf, int]]) -> set[datetime]:
    """``prune --keep-…``: from fine to coarse; what a finer rule keeps uses up no slot of a coarser one."""
    found: set[datetime] = set()
    for period_of, slots in rules:
        last, kept_here = None, 0
        for at in sorted(times, reverse=True):
            if kept_here == slots:
                break
            if period_of(at) != last:
                last = period_of(at)
                if at not in found:
                    found.add(at)
                    kept_here += 1
    return found


def pgbackrest(fulls: Sequence[str], retention: int) -> set[str]:
    """``expire`` by count: the newest fulls; the others go with all that hangs on them."""
    return set(fulls[-retention:])


def mirrored(at: datetime, period: str) -> datetime:
    """Turn an instant round within its period, so that the first becomes the last."""
    begin = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        begin -= timedelta(days=begin.weekday())
    if period == "month":
        begin = begin.replace(day=1)
    length = {"day": timedelta(days=1), "week": timedelta(days=7)}.get(period)
    end = begin + length if length else (begin + timedelta(days=32)).replace(day=1)
    return begin + (end - timedelta(seconds=1) - at)


def test_mirroring_stays_in_the_period_and_undoes_itself():
    at = datetime(2024, 2, 29, 17, 3, 9, tzinfo=UTC)
    for period, name_of in PERIODS.items():
        assert name_of(mirrored(at, period)) == name_of(at)
        assert mirrored(mirrored(at, period), period) == at


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("other", [restic, borg])
@given(times=st.sets(st.one_of(instants, near), max_size=40), slots=st.integers(1, 12))
def test_each_rule_keeps_what_restic_and_borg_keep_of_mirrored_times(period, other, times, slots):
    expected = other([mirrored(at, period) for at in times], [(PERIODS[period], slots)])
    assert _slotted(times, ONE_BY_ONE[period](slots)) == {mirrored(at, period) for at in expected}


@given(st.sets(st.one_of(instants, near), max_size=40), st.tuples(*[st.integers(1, 9)] * 3))
def test_rules_together_keep_what_each_keeps_alone_as_with_restic(times, numbers):
    alone = [_slotted(times, ONE_BY_ONE[period](slots)) for period, slots in zip(PERIODS, numbers, strict=True)]
    daily, weekly, monthly = numbers
    assert _slotted(times, Slots(daily=daily, weekly=weekly, monthly=monthly)) == set().union(*alone)


def test_the_models_keep_what_the_programs_were_seen_to_keep():
    """691 daily backups, 30/12/12: restic 0.14 keeps 47 of them and Borg 1.2 keeps 54."""
    times = [START.replace(year=2024) + timedelta(days=day) for day in range(691)]
    rules = [(PERIODS["day"], 30), (PERIODS["week"], 12), (PERIODS["month"], 12)]
    assert len(restic(times, rules, oldest=True)) == 47
    assert len(borg(times, rules)) == 54
    assert 47 <= len(_slotted(times, Slots())) <= 54


def test_one_backup_from_the_future_takes_everything_from_restic_and_nothing_here():
    times = [START + timedelta(days=day) for day in range(5)]
    future = datetime(2031, 1, 1, tzinfo=UTC)
    assert restic([*times, future], [(PERIODS["day"], 1)]) == {future}
    there = [full(f"{at}", at) for at in times]  # the one from the future is in quarantine, and no part of the history
    assert kept(plan(there, Policy(slots=Slots(daily=1, weekly=0, monthly=0)), now=times[-1])) == {f"{times[-1]}"}


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 23))
def test_with_one_full_a_day_it_keeps_the_fulls_that_pgbackrest_keeps(number, retention, hours):
    fulls = days(number)
    never = IncrementalRetention(all_for=timedelta(0), thinned_for=timedelta(0))
    policy = Policy(slots=Slots(daily=retention, weekly=0, monthly=0), floor=timedelta(0), incremental=never)
    every = [*fulls, *(one for base in fulls for one in hourly(base, range(1, hours + 1)))]
    names = {one.name for one in fulls}
    made = kept(plan(every, policy))
    assert made & names == pgbackrest(sorted(names), retention)
    assert all(name.rpartition("-")[0] in made for name in made - names)


def _slotted(times: set[datetime] | Sequence[datetime], slots: Slots) -> set[datetime]:
    """The times that are kept because they stand for a period."""
    made = plan([full(f"{at}", at) for at in times], Policy(slots=slots, floor=timedelta(0)))
    return {one.captured_at for one in made.keep if any(why.startswith("first full of") for why in one.reasons)}
