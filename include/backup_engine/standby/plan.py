"""What bringing the standby to a backup will do, collection by collection, and what speaks against it."""

from __future__ import annotations

from enum import StrEnum

from backup_engine.errors import RestoreRefused
from backup_engine.model import Document, Moment


class StandbyAction(StrEnum):
    """What happens to one collection of the standby.

    * keep: it holds that state already
    * apply: what changed is written, what is gone is deleted
    * load: it is loaded whole, beside what is there, and swapped in
    * align: it is read whole, and what differs is written; the server's own snapshot is the undo
    * drop: the backup does not hold it any more
    * leave: the backup holds nothing of it that could be brought here
    """

    KEEP = "keep"
    APPLY = "apply"
    LOAD = "load"
    ALIGN = "align"
    DROP = "drop"
    LEAVE = "leave"


class PlannedChange(Document):
    """What happens to one collection, and why.

    :param key: the collection's key in the backup; None: the backup does not hold it
    :param vectors: records that the standby will count
    """

    name: str
    key: str | None
    action: StandbyAction
    reason: str
    vectors: int = 0


class StandbyPlan(Document):
    """One backup, and what brings the standby to it.

    :param untouched: collections of the standby that are none of ours
    :param refusals: every reason against it; a plan with one is never carried out
    """

    backup: str
    captured_at: Moment
    server_url: str
    changes: tuple[PlannedChange, ...]
    untouched: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    def of(self, *actions: StandbyAction) -> tuple[PlannedChange, ...]:
        """Give the changes of a kind."""
        return tuple(one for one in self.changes if one.action in actions)

    def require_possible(self) -> None:
        """Stop here if anything speaks against it.

        :raises RestoreRefused: the message holds all of it
        """
        if self.refusals:
            raise RestoreRefused("; ".join(self.refusals))
