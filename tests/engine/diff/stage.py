"""Backups for tests of differences: of collections that are written down in the test itself."""

from __future__ import annotations

from collections.abc import Mapping

from backup_engine.archive.manifest import Folder
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.chain import by_name
from backup_engine.diff.differing import diff_points
from backup_engine.diff.report import CollectionDiff, StateDiff
from backup_engine.model import Metric
from backup_engine.restore_point import RestorePoint, open_restore_point
from backup_engine.run_key import run_key
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import NOON, Built, Given, build
from tests.engine.captures import Time, new_store
from tests.engine.diff.states import DIMENSION, Records, batch_of_records
from tests.engine.restores import put

Collections = Mapping[str, Records]


def full(name: str, collections: Collections, metric: Metric = Metric.EUCLIDEAN, **clear) -> Built:
    """A full of these collections."""
    given = [
        Given(key, [batch_of_records(records)], _dimension(records), metric) for key, records in collections.items()
    ]
    changes = {"name": name, "folder": Folder.DAILY, "run_key": run_key(name), "captured_at": NOON}
    return build(*given, **(changes | clear))


def store_with(*backups: Built) -> MemoryStore:
    """A store that holds these."""
    store = new_store(Time(NOON))
    for backup in backups:
        put(store, backup)
    return store


def backups_in(store: MemoryStore) -> tuple[Backup, ...]:
    return Catalog(store, Time(NOON)).backups()


def point_in(store: MemoryStore, name: str) -> RestorePoint:
    known = by_name(backups_in(store))
    return open_restore_point(store, known[name], known)


def diff(before: Built, after: Built, **options) -> StateDiff:
    """The difference between two backups."""
    store = store_with(before, after)
    names = (one.sidecar.manifest.clear.name for one in (before, after))
    return diff_points(*(point_in(store, name) for name in names), **options)


def only(found: StateDiff) -> CollectionDiff:
    """The only collection."""
    (one,) = found.collections
    return one


def diff_of(before: Records, after: Records, **options) -> CollectionDiff:
    """The difference between two states of one collection."""
    return only(diff(full("a", {"docs": before}), full("b", {"docs": after}), **options))


def _dimension(records: Records) -> int:
    return next((len(vector) for vector, _ in records.values()), DIMENSION)
