"""Does what has had its time go, and lies there anything that is not to be believed? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind
from backup_engine.freshness.case import Case, shown
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.sighting import PlaceSighting
from backup_engine.tiers import spoken

PATIENCE = timedelta(days=3)
"""A weekend on which somebody's decision is waited for, and a Monday."""

_LOOKED_TWICE = timedelta(minutes=30)
"""What is being written or pruned this moment is as it should be at the next look."""


def judge_pruning(case: Case) -> Iterator[Concern]:
    """Say what is in quarantine, and whether pruning has stopped."""
    for place in case.answering:
        yield from _quarantined(case, place)
        if not place.copy_of_it:
            yield from _old(case, place)


def _quarantined(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    if not place.quarantined:
        return
    number = wording.count(len(place.quarantined), "thing")
    verb = "is" if len(place.quarantined) == 1 else "are"
    yield Concern(
        kind=ConcernKind.QUARANTINED,
        severity=Severity.WARNING,
        subject=place.url,
        found=f"In {shown(place)} {number} {verb} not what a backup of {case.deployment.name} can be: "
        f"{wording.listing(place.quarantined, most=3)}.",
        risk="It is never counted and never deleted. If none of you put it there, somebody else writes to the store.",
        remedy="Find out where it comes from before you take it away by hand. All of it: vectorizer-backup prune "
        f"--dry-run --deployment {case.deployment.name}",
        grace_seconds=_LOOKED_TWICE.total_seconds(),
    )


def _old(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    """Look whether fulls came and were read back, and what they should have let go of is still there."""
    if not place.overdue:
        return
    last = place.prunings[0].at if place.prunings else None
    fulls = [one.verified_at for one in place.backups if one.good and one.kind is BackupKind.FULL and one.verified_at]
    first = min((at for at in fulls if last is None or at > last), default=None)
    if first is None or case.since(first) <= PATIENCE:
        return
    told = f"the last time was {wording.moment(last)}" if last else "nothing ever was"
    yield Concern(
        kind=ConcernKind.PRUNING_OLD,
        severity=Severity.WARNING,
        found=f"Nothing was pruned for {spoken(case.since(last or first))}; {told}. The retention "
        f"({case.deployment.retention.slots}) would let {wording.count(place.overdue, 'backup')} go.",
        risk="The store grows until it is full, and then no backup can be made.",
        remedy=f"Look at the newest run of {case.dag('pruning')}: is it paused, red, or waiting for somebody's "
        f"decision? By hand: vectorizer-backup prune --deployment {case.deployment.name}",
        since=first + PATIENCE,
    )
