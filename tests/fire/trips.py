"""Whole round trips: a server captured, committed, and restored to another one, everything over HTTP."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

from backup_engine.archive.manifest import BackupState, Sidecar, archive_key
from backup_engine.archive.reading import ArchiveReader, StoredObject
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.commit import Committed
from backup_engine.model import system_clock
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.report import RestoreReport
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.storage.contract import Store
from backup_engine.vectorizer.server import VectorizerServer
from tests.engine.captures import capture, new_store

_NUMBERS = count(1)


class Trip(NamedTuple):
    """What came of it."""

    committed: Committed
    report: RestoreReport


def some_word() -> str:
    """A word that no other trip has."""
    return f"{next(_NUMBERS):012x}"


def backup_in(store: Store, name: str) -> Backup:
    return Catalog(store, system_clock).find(name)


def reader_of(store: Store, backup: Backup) -> ArchiveReader:
    sidecar = Sidecar(manifest=backup.manifest, archive=backup.archive)
    return ArchiveReader(StoredObject(store, archive_key(backup.folder, backup.name)), sidecar)


def restore(name: str, store: Store, server: VectorizerServer, clock=system_clock, **changes) -> RestoreReport:
    """Plan and carry out, as the command line does."""
    backup = backup_in(store, name)
    given = {"restore_id": some_word(), "backup": name, "mode": RestoreMode.NEW} | changes
    plan = prepare_restore(RestoreRequest(**given), backup.manifest, server, store)
    return execute_restore(plan, reader_of(store, backup), server, store, clock, owner="a test")


def round_trip(source: VectorizerServer, target: VectorizerServer, *names: str) -> Trip:
    """Capture these collections (all of them when none is named) into a new store, and restore them."""
    store = new_store(system_clock)
    committed = capture(source, store, system_clock, some_word(), collections=names or None)
    assert committed.state is BackupState.GOOD, committed.reasons
    return Trip(committed, restore(committed.name, store, target))
