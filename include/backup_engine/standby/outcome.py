"""What bringing the standby to a backup came to."""

from __future__ import annotations

from backup_engine.model import Document, Moment
from backup_engine.standby.changing import Changed
from backup_engine.standby.plan import PlannedChange, StandbyAction
from backup_engine.standby.state import StandbyState


class AppliedChange(Document):
    """What was done to one collection.

    :param upserts: records written
    :param deletions: records deleted
    :param sampled: of these, looked at again
    """

    name: str
    action: StandbyAction
    reason: str
    vectors: int
    upserts: int = 0
    deletions: int = 0
    sampled: int = 0


class Applied(Document):
    """What bringing the standby to a backup came to.

    :param started_at: when reading the backup began: what was written since is not on the standby
    :param applied_at: since when it is there
    :param already: it held that state before, or a newer one than any that can be restored now
    :param kept_aside: ids of restores that keep what they replaced
    """

    backup: str
    started_at: Moment
    captured_at: Moment
    applied_at: Moment
    seconds: float
    already: bool
    collections: tuple[AppliedChange, ...]
    kept_aside: tuple[str, ...] = ()


def done(change: PlannedChange, found: Changed | None = None) -> AppliedChange:
    """Tell what was done to one collection.

    :param found: None: nothing had to be written
    """
    return AppliedChange(
        name=change.name,
        action=change.action,
        reason=change.reason,
        vectors=change.vectors,
        upserts=found.upserts if found else 0,
        deletions=found.deletions if found else 0,
        sampled=found.sampled if found else 0,
    )


def nothing_newer(state: StandbyState) -> Applied:
    """Tell that the standby holds a newer state than any that can be restored now."""
    if state.backup is None or state.started_at is None or state.captured_at is None or state.applied_at is None:
        raise AssertionError("a standby that holds nothing is behind every backup")
    return Applied(
        backup=state.backup,
        started_at=state.started_at,
        captured_at=state.captured_at,
        applied_at=state.applied_at,
        seconds=0.0,
        already=True,
        collections=(),
    )
