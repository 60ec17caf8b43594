"""What a capture will read, frozen before the first vector is."""

from __future__ import annotations

from backup_engine.archive.manifest import BackupKind, Base, LeftOut, ServerVersion
from backup_engine.capture.request import CaptureRequest
from backup_engine.model import CollectionState, Document, Moment


class Basis(Document):
    """The state that a collection is compared with, and what its delta builds on. Everything in it was whole when the
    plan was made.

    :param newest: where the newest known state is stored
    :param base: where the state is stored that the delta will be made from; it may be the same one
    :param vectors: records of the newest known state
    :param dimension: of its vectors
    :param configuration_sha256: of the collection's configuration then
    :param number: of the delta that would be made
    :param read_at: when the records were last read
    :param unchanged: the server says that nothing changed since, and that is believed: nothing is read
    """

    newest: Base
    base: Base
    vectors: int
    dimension: int
    configuration_sha256: str
    number: int
    read_at: Moment
    unchanged: bool = False


class PlannedCollection(Document):
    """One collection to read.

    :param key: "c0001": its name within the archive
    :param state: as listed when the plan was made
    :param basis: what it is compared with; None: it is stored whole
    """

    key: str
    state: CollectionState
    basis: Basis | None = None


class CapturePlan(Document):
    """Everything that exporting and committing need to know; they never look at the configuration again.

    :param attempt: tells this plan from those of other attempts of the run
    :param started_at: before the first question to the server: the recovery point counts from here
    :param restore_fencing: number of the restore lease then; another one later means that a restore ran meanwhile
    :param streams: keys of ``collections``, each in exactly one stream
    :param aliases: names that stand for one of ``collections``
    :param kind: what will be made; an incremental where one was asked for and there is something to build on
    :param remarks: why it is that, and which collections are stored whole, for people
    """

    request: CaptureRequest
    attempt: str
    started_at: Moment
    restore_fencing: int
    server_url: str
    server: ServerVersion
    collections: tuple[PlannedCollection, ...]
    streams: tuple[tuple[str, ...], ...]
    left_out: tuple[LeftOut, ...] = ()
    aliases: dict[str, str] = {}
    kind: BackupKind = BackupKind.FULL
    remarks: tuple[str, ...] = ()

    @property
    def whole_scope(self) -> bool:
        """The deployment's whole scope, not a chosen subset."""
        return self.request.collections is None

    @property
    def vectors(self) -> int:
        """Records the server counted when the plan was made."""
        return sum(collection.state.vectors for collection in self.collections)

    def stream(self, number: int) -> tuple[PlannedCollection, ...]:
        """Give the collections of one stream, in the order they are read."""
        by_key = {collection.key: collection for collection in self.collections}
        return tuple(by_key[key] for key in self.streams[number])


class PreparedCapture(Document):
    """What the tasks that follow need to know.

    :param streams: how many there are, at least one
    :param vectors: records to expect
    :param already: name of the backup that this run has made before; nothing is left to do then
    """

    plan_key: str
    streams: int
    vectors: int
    already: str | None = None
