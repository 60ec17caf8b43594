"""kill -9 at every store call of a capture: the backup is fully there or not there, and the next run converges."""

from __future__ import annotations

from functools import cache

import pytest

from backup_engine.archive.manifest import BackupState, Folder
from backup_engine.catalog import Catalog
from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.run_key import run_key
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time, capture, keys, new_store, stored_content
from tests.engine.memory_server import MemoryServer
from tests.storage.faulty import Fault, FaultyStore, Killed, fault_points, kill_points, survivor

EARLIER, LATER = Time(), Time()
LATER.pass_by(days=1)


@cache
def server() -> MemoryServer:
    """Changed by nobody, so one for all; but "papers" says that it moved between two pages, so it is read twice."""
    made = MemoryServer(clock=EARLIER, page_records=30)
    made.fill("docs", 90, dimension=4)
    made.fill("papers", 40, dimension=4)
    made.fill("empty", 0)

    def on_page(name, page):
        if name == "papers":
            made.live[name].updated_at = ["still", "moved"][page]

    made.on_page = on_page
    return made


@cache
def earlier_objects() -> dict[str, bytes]:
    """A store with a good backup of the day before."""
    store = new_store(EARLIER)
    capture(server(), store, EARLIER, "earlier")
    return objects(store)


def prepared() -> MemoryStore:
    store = MemoryStore(clock=LATER)
    for key, content in earlier_objects().items():
        store.create(key, [content])
    return store


def objects(store: Store) -> dict[str, bytes]:
    return {key: b"".join(store.read(key)) for key in keys(store)}


def run(store: Store, prefix: str = "first"):
    server().live["papers"].updated_at = "still"
    return capture(server(), store, LATER, "run", prefix=prefix)


@cache
def undisturbed() -> dict[str, bytes]:
    store = prepared()
    run(store)
    return objects(store)


def assert_fully_there_or_not_there(store: Store) -> None:
    catalog = Catalog(store, LATER)
    assert catalog.unreadable == ()
    backup = catalog.by_run(run_key("run"))
    assert len(catalog.backups()) == (1 if backup is None else 2)
    for one in catalog.backups():
        content = stored_content(store, one.folder, one.name)
        assert content == {name: server().content(name) for name in server().live}
    for key, content in earlier_objects().items():
        assert b"".join(store.read(key)) == content, "an earlier object was harmed"


@pytest.mark.parametrize("fault", [*kill_points(run, prepared)], ids=str)
def test_a_capture_that_is_killed_anywhere_leaves_nothing_half_and_its_retry_makes_the_very_same_backup(fault):
    survived = survivor(run, prepared, fault)
    assert_fully_there_or_not_there(survived)
    committed = run(survived, "retry")
    assert committed.state is BackupState.GOOD
    assert objects(survived) == undisturbed(), "other bytes, or something left over"
    assert run(survived, "once-more") == committed


@pytest.mark.parametrize("fault", [*fault_points(run, prepared, error=lambda: StoreUnavailable("not now"))], ids=str)
def test_a_store_that_fails_once_anywhere_with_or_without_effect_does_no_harm(fault):
    inner = prepared()
    with pytest.raises(BackupError):
        run(FaultyStore(inner, fault))
    assert_fully_there_or_not_there(inner)
    run(inner, "retry")
    assert objects(inner) == undisturbed()


def test_killed_again_and_again_it_still_ends_in_one_backup():
    store, attempts, call = prepared(), 0, 3
    while True:
        attempts += 1
        faulty = FaultyStore(store, Fault(call, "after"))
        try:
            run(faulty, f"attempt{attempts}")
        except Killed:
            assert_fully_there_or_not_there(store)
            call += 2
            continue
        break
    assert attempts > 5
    assert {key: content for key, content in objects(store).items() if key in undisturbed()} == undisturbed()
    assert keys(store, ".staging/") == []


def test_what_a_kill_test_must_fail_on_is_seen():
    """The check itself: a manifest without its archive, or a changed archive, is not fully there."""
    store = prepared()
    run(store)
    backup = Catalog(store, LATER).by_run(run_key("run"))
    assert backup.folder is Folder.WEEKLY
    store.delete([f"{backup.folder.value}/{backup.name}.tar.gz"])
    with pytest.raises(BackupError):
        assert_fully_there_or_not_there(store)
