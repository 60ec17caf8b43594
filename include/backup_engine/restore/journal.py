"""What a restore writes down about itself, so that another process can go on with it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from pydantic import ValidationError

from backup_engine.errors import InvalidInput, ObjectExists, ObjectNotFound, RestoreRefused, UnknownFormat
from backup_engine.model import Document, Moment
from backup_engine.restore.plan import RestorePlan
from backup_engine.restore.report import Compared, Released, RestoreReport, Undone
from backup_engine.storage.contract import Store, read_bytes

PREFIX = ".staging/restore-"
_LIMIT = 64 << 20  # bytes; a plan for ten thousand collections has about ten MiB

D = TypeVar("D", bound=Document)


class Started(Document):
    """The server was as the plan says when the first change was about to be made."""

    at: Moment


class TakenSnapshot(Document):
    """The server's copy of a collection, written down before the first record is changed: the undo.

    :param at: by our clock
    :param bytes: of the file, as the server listed it
    :param vectors: the server counted, and a complete read of it gave, just before it was taken
    :param created_at: the server's word for the collection
    """

    id: str
    at: Moment
    bytes: int
    vectors: int
    created_at: str


class UndoBegan(Document):
    """From here on the server is no longer what the restore made of it.

    :param aliases: those that stood for collections which are put back
    """

    at: Moment
    aliases: dict[str, str]


class Journal(Protocol):
    """The memory of one restore. What the server lists decides; this tells what the server cannot."""

    def started(self) -> Started | None:
        """Tell whether the restore began to change the server."""

    def start(self, started: Started) -> None:
        """Note that it begins now; noting it twice is fine."""

    def compared(self, key: str) -> Compared | None:
        """Tell what the comparison of a collection found before it was swapped in."""

    def keep_compared(self, key: str, compared: Compared) -> None:
        """Note it; a later comparison of the same collection takes its place."""

    def snapshot(self, key: str) -> TakenSnapshot | None:
        """Tell which snapshot of the server is the undo of a collection that is restored in place."""

    def keep_snapshot(self, key: str, taken: TakenSnapshot) -> TakenSnapshot:
        """Note it, once and for all: gives the one that was noted first."""

    def report(self) -> RestoreReport | None:
        """Tell what the restore came to, if it is finished."""

    def finish(self, report: RestoreReport) -> None:
        """Note that it is finished."""


class StoreJournal:
    """Kept in the staging area of a store; survives everything."""

    def __init__(self, store: Store, restore_id: str) -> None:
        self._store = store
        self._folder = folder_of(restore_id)

    def started(self) -> Started | None:
        """Tell whether the restore began to change the server."""
        return read_document(self._store, f"{self._folder}started.json", Started)

    def start(self, started: Started) -> None:
        """Note that it begins now; noting it twice is fine."""
        create_or_find(self._store, f"{self._folder}started.json", started)

    def compared(self, key: str) -> Compared | None:
        """Tell what the comparison of a collection found before it was swapped in."""
        return read_document(self._store, f"{self._folder}compared-{key}.json", Compared)

    def keep_compared(self, key: str, compared: Compared) -> None:
        """Note it; a later comparison of the same collection takes its place."""
        _put(self._store, f"{self._folder}compared-{key}.json", compared)

    def snapshot(self, key: str) -> TakenSnapshot | None:
        """Tell which snapshot of the server is the undo of a collection that is restored in place."""
        return read_document(self._store, f"{self._folder}snapshot-{key}.json", TakenSnapshot)

    def keep_snapshot(self, key: str, taken: TakenSnapshot) -> TakenSnapshot:
        """Note it, once and for all: gives the one that was noted first."""
        return create_or_find(self._store, f"{self._folder}snapshot-{key}.json", taken)

    def report(self) -> RestoreReport | None:
        """Tell what the restore came to, if it is finished."""
        return read_document(self._store, f"{self._folder}report.json", RestoreReport)

    def finish(self, report: RestoreReport) -> None:
        """Note that it is finished."""
        create_or_find(self._store, f"{self._folder}report.json", report)


class ForgetfulJournal:
    """Kept in this process only: a restore from a bare file has no store to write to."""

    def __init__(self) -> None:
        self._started: Started | None = None
        self._compared: dict[str, Compared] = {}
        self._snapshots: dict[str, TakenSnapshot] = {}

    def started(self) -> Started | None:
        """Tell whether the restore began to change the server, in this process."""
        return self._started

    def start(self, started: Started) -> None:
        """Note that it begins now."""
        self._started = started

    def compared(self, key: str) -> Compared | None:
        """Tell what the comparison of a collection found, in this process."""
        return self._compared.get(key)

    def keep_compared(self, key: str, compared: Compared) -> None:
        """Note it."""
        self._compared[key] = compared

    def snapshot(self, key: str) -> TakenSnapshot | None:
        """Tell which snapshot of the server is the undo, in this process."""
        return self._snapshots.get(key)

    def keep_snapshot(self, key: str, taken: TakenSnapshot) -> TakenSnapshot:
        """Note it."""
        return self._snapshots.setdefault(key, taken)

    def report(self) -> RestoreReport | None:
        """Nothing: a finished restore is not asked about again."""
        return None

    def finish(self, report: RestoreReport) -> None:
        """Nothing to note it in."""


def folder_of(restore_id: str) -> str:
    """Where a restore keeps its plan and its progress."""
    return f"{PREFIX}{restore_id}/"


def keep_plan(plan: RestorePlan, store: Store) -> RestorePlan:
    """Write the plan down before anything is done by it.

    :raises InvalidInput: another plan is there under this restore id
    """
    key = f"{folder_of(plan.request.restore_id)}plan.json"
    kept = create_or_find(store, key, plan)
    if kept.request != plan.request:
        raise InvalidInput(f"{store.url}/{key} is the plan of another request; take another restore id")
    return kept


def stored_plan(store: Store, restore_id: str) -> RestorePlan | None:
    """Read the plan of a restore, if there is one."""
    return read_document(store, f"{folder_of(restore_id)}plan.json", RestorePlan)


def stored_release(store: Store, restore_id: str) -> Released | None:
    """Tell what was let go of, if anything."""
    return read_document(store, f"{folder_of(restore_id)}released.json", Released)


def keep_release(store: Store, released: Released) -> None:
    """Note what was let go of."""
    _put(store, f"{folder_of(released.restore_id)}released.json", released)


def stored_undo(store: Store, restore_id: str) -> Undone | None:
    """Tell what undoing came to, if it was done."""
    return read_document(store, f"{folder_of(restore_id)}undone.json", Undone)


def keep_undo(store: Store, undone: Undone) -> Undone:
    """Note that it is done."""
    return create_or_find(store, f"{folder_of(undone.restore_id)}undone.json", undone)


def undo_began(store: Store, restore_id: str) -> UndoBegan | None:
    """Tell whether undoing began to change the server."""
    return read_document(store, f"{folder_of(restore_id)}undo.json", UndoBegan)


def begin_undo(store: Store, restore_id: str, began: UndoBegan) -> UndoBegan:
    """Note that it begins now; gives what was noted first."""
    return create_or_find(store, f"{folder_of(restore_id)}undo.json", began)


def require_not_undone(store: Store, restore_id: str) -> None:
    """Refuse to go on with a restore that somebody takes back.

    :raises RestoreRefused: its undo began, or is done
    """
    began = undo_began(store, restore_id)
    if began is not None:
        todo = "restore again" if stored_undo(store, restore_id) else f"finish that: undo {restore_id}"
        raise RestoreRefused(f"restore {restore_id} was taken back on {began.at:%Y-%m-%d %H:%M:%S}Z; {todo}")


def create_or_find(store: Store, key: str, document: D) -> D:
    """Create the document; give what is there already if somebody, or an earlier attempt, was faster."""
    try:
        store.create(key, [document.model_dump_json().encode()])
    except ObjectExists as error:
        found = read_document(store, key, type(document))
        if found is None:
            raise ObjectNotFound(f"{store.url}/{key} was there and is gone: somebody cleans up meanwhile") from error
        return found
    return document


def read_document(store: Store, key: str, kind: type[D]) -> D | None:
    """Read a document; None if there is none.

    :raises UnknownFormat: it is not what this product writes
    """
    try:
        content = read_bytes(store, key, limit=_LIMIT)
    except ObjectNotFound:
        return None
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise UnknownFormat(
            f"{store.url}/{key} is not what this version writes there: {error}; use the version that wrote it"
        ) from error


def _put(store: Store, key: str, document: Document) -> None:
    content = document.model_dump_json().encode()
    try:
        store.create(key, [content])
    except ObjectExists:
        store.replace(key, content, version=store.stat(key).version)
