"""What a restore, or letting go of one, came to."""

from __future__ import annotations

from backup_engine.model import Document, Moment
from backup_engine.restore.comparison import Comparison
from backup_engine.restore.plan import Action
from backup_engine.restore.request import RestoreMode


class Compared(Document):
    """Written down when a collection was loaded and found equal to the backup, before it is swapped in.

    :param created_at: the server's word for the loaded collection: tells it from whatever else may take its name
    :param seconds: loading took, in the attempt that finished it
    :param loaded: records that attempt sent; fewer than all when it resumed, or when the server had them (in place)
    :param deleted: records that attempt deleted (in place)
    """

    created_at: str
    loaded: int
    deleted: int = 0
    seconds: float
    comparison: Comparison


class RestoredCollection(Document):
    """One collection, restored.

    :param vectors: records of the backup that the server holds now
    :param exact: of the compared records, those equal to the last bit
    :param left_behind: records that could not be put back
    :param rate: vectors a second while loading; 0.0 when nothing had to be loaded any more
    :param kept_as: the name the replaced collection has until it is released
    :param snapshot: id of the server's snapshot that is the undo of a collection replaced in place
    :param written: records that were sent by the attempt that finished it
    :param deleted: records that were deleted from a collection replaced in place
    """

    source: str
    target: str
    action: Action
    vectors: int
    compared: int
    exact: int
    left_behind: int = 0
    seconds: float
    rate: float
    kept_as: str | None = None
    snapshot: str | None = None
    written: int = 0
    deleted: int = 0
    vectors_replaced: int | None = None


class RestoreReport(Document):
    """A finished restore.

    :param seconds: from the first look at the server to the last
    :param vectors: records restored, in all collections
    :param compared: records read back from the server and found equal
    :param flushed: the server confirmed that everything is on its disk
    :param notes: what somebody should know or do now
    """

    restore_id: str
    backup: str
    mode: RestoreMode
    server_url: str
    started_at: Moment
    finished_at: Moment
    seconds: float
    vectors: int
    compared: int
    collections: tuple[RestoredCollection, ...]
    aliases: dict[str, str] = {}
    flushed: bool
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Dropped(Document):
    """A collection that was held aside and is gone."""

    name: str
    vectors: int


class PutBack(Document):
    """A collection that has again what it had before a restore.

    :param vectors: counted afterwards
    :param vectors_undone: counted before; None: there was no such collection any more
    :param snapshot: id of the server's snapshot that was put back; None: the kept collection was swapped in again
    :param kept_as: the name of the restored collection until it is released
    """

    target: str
    vectors: int
    vectors_undone: int | None
    snapshot: str | None = None
    kept_as: str | None = None


class Undone(Document):
    """What undoing a restore came to.

    :param flushed: the server confirmed that everything is on its disk
    """

    restore_id: str
    server_url: str
    at: Moment
    collections: tuple[PutBack, ...]
    flushed: bool
    notes: tuple[str, ...] = ()


class Released(Document):
    """What letting go of a restore came to.

    :param flushed: the server confirmed that its disk forgot them too
    """

    restore_id: str
    server_url: str
    dropped: tuple[Dropped, ...]
    flushed: bool
    notes: tuple[str, ...] = ()
