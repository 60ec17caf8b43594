"""What is made sure before anything is deleted. A refusal leaves the store as it was."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine import wording
from backup_engine.backup import Backup
from backup_engine.catalog import CLOCK_TOLERANCE
from backup_engine.chain import by_name, lacking
from backup_engine.errors import ClockDiffers, PruningRefused, StalePlan
from backup_engine.model import Clock
from backup_engine.retention.plan import RetentionPlan
from backup_engine.retention.planning import is_sound
from backup_engine.storage.contract import Store

PROBE = ".staging/clock-"
"""Where the object lies by whose time the store's clock is known."""

_SHOWN = 5


def check_clock(store: Store, clock: Clock, token: str) -> None:
    """Make sure that the store and we agree on the time, by what the store says of a new object.

    :raises ClockDiffers: they do not
    """
    key, before = f"{PROBE}{token}", clock()
    written = store.create(key, [b""]).modified_at
    after = clock()
    store.delete([key])
    if not before - CLOCK_TOLERANCE <= written <= after + CLOCK_TOLERANCE:
        raise ClockDiffers(
            f"{store.url} says that it is {wording.moment(written)}, and this host that it is {wording.moment(after)}: "
            f"they were expected to agree within {wording.duration(CLOCK_TOLERANCE.total_seconds())}. Nothing was "
            "deleted; put the wrong one of the clocks right"
        )


def check_current(plan: RetentionPlan, fresh: RetentionPlan, *, approved: bool) -> None:
    """Make sure that all that the plan deletes would be deleted now too, and that whoever has to agree did.

    What is gone already is fine: an earlier attempt deleted it.

    :raises StalePlan: the retention would not do that now
    :raises PruningRefused: nobody agreed to it
    """
    stale = [*_differences(plan, fresh)]
    if stale:
        raise StalePlan(
            f"the plan of {wording.moment(plan.made_at)} for {plan.store} is not what the retention would do now: "
            f"{wording.listing(stale, most=_SHOWN)}. Nothing was deleted; plan again"
        )
    if plan.questions and not approved:
        raise PruningRefused(
            f"{plan.store}: nothing was deleted, a person has to agree first: {'; '.join(plan.questions)}"
        )


def _differences(plan: RetentionPlan, fresh: RetentionPlan) -> Sequence[str]:
    going = {one.name: one for one in fresh.delete}
    kept = {one.name: one.reasons for one in fresh.keep}
    found = [f"{one.name} is kept now: {'; '.join(kept[one.name])}" for one in plan.delete if one.name in kept]
    for one in plan.delete:
        now = going.get(one.name)
        if now is not None and (now.fingerprint, now.run_key) != (one.fingerprint, one.run_key):
            found.append(f"{one.name} is another backup now")
        elif now is not None and now.asks and not one.asks:
            found.append(now.asks)
    return [*found, *(fresh.questions if not plan.questions else ())]


def check_remainder(backups: Sequence[Backup], going: frozenset[str]) -> None:
    """Make sure, by no rule of the retention, that what is left is worth having.

    :param backups: all there are, as their manifests say
    :param going: names of those that will be deleted
    :raises PruningRefused: the last verified or the newest good one would go, or what a good one hangs on
    """
    known, left = by_name(backups), [one for one in backups if one.name not in going]
    rest = by_name(left)
    sound = [one for one in backups if is_sound(one, known)]
    remaining = [one for one in left if is_sound(one, rest)]
    problems = [
        f"{one.name} stays and could not be restored any more"
        for one in sound
        if one.name in rest and lacking(one, rest) is not None
    ]
    if sound and max(sound, key=_age) not in remaining:
        problems.append(f"{max(sound, key=_age).name}, the newest good backup, would go")
    if any(one.verified_at for one in sound) and not any(one.verified_at for one in remaining):
        problems.append("no backup that was verified would remain")
    if problems:
        raise PruningRefused(
            f"nothing was deleted, for {wording.listing(problems, most=_SHOWN)}: this must not happen, please report it"
        )


def _age(backup: Backup) -> tuple[object, str]:
    return backup.captured_at, backup.name
