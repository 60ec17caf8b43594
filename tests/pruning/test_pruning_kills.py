"""kill -9 and failing calls at every store call of a pruning: what stays is restorable always, the next one ends it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.storage.contract import Store
from tests.pruning.scene import (
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
    stores = [survived for _, survived in survivors(scenario, prepared)]
    for survived in stores:
        assert_converges(survived)
    assert len(stores) > 60


@pytest.mark.parametrize("lasting", [False, True])
def test_a_failing_call_does_no_harm_and_the_next_pruning_ends_it(lasting):
    for fault in fault_points(scenario, prepared, error=lambda: StoreUnavailable("a test"), lasting=lasting):
        store = prepared()
        faulty = FaultyStore(store, fault)
        with suppress(BackupError):
            scenario(faulty)
        assert_converges(store)
