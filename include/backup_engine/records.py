"""Records: later facts about a backup, create-only files beside its manifest. They never change, newer ones join."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from backup_engine.archive.manifest import BackupState, Folder, records_prefix
from backup_engine.archive.reading import load_sidecar
from backup_engine.errors import HostileArchive, InvalidInput, ObjectNotFound
from backup_engine.model import Clock, Document, Moment
from backup_engine.storage.contract import ListedObject, Store, read_bytes

_LIMIT = 4 << 20  # bytes; a verification that names ten thousand problems has about one MiB


class VerificationLevel(StrEnum):
    """How hard a verification looks.

    * quick: the archive is there, lists, and has the size, names and places its manifest says
    * full: every byte read, every hash and digest calculated again
    """

    QUICK = "quick"
    FULL = "full"


class Verification(Document):
    """Somebody looked whether the backup is what its manifest says.

    :param seconds: how long it took
    :param host: the machine that looked: a store mounted on one may not be on another
    :param token: tells records of one moment apart
    """

    kind: Literal["verification"] = "verification"
    at: Moment
    token: str
    level: VerificationLevel
    passed: bool
    entries: int
    vectors: int
    bytes: int
    seconds: float
    problems: tuple[str, ...] = ()
    host: str


class Acknowledgement(Document):
    """A person looked at a suspect backup and says that what it lacks is meant to be gone."""

    kind: Literal["acknowledgement"] = "acknowledgement"
    at: Moment
    token: str
    by: str
    why: str


class Copied(Document):
    """The backup lies in another store too: all of it, compared by content there.

    :param to: where that is, without connection and options
    :param store_id: which store that is; its address may change
    :param bytes: of the archive there
    """

    kind: Literal["copy"] = "copy"
    at: Moment
    token: str
    to: str
    store_id: str
    bytes: int


class Proof(Document):
    """All of it was restored to a server and compared there, record by record.

    :param restore_id: of the restore that did it
    :param server: its address
    :param vectors: that were compared
    :param seconds: the restore took
    """

    kind: Literal["proof"] = "proof"
    at: Moment
    token: str
    restore_id: str
    server: str
    vectors: int
    seconds: float


class Pin(Document):
    """Somebody wants it kept, with all it hangs on, whatever the retention says.

    :param until: from then on the retention decides again
    """

    kind: Literal["pin"] = "pin"
    at: Moment
    token: str
    by: str
    why: str
    until: Moment


class Unpin(Document):
    """Somebody took the pin off before it ended."""

    kind: Literal["unpin"] = "unpin"
    at: Moment
    token: str
    by: str


class Withdrawal(Document):
    """It is about to be deleted: written before its manifest goes and deleted as the last of all that is left of it,
    so that nothing is built on it meanwhile, and a pruning that died is finished by the next one.

    :param plan: fingerprint of the plan that lets it go
    :param reason: the rule, for people
    """

    kind: Literal["withdrawal"] = "withdrawal"
    at: Moment
    token: str
    plan: str
    reason: str


class UnreadableRecord(Document):
    """A record that this product cannot read: damaged, or of a kind that only newer versions know."""

    kind: Literal["unreadable"] = "unreadable"
    key: str
    problem: str


Record = Verification | Acknowledgement | Copied | Proof | Pin | Unpin | Withdrawal

TRAVELLING_KINDS = frozenset({"acknowledgement", "proof", "pin", "unpin"})
"""Records that are about the content and go with it to copies. A verification is about one store's bytes, a copy is
what one store knows of another, and a withdrawal is one store's own affair.
"""

_reader: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def record_key(prefix: str, record: Record) -> str:
    """Where a record lies; the time is for people, who read listings."""
    return f"{prefix}{record.kind}-{record.at:%Y%m%dT%H%M%S}Z-{record.token}.json"


def write_record(store: Store, folder: Folder, name: str, record: Record) -> None:
    """Keep a record beside its backup.

    :raises ObjectExists: a record of this kind, second and token is there already
    """
    store.create(record_key(records_prefix(folder, name), record), [record.model_dump_json().encode()])


def read_records(store: Store, folder: Folder, name: str) -> tuple[Record | UnreadableRecord, ...]:
    """Read all records of a backup, oldest first, unreadable ones at the end."""
    return records_at(store, store.list(records_prefix(folder, name)))


def records_at(store: Store, listed: Iterable[ListedObject]) -> tuple[Record | UnreadableRecord, ...]:
    """Read the records that a listing showed, in the order of ``read_records``."""
    return oldest_first(record for info in listed if (record := read_record(store, info.key)) is not None)


def oldest_first(records: Iterable[Record | UnreadableRecord]) -> tuple[Record | UnreadableRecord, ...]:
    """Order records: oldest first, unreadable ones at the end."""
    read = [*records]
    known = sorted((record for record in read if not isinstance(record, UnreadableRecord)), key=lambda one: one.at)
    return (*known, *(record for record in read if isinstance(record, UnreadableRecord)))


def acknowledge_backup(
    store: Store, folder: Folder, name: str, *, why: str, clock: Clock, token: str, by: str = "the command line"
) -> Acknowledgement:
    """Accept a suspect backup as good.

    :param by: who says so
    :raises InvalidInput: the backup is not suspect; a partial one stays partial whatever anybody says
    """
    state = load_sidecar(store, folder, name).manifest.clear.state
    if state is not BackupState.SUSPECT:
        raise InvalidInput(f"{name} is {state}; only a suspect backup can be acknowledged, and nothing was changed")
    if not why.strip():
        raise InvalidInput(f"{name}: say why it is accepted; the reason is kept with the backup")
    record = Acknowledgement(at=clock(), token=token, by=by, why=why)
    write_record(store, folder, name, record)
    return record


def read_record(store: Store, key: str) -> Record | UnreadableRecord | None:
    """Read one record; None: it is not there any more."""
    try:
        return _reader.validate_json(read_bytes(store, key, limit=_LIMIT))
    except ObjectNotFound:  # pruned between the listing and now
        return None
    except (ValidationError, HostileArchive) as error:
        return UnreadableRecord(key=key, problem=str(error))
