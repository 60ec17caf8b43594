"""The rules by which a backup is kept, each for itself: the reasons add up. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind, BackupState
from backup_engine.backup import Backup
from backup_engine.retention.periods import PERIODS, local, stretch_of
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots

Reason = tuple[str, str]
"""A backup's name, and why it is kept."""

_CHEAP = 8
"""A delta whose number this divides hangs on the fewest others (``k & (k - 1)``)."""


def floors(sound: Sequence[Backup]) -> Iterator[Reason]:
    """Keep what no policy may take: the newest good, the newest verified and the newest proven ones.

    :param sound: newest first
    """
    fulls = [one for one in sound if one.kind is BackupKind.FULL]
    yield from _newest(sound, 1, "the newest good backup")
    yield from _newest(fulls, 1, "the newest good full")
    yield from _newest((one for one in sound if one.verified_at), 2, "one of the two newest verified")
    yield from _newest((one for one in fulls if one.verified_at), 2, "one of the two newest verified fulls")
    yield from _newest((one for one in sound if one.proven_at), 1, "the newest proven")
    yield from _newest((one for one in fulls if one.proven_at), 2, "one of the two newest proven fulls")


def slots(sound: Sequence[Backup], allowed: Slots, zone: ZoneInfo) -> Iterator[Reason]:
    """Keep the first full of each of the newest days, weeks and months that have one.

    :param sound: newest first
    """
    fulls = [one for one in sound if one.kind is BackupKind.FULL]
    numbers = {"day": allowed.daily, "week": allowed.weekly, "month": allowed.monthly}
    for period, name_of in PERIODS.items():
        first = {name_of(local(one.captured_at, zone)): one for one in fulls}  # an older one takes the place
        for number, (named, one) in enumerate([*first.items()][: numbers[period]], 1):
            yield one.name, f"first full of {named} ({period} {number} of {numbers[period]})"


def increments(sound: Sequence[Backup], rule: IncrementalRetention, anchor: datetime) -> Iterator[Reason]:
    """Keep every incremental for some time, and then one for each stretch of the day.

    :param sound: newest first
    """
    made = [one for one in sound if one.kind is BackupKind.INCREMENTAL]
    for one in made:
        if anchor - one.captured_at <= rule.all_for:
            yield one.name, f"an incremental of the last {spoken(rule.all_for)}"
    old = [one for one in made if anchor - one.captured_at <= rule.thinned_for]
    for one in representatives(old, rule):
        yield one.name, f"the incremental that stands for {spoken(rule.every)} of {one.captured_at:%Y-%m-%d}"


def representatives(made: Iterable[Backup], rule: IncrementalRetention) -> Iterable[Backup]:
    """Choose one incremental for each stretch of the day: one that hangs on few others, else the first."""
    found: dict[tuple[str, int], Backup] = {}
    for one in sorted(made, key=_cheapest_first, reverse=True):
        found[stretch_of(one.captured_at, rule.every)] = one
    return found.values()


def pinned(backups: Iterable[Backup], now: datetime) -> Iterator[Reason]:
    """Keep what somebody pinned, until the pin ends."""
    for one in backups:
        if one.pin is not None and one.pin.until > now:
            yield one.name, f"pinned by {one.pin.by} until {wording.moment(one.pin.until)}: {one.pin.why}"


def young(backups: Iterable[Backup], sound: Container[str], policy: Policy, anchor: datetime) -> Iterator[Reason]:
    """Keep what is younger than the floor, and for its own time what takes no slot.

    :param sound: names of those that take slots
    """
    for one in backups:
        age = anchor - one.captured_at
        if age < policy.floor:
            yield one.name, f"younger than {spoken(policy.floor)}"
        elif one.name not in sound:
            allowed, what = aside(one, policy)
            if age < allowed:
                yield one.name, f"{what}: kept for {spoken(allowed)}"


def aside(backup: Backup, policy: Policy) -> tuple[timedelta, str]:
    """Tell how long one that takes no slot is kept, and what it is."""
    if backup.state is not BackupState.GOOD:
        return policy.set_aside, backup.state.value
    if backup.damaged:
        return policy.set_aside, "found damaged"
    if not backup.outline.whole_scope:
        return policy.chosen, "of chosen collections"
    return policy.set_aside, "hangs on what is not there"


def spoken(length: timedelta) -> str:
    """Write a length of time for people."""
    return wording.duration(length.total_seconds())


def collected(*reasons: Iterable[Reason]) -> Mapping[str, list[str]]:
    """Gather all reasons of each backup, in the order given."""
    found: dict[str, list[str]] = {}
    for name, why in (one for rule in reasons for one in rule):
        found.setdefault(name, []).append(why)
    return found


def _newest(backups: Iterable[Backup], number: int, why: str) -> Iterator[Reason]:
    for one, _ in zip(backups, range(number), strict=False):
        yield one.name, why


def _cheapest_first(one: Backup) -> tuple[bool, datetime, str]:
    return one.outline.number % _CHEAP != 0, one.captured_at, one.name
