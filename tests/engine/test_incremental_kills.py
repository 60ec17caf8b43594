"""kill -9 at every store call of an incremental: the point is fully there or not there, and the next run converges."""

from __future__ import annotations

from functools import cache

import pytest

from backup_engine.archive.manifest import BackupKind, BackupState
from backup_engine.catalog import Catalog
from backup_engine.chain import breaks, by_name
from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.run_key import run_key
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time, capture, keys, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.points import content_of, point_of
from tests.storage.faulty import FaultyStore, fault_points, kill_points, survivor

LATER = Time()
LATER.pass_by(minutes=20)


@cache
def scene() -> tuple[MemoryServer, dict[str, bytes], dict[str, dict]]:
    """A server that changed since its full and its first incremental, their store, and what each of them held."""
    clock = Time()
    made, store = MemoryServer(clock=clock, page_records=30), new_store(clock)
    made.fill("docs", 90, dimension=4)
    made.fill("papers", 40, dimension=4)
    full = capture(made, store, clock, "full").name
    held = {full: {name: made.content(name) for name in made.live}}
    clock.pass_by(minutes=10)
    made.fill("docs", 3, first=200, dimension=4)
    made.erase("docs", ["r7"])
    first = capture(made, store, clock, "first", incremental=True).name
    held[first] = {name: made.content(name) for name in made.live}
    made.fill("docs", 2, first=5, dimension=4, seed=3)
    made.erase("docs", ["r8", "r9"])
    clock.pass_by(minutes=10)
    return made, objects(store), held


def objects(store: Store) -> dict[str, bytes]:
    return {key: b"".join(store.read(key)) for key in keys(store)}


def prepared() -> MemoryStore:
    store = MemoryStore(clock=LATER)
    for key, content in scene()[1].items():
        store.create(key, [content])
    return store


def run(store: Store, prefix: str = "first"):
    return capture(scene()[0], store, LATER, "run", prefix=prefix, incremental=True)


@cache
def undisturbed() -> dict[str, bytes]:
    store = prepared()
    run(store)
    return objects(store)


def assert_fully_there_or_not_there(store: Store) -> None:
    server, earlier, held = scene()
    catalog = Catalog(store, LATER)
    assert catalog.unreadable == ()
    backup = catalog.by_run(run_key("run"))
    expected = held | ({} if backup is None else {backup.name: {name: server.content(name) for name in server.live}})
    assert {one.name for one in catalog.backups()} == set(expected)
    for one in catalog.backups():
        assert breaks(one, by_name(catalog.backups())) == ()
        assert content_of(point_of(store, LATER, one.name)) == expected[one.name]
    for key, content in earlier.items():
        assert b"".join(store.read(key)) == content, "an earlier object was harmed"


@pytest.mark.parametrize("fault", [*kill_points(run, prepared)], ids=str)
def test_an_incremental_that_is_killed_anywhere_leaves_nothing_half_and_its_retry_makes_the_very_same(fault):
    survived = survivor(run, prepared, fault)
    assert_fully_there_or_not_there(survived)
    committed = run(survived, "retry")
    assert (committed.kind, committed.state) == (BackupKind.INCREMENTAL, BackupState.GOOD)
    assert_fully_there_or_not_there(survived)
    assert objects(survived) == undisturbed(), "other bytes, or something left over"
    assert run(survived, "once-more") == committed


@pytest.mark.parametrize("fault", [*fault_points(run, prepared, error=lambda: StoreUnavailable("not now"))], ids=str)
def test_a_store_that_fails_once_anywhere_does_an_incremental_and_its_chain_no_harm(fault):
    inner = prepared()
    with pytest.raises(BackupError):
        run(FaultyStore(inner, fault))
    assert_fully_there_or_not_there(inner)
    run(inner, "retry")
    assert objects(inner) == undisturbed()
