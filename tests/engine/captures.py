"""What tests of captures share: a clock that a test moves, words that never repeat, stores, whole captures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.manifest import Folder
from backup_engine.archive.reading import ArchiveReader, StoredObject, load_sidecar
from backup_engine.capture.request import CaptureRequest
from backup_engine.catalog import Catalog
from backup_engine.commit import Committed
from backup_engine.run import run_capture
from backup_engine.run_key import run_key
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore

STORE_ID = "store-1"
SUNDAY = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


class Time:
    """A clock that stands until a test moves it."""

    def __init__(self, now: datetime = SUNDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def words(prefix: str = "t") -> Callable[[], str]:
    """Make a maker of words that never repeat."""
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers)}"


def new_store(clock: Callable[[], datetime], deployment: str = "production") -> MemoryStore:
    """Make an initialised store."""
    store = MemoryStore(clock=clock)
    init_store(store, deployment, clock, lambda: STORE_ID)
    return store


def request(run: str = "run", **changes) -> CaptureRequest:
    """Ask for a capture of everything."""
    given = {"run_key": run_key(run), "deployment": "production", "store_id": STORE_ID, "streams": 2}
    return CaptureRequest(**(given | changes))


def capture(server, store: Store, clock, run: str = "run", prefix: str = "t", **changes) -> Committed:
    """Make a whole capture."""
    return run_capture(request(run, **changes), server, store, clock, words(f"{run_key(run)}-{prefix}-"))


def stored_content(store: Store, folder: Folder, name: str) -> dict[str, dict[str, tuple[bytes, str | None]]]:
    """Read a backup back: by collection and id the bytes of the components and the payload text."""
    sidecar = load_sidecar(store, folder, name)
    key = f"{folder.value}/{name}.tar.gz"
    reader = ArchiveReader(StoredObject(store, key), sidecar)
    content = {}
    for summary, private in sidecar.manifest.each():
        content[private.name] = {}
        for part in reader.parts(summary.key) if summary.entries else ():
            rows = zip(
                part.batch["id"].to_pylist(), vectors_of(part.batch), part.batch["payload"].to_pylist(), strict=True
            )
            for record_id, vector, payload in rows:
                assert record_id not in content[private.name], "an id came twice"
                content[private.name][record_id] = (vector.astype("<f4").tobytes(), payload)
    return content


def keys(store: Store, prefix: str = "") -> list[str]:
    """List the keys of a store."""
    return [info.key for info in store.list(prefix)]


def only_backup(store: Store, clock):
    """Give the one backup that a store is to hold."""
    catalog = Catalog(store, clock)
    assert catalog.unreadable == ()
    assert len(catalog.backups()) == 1
    return catalog.backups()[0]
