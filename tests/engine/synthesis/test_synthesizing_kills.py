"""kill -9 at every store call of a synthesis: the full is there or not, and the next call makes the very same one."""

from __future__ import annotations

from functools import cache

import pytest

from backup_engine.catalog import Catalog
from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from backup_engine.synthesis import synthesize
from tests.engine.captures import keys, stored_content
from tests.engine.meanwhile import Meanwhile
from tests.engine.synthesis.scene import Scene
from tests.storage.faulty import FaultyStore, fault_points, kill_points, survivor


@cache
def scene() -> Scene:
    return Scene.of_five()


def prepared() -> MemoryStore:
    store = MemoryStore(scene().store.url, clock=scene().clock)
    for key, content in objects(scene().store).items():
        store.create(key, [content])
    return store


def objects(store: Store) -> dict[str, bytes]:
    return {key: b"".join(store.read(key)) for key in keys(store)}


def run(store: Store, attempt: str = "first"):
    return synthesize(store, scene().names[-1], scene().clock, attempt)


@cache
def undisturbed() -> dict[str, bytes]:
    store = prepared()
    run(store)
    return objects(store)


def assert_there_or_not_there(store: Store) -> None:
    catalog = Catalog(store, scene().clock)
    assert catalog.unreadable == ()
    made = [one for one in catalog.backups() if one.manifest.clear.synthesized_from]
    assert len(catalog.backups()) == len(scene().names) + len(made)
    for one in made:
        assert stored_content(store, one.folder, one.name) == scene().states[scene().names[-1]]
    for key, content in objects(scene().store).items():
        assert b"".join(store.read(key)) == content, "an earlier object was harmed"


@pytest.mark.parametrize("fault", [*kill_points(run, prepared)], ids=str)
def test_a_synthesis_that_is_killed_anywhere_goes_on_and_makes_the_very_same_backup(fault) -> None:
    survived = survivor(run, prepared, fault)
    assert_there_or_not_there(survived)
    made = run(survived, "retry")
    assert objects(survived) == undisturbed(), "other bytes, or something left over"
    assert run(survived, "again") == made.model_copy(update={"already": True})


@pytest.mark.parametrize("fault", [*fault_points(run, prepared, error=lambda: StoreUnavailable("not now"))], ids=str)
def test_a_store_that_fails_once_anywhere_does_no_harm(fault) -> None:
    inner = prepared()
    with pytest.raises(BackupError):
        run(FaultyStore(inner, fault))
    assert_there_or_not_there(inner)
    run(inner, "retry")
    assert objects(inner) == undisturbed()


def test_another_worker_at_any_instant_makes_no_second_full() -> None:
    counted = Meanwhile(prepared())
    run(counted)
    for call in range(1, counted.calls + 1):
        inner = prepared()
        one = run(Meanwhile(inner, call, lambda inner=inner: run(inner, "other")))
        assert_there_or_not_there(inner)
        run(inner, "last")
        assert objects(inner) == undisturbed(), call
        assert one.of == scene().names[-1]


def test_what_is_written_is_not_written_again() -> None:
    joining = next(fault for fault in kill_points(run, prepared) if "join" in str(fault))
    survived = survivor(run, prepared, joining)
    watched = FaultyStore(survived)
    run(watched, "retry")
    assert [one.key for one in watched.calls if one.method == "create" and "fragment" in one.key] == []
    assert objects(survived) == undisturbed()
