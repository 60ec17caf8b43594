"""What tests of copies share: stores of one deployment, backups in them, and what may never be seen in one."""

from __future__ import annotations

from functools import cache

from backup_engine.archive.manifest import Folder, archive_key, sidecar_key
from backup_engine.archive.tail import document_bytes
from backup_engine.catalog import Catalog
from backup_engine.copies.passing import checked
from backup_engine.records import Verification, VerificationLevel, write_record
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import Built, build, two_collections
from tests.engine.captures import Time, keys
from tests.engine.restores import put

TO = "s3://a-connection@bucket/production?sse=AES256"
FOLDER, NAME = Folder.DAILY, "backup-20261122"


@cache
def built(name: str = NAME, run_key: str = "0123456789abcdef") -> Built:
    """A backup of two collections."""
    return build(*two_collections(), name=name, run_key=run_key)


def place(store_id: str, clock, *backups: Built, deployment: str = "production") -> MemoryStore:
    """An initialised store that holds these."""
    store = MemoryStore(f"memory://{store_id}", clock)
    init_store(store, deployment, clock, lambda: store_id)
    for backup in backups:
        put(store, backup)
    return store


def objects(store: Store) -> dict[str, bytes]:
    """All a store holds."""
    return {key: b"".join(store.read(key)) for key in keys(store)}


def fresh(content: dict[str, bytes], url: str, clock) -> MemoryStore:
    """A store that holds just this."""
    store = MemoryStore(url, clock)
    for key, data in content.items():
        store.create(key, [data])
    return store


def flipped(data: bytes) -> bytes:
    """The same but for one bit in the middle."""
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def overwrite(store: Store, key: str, data: bytes) -> None:
    """Put something else in an object's place, as a bad disk does."""
    store.delete([key])
    store.create(key, [data])


def fail_verification(store: Store, clock: Time, built_backup: Built) -> None:
    """Note that it was found damaged."""
    clear = built_backup.sidecar.manifest.clear
    record = Verification(
        at=clock(),
        token="found",
        level=VerificationLevel.FULL,
        passed=False,
        entries=1,
        vectors=0,
        bytes=1,
        seconds=0.1,
        problems=("a flipped bit",),
        host="here",
    )
    write_record(store, clear.folder, clear.name, record)


def holds(store: Store, backup: Built) -> bool:
    """Whether the store has the whole backup, to the bit; that it has half of it is an error of the product."""
    clear = backup.sidecar.manifest.clear
    found = objects(store)
    manifest = found.get(sidecar_key(clear.folder, clear.name))
    if manifest is None:
        return False
    assert manifest == document_bytes(backup.sidecar)
    assert found.get(archive_key(clear.folder, clear.name)) == backup.data, "a manifest lies beside no right archive"
    return True


def passes(store: Store, backup: Built) -> bool:
    """Whether the archive in the store is what the manifest says."""
    clear = backup.sidecar.manifest.clear
    for _ in checked(store.read(archive_key(clear.folder, clear.name)), backup.sidecar.archive, "it"):
        pass
    return True


def names(store: Store, clock) -> list[str]:
    """The backups that a store lists, newest first."""
    return [backup.name for backup in Catalog(store, clock).backups()]
