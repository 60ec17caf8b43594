"""Which recovery points there are over all places that answer, and how old they may become. Pure.

A full and an incremental are recovery points alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from backup_engine.archive.manifest import BackupKind
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting, Sighting, StandbyGlance
from backup_engine.tiers import Terms

_START = timedelta(minutes=30)
"""A run waits for its server and tries again three times: 1, 2 and 4 minutes later."""

_LAST = 5


def good_points(sighting: Sighting) -> tuple[BackupGlance, ...]:
    """Give every good backup once, as the place has it that knows best of it, the newest first."""
    best: dict[str, BackupGlance] = {}
    for place in sighting.places:
        for one in place.backups:
            if one.good and not (one.name in best and best[one.name].fresh):
                best[one.name] = one
    return tuple(sorted(best.values(), key=lambda one: (one.started_at, one.name), reverse=True))


def newest_fresh(points: Iterable[BackupGlance]) -> BackupGlance | None:
    """Give the newest point of which every byte was read back.

    :param points: newest first
    """
    return next((one for one in points if one.fresh), None)


def newest_good(place: PlaceSighting) -> BackupGlance | None:
    """Give the newest good backup of one place."""
    return max((one for one in place.backups if one.good), key=lambda one: (one.started_at, one.name), default=None)


def newest_full(points: Iterable[BackupGlance]) -> BackupGlance | None:
    """Give the newest full of which every byte was read back.

    :param points: newest first
    """
    return next((one for one in points if one.fresh and one.kind is BackupKind.FULL), None)


def measured_rpo(point: BackupGlance, points: Iterable[BackupGlance]) -> timedelta | None:
    """Tell how much could have been lost at most until this backup was there: since the point before it began to be
    read. None: there was none.

    :param points: in any order; those that were there later, or are no recovery points, do not count
    """
    earlier = [one.started_at for one in points if one.good and one.captured_at < point.captured_at]
    return point.captured_at - max(earlier) if earlier else None


def usual_length(points: Iterable[BackupGlance], kind: BackupKind = BackupKind.FULL) -> timedelta:
    """Tell how long reading takes: the longest of the last few of this kind.

    :param points: newest first
    """
    seconds = [one.seconds for one in points if one.kind is kind]
    return timedelta(seconds=max(seconds[:_LAST], default=0.0))


def pace(terms: Terms, points: Sequence[BackupGlance]) -> timedelta:
    """Tell how long making a recovery point takes: an incremental where they come by schedule and one was made.

    :param points: newest first
    """
    incremental = terms.incremental is not None and any(one.kind is BackupKind.INCREMENTAL for one in points)
    return usual_length(points, BackupKind.INCREMENTAL if incremental else BackupKind.FULL)


def often(terms: Terms) -> str:
    """Give the schedule that brings most of the recovery points."""
    return terms.incremental or terms.full


def longest_age(terms: Terms, points: Sequence[BackupGlance]) -> timedelta:
    """Tell how old the newest recovery point may become before something must be wrong.

    As old as was promised; where the schedule cannot keep that, as old as it lets them become: the gap, and what a run
    takes until its backup has been read back.

    :param points: newest first
    """
    slack = min(terms.gap / 2, _START + 2 * pace(terms, points))
    return max(terms.rpo, terms.gap + slack)


def is_ready(terms: Terms, points: Sequence[BackupGlance], standby: StandbyGlance | None, behind: timedelta) -> bool:
    """Tell whether a standby can be switched to: nothing speaks against it, and it is no further behind than recovery
    points may lie apart.

    :param points: newest first
    :param behind: how much newer the newest fresh backup is
    """
    return standby is not None and not standby.wrong and behind <= longest_age(terms, points)
