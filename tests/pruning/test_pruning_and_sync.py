"""Synchronising and pruning, in any order, come to rest: neither brings back what the other let go of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.copies.inventory import take_inventory
from backup_engine.copies.planning import Direction, SyncPlan, plan_sync
from backup_engine.copies.syncing import carry_out_all
from backup_engine.records import Withdrawal, write_record
from backup_engine.storage.contract import Store
from tests.engine.captures import Time, words
from tests.pruning.scene import GONE, KEPT, a_copy, assert_restorable, held, named, now, prepared, pruned

HERE, THERE = "s3://here/production", "s3://there/production"


def synced(store: Store, copy: Store, clock: Time, direction: Direction = Direction.OUT) -> SyncPlan:
    """Bring everything where it belongs, as the command line does."""
    inventories = [take_inventory(HERE, store, clock), take_inventory(THERE, copy, clock)]
    plan = plan_sync(inventories, direction=direction)
    stores = {HERE: store, THERE: copy}
    done = [*carry_out_all(plan, lambda url: stores[url], clock, token=words(f"s{clock.now:%H%M}"))]
    assert [one.problem for one in done if one.problem] == []
    return plan


def prune_both(store: Store, copy: Store, clock: Time, word: str) -> int:
    went = pruned(store, clock, word, copies={"memory://copy": copy}, copy_grace=timedelta(days=30)).deleted
    return len(went) + len(pruned(copy, clock, word, copy_of_it=True, primary=store).deleted)


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(sorted(GONE | KEPT))), st.lists(st.booleans(), min_size=1, max_size=5))
def test_pruning_and_synchronising_alternate_to_a_rest(without, turns):
    clock = now()
    store, copy = prepared(clock), a_copy(clock, without=without)
    for number, syncs in enumerate([*turns, True, False, True, False]):
        clock.pass_by(minutes=1)
        if syncs:
            synced(store, copy, clock)
        else:
            prune_both(store, copy, clock, f"p{number}")
        assert_restorable(store, clock, named(*KEPT))
    clock.pass_by(minutes=1)
    assert synced(store, copy, clock).steps == ()
    assert prune_both(store, copy, clock, "last") == 0
    assert set(held(store, clock)) == set(held(copy, clock)) == named(*KEPT)


@pytest.mark.parametrize("direction", list(Direction))
def test_what_is_about_to_be_deleted_anywhere_is_brought_nowhere(direction):
    clock = now()
    store, copy, (name,) = prepared(clock), a_copy(clock, without={"full-2"}), named("full-2")
    backup = held(store, clock)[name]
    write_record(store, backup.folder, name, Withdrawal(at=clock(), token="w", plan="p", reason="old"))
    plan = synced(store, copy, clock, direction)
    assert name not in {step.backup for step in plan.steps}
    assert any("about to be deleted" in sentence for sentence in plan.left)
    assert name not in held(copy, clock)
