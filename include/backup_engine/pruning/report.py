"""What a pruning came to."""

from __future__ import annotations

from backup_engine.archive.manifest import Folder
from backup_engine.model import Document, Moment


class Deleted(Document):
    """A backup that is gone.

    :param bytes: of its archive
    """

    name: str
    folder: Folder
    captured_at: Moment
    bytes: int
    reason: str


class Spared(Document):
    """A backup that was to go and stayed, because something came to need it."""

    name: str
    reason: str


class PruningReport(Document):
    """What was done, as the store remembers it.

    :param plan: fingerprint of the plan that was carried out
    :param ended_at: None: it has not ended, or died
    :param kept: how many backups are left
    :param kept_bytes: of their archives
    :param swept: objects of runs that died, and of prunings that did
    :param swept_bytes: of those
    :param approved_by: who agreed, where somebody was asked
    """

    deployment: str
    store: str
    plan: str
    by: str
    began_at: Moment
    ended_at: Moment | None = None
    deleted: tuple[Deleted, ...] = ()
    spared: tuple[Spared, ...] = ()
    kept: int = 0
    kept_bytes: int = 0
    quarantined: int = 0
    swept: int = 0
    swept_bytes: int = 0
    approved_by: str | None = None

    @property
    def freed_bytes(self) -> int:
        """Of the archives that are gone, and of what was swept."""
        return sum(one.bytes for one in self.deleted) + self.swept_bytes
