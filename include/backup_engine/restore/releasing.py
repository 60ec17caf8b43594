"""Which restores may be let go of by now: what they replaced takes the server's memory until then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from backup_engine import wording
from backup_engine.model import Document
from backup_engine.restore.lifecycle import KnownRestore, Progression

_NEVER = {
    Progression.PLANNED: "it never began, so it holds nothing",
    Progression.STARTED: "it is not finished: resume it, undo it, or release it by name",
    Progression.RELEASED: "it was released already",
    Progression.UNREADABLE: "what is known of it cannot be read",
}


class PlannedRelease(Document):
    """Whether a restore is let go of now, and why (not)."""

    restore_id: str
    release: bool
    reason: str


def plan_releases(known: Sequence[KnownRestore], now: datetime, keep: timedelta | None) -> tuple[PlannedRelease, ...]:
    """Decide for each restore. Pure. What is not finished is never let go of: somebody has to resume, undo or release.

    :param keep: how long what was replaced is kept after the restore, or its undo, was finished; None: for ever
    """
    return tuple(_planned(one, now, keep) for one in known)


def _planned(one: KnownRestore, now: datetime, keep: timedelta | None) -> PlannedRelease:
    ended = _ended(one)
    due = ended is not None and keep is not None and now >= ended + keep
    return PlannedRelease(restore_id=one.restore_id, release=due, reason=_reason(one, ended, now, keep))


def _reason(one: KnownRestore, ended: datetime | None, now: datetime, keep: timedelta | None) -> str:
    if one.progression in _NEVER:
        return _NEVER[one.progression]
    if ended is None:
        return "it holds no collection aside"
    if keep is None:
        return "what was replaced is kept for ever: release it by name"
    if now < ended + keep:
        return f"kept until {wording.moment(ended + keep)}"
    return f"it ended {wording.duration((now - ended).total_seconds())} ago"


def _ended(one: KnownRestore) -> datetime | None:
    """When its last step was finished, if it is and left collections aside."""
    if one.progression is Progression.UNDONE and one.undone:
        return one.undone.at if any(item.kept_as for item in one.undone.collections) else None
    if one.progression is Progression.FINISHED and one.report:
        return one.report.finished_at if any(item.kept_as for item in one.report.collections) else None
    return None
