"""Which recovery points there are over all places that answer, and how old they may become. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from backup_engine.archive.manifest import BackupKind
from backup_engine.cron import parse_cron
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting, Sighting
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


def usual_length(points: Iterable[BackupGlance]) -> timedelta:
    """Tell how long reading takes: the longest of the last few fulls.

    :param points: newest first
    """
    fulls = [one.seconds for one in points if one.kind is BackupKind.FULL]
    return timedelta(seconds=max(fulls[:_LAST], default=0.0))


def gap_of(terms: Terms) -> timedelta:
    """Tell how far apart the schedule puts recovery points at most."""
    return parse_cron(terms.full).longest_gap()


def longest_age(terms: Terms, points: Iterable[BackupGlance]) -> timedelta:
    """Tell how old the newest recovery point may become before something must be wrong.

    As old as was promised; where the schedule cannot keep that, as old as it lets them become: the gap, and what a run
    takes until its backup has been read back.

    :param points: newest first
    """
    gap = gap_of(terms)
    slack = min(gap / 2, _START + 2 * usual_length(points))
    return max(terms.rpo, gap + slack)
