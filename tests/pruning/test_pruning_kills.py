"""kill -9 and failing calls at every store call of a pruning: what stays is restorable always, the next one ends it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from backup_engine.archive.manifest import sidecar_key
from backup_engine.chain import bases_of
from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.records import Unpin, write_record
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.pruning.scene import (
    GONE,
    KEPT,
    assert_none_broken,
    assert_nothing_left,
    assert_restorable,
    held,
    named,
    now,
    prepared,
    pruned,
)
from tests.storage.faulty import FaultyStore, fault_points, survivors


def spoken_of() -> MemoryStore:
    """The store of the four days, with a word beside every backup."""
    clock = now()
    store = prepared(clock)
    for one in held(store, clock).values():
        write_record(store, one.folder, one.name, Unpin(at=clock(), token="u", by="anna"))
    return store


def scenario(store: Store) -> object:
    return pruned(store, now())


def assert_converges(store: Store) -> None:
    clock = now()
    clock.pass_by(hours=1)
    assert_restorable(store, clock, named(*KEPT))
    assert_none_broken(store, clock)
    store._clock = clock
    pruned(store, clock, "p2")
    clock.pass_by(days=2)
    pruned(store, clock, "p3")
    assert set(held(store, clock)) == named(*KEPT)
    assert_restorable(store, clock, named(*KEPT))
    assert_nothing_left(store, named(*KEPT))


def test_whatever_is_killed_when_all_that_stays_is_restorable_and_the_next_pruning_ends_it():
    stores = [survived for _, survived in survivors(scenario, spoken_of)]
    for survived in stores:
        assert_converges(survived)
    assert len(stores) > 60


@pytest.mark.parametrize("lasting", [False, True])
def test_a_failing_call_does_no_harm_and_the_next_pruning_ends_it(lasting):
    for fault in fault_points(scenario, spoken_of, error=lambda: StoreUnavailable("a test"), lasting=lasting):
        store = spoken_of()
        faulty = FaultyStore(store, fault)
        with suppress(BackupError):
            scenario(faulty)
        assert_converges(store)


def test_a_manifest_is_deleted_only_when_those_of_all_that_hang_on_it_are_gone():
    """Also within one request, of which nobody knows the order."""
    store, known = FaultyStore(spoken_of()), held(prepared(), now())
    scenario(store)
    requests = [call.key.split(",") for call in store.calls if call.method == "delete"]
    manifests = {sidecar_key(one.folder, one.name): one for one in known.values()}
    gone: set[str] = set()
    for request in requests:
        going = [manifests[key] for key in request if key in manifests]
        for one in going:
            assert {other.name for other in known.values() if one.name in bases_of(other)} <= gone
        gone |= {one.name for one in going}
    assert gone == named(*GONE)
