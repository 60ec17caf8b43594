"""What a pruning deletes, what it spares, and what it refuses before anything is touched."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.errors import ClockDiffers, LeaseHeld, PruningRefused, StalePlan, WrongStore
from backup_engine.lease import acquire
from backup_engine.pruning.executing import LEASE, prune
from backup_engine.pruning.journal import prunings
from backup_engine.pruning.pinning import pin_backup
from backup_engine.pruning.planning import plan_pruning
from backup_engine.records import Withdrawal, write_record
from backup_engine.retention.policy import Slots
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time
from tests.engine.places import objects
from tests.pruning.scene import (
    GONE,
    KEPT,
    POLICY,
    a_copy,
    assert_nothing_left,
    assert_restorable,
    held,
    named,
    now,
    prepared,
    pruned,
    site,
    verify,
)


@pytest.fixture
def clock() -> Time:
    return now()


@pytest.fixture
def store(clock) -> MemoryStore:
    return prepared(clock)


def pin(store, clock, called: str, **duration: float) -> None:
    (name,) = named(called)
    pin_backup(
        store,
        held(store, clock)[name],
        until=clock() + timedelta(**(duration or {"days": 1})),
        why="an audit",
        by="anna",
        clock=clock,
        token="pin",
    )


def untouched(store) -> dict[str, bytes]:
    """All but the lease and the index, which a refused pruning writes too."""
    return {key: data for key, data in objects(store).items() if not key.startswith(("leases/", "index/"))}


def refused(store, clock, error: type[Exception], work) -> None:
    before = untouched(store)
    with pytest.raises(error):
        work()
    assert untouched(store) == before


def test_after_a_pruning_the_catalog_is_what_the_plan_keeps_and_nothing_else_is_left(store, clock):
    plan = plan_pruning(site(store), clock)
    assert {one.name for one in plan.keep} == named(*KEPT)
    report = prune(plan, site(store), clock, by="a test", token="p1")
    assert set(held(store, clock)) == {one.name for one in plan.keep}
    assert_restorable(store, clock, named(*KEPT))
    assert_nothing_left(store, named(*KEPT))
    assert [one.name for one in report.deleted] == [one.name for one in plan.delete]
    assert report.freed_bytes == plan.freed_bytes > 0
    assert (report.kept, report.kept_bytes, report.spared) == (3, plan.kept_bytes, ())


def test_every_pruning_leaves_a_report_also_one_with_nothing_to_do(store, clock):
    first = pruned(store, clock)
    clock.pass_by(hours=1)
    second = pruned(store, clock, "p2")
    assert second.deleted == ()
    assert prunings(store) == (second, first)


def test_carrying_the_same_plan_out_again_changes_nothing(store, clock):
    plan = plan_pruning(site(store), clock)
    prune(plan, site(store), clock, by="a test", token="p1")
    again = prune(plan, site(store), clock, by="a test", token="p2")
    assert (again.deleted, again.spared, again.kept) == ((), (), 3)


def test_a_plan_is_stale_when_something_it_deletes_is_kept_by_now(store, clock):
    plan = plan_pruning(site(store), clock)
    pin(store, clock, "full-1")
    refused(store, clock, StalePlan, lambda: prune(plan, site(store), clock, by="a", token="p"))


def test_a_plan_is_stale_when_another_backup_has_the_name_by_now(store, clock):
    plan = plan_pruning(site(store), clock)
    other = plan.delete[0].model_copy(update={"fingerprint": "0" * 64})
    changed = plan.model_copy(update={"delete": (other, *plan.delete[1:])})
    refused(store, clock, StalePlan, lambda: prune(changed, site(store), clock, by="a", token="p"))


def test_a_plan_nobody_was_asked_about_is_stale_when_a_copy_is_missing_by_now(store, clock):
    copy = a_copy(clock)
    plan = plan_pruning(site(store, copies={"memory://copy": copy}), clock)
    lost = site(store, copies={"memory://copy": None})
    assert plan.delete
    assert not plan.questions
    refused(store, clock, StalePlan, lambda: prune(plan, lost, clock, by="a", token="p"))


def test_a_large_share_goes_only_when_somebody_agreed(store, clock):
    where = site(
        store, share_limit=0.1, policy=POLICY.model_copy(update={"slots": Slots(daily=1, weekly=0, monthly=0)})
    )
    plan = plan_pruning(where, clock)
    assert plan.questions
    refused(store, clock, PruningRefused, lambda: prune(plan, where, clock, by="a", token="p"))
    report = prune(plan, where, clock, by="a", token="p", approved_by="anna")
    assert (len(report.deleted), report.approved_by) == (len(plan.delete), "anna")


def test_nothing_goes_from_a_store_whose_clock_is_another_than_ours(store, clock):
    plan = plan_pruning(site(store), clock)
    ours = Time(clock() + timedelta(minutes=6))
    refused(store, clock, ClockDiffers, lambda: prune(plan, site(store), ours, by="a", token="p"))


def test_a_plan_is_carried_out_in_its_own_store_only(store, clock):
    plan, other = plan_pruning(site(store), clock), a_copy(clock)
    refused(other, clock, WrongStore, lambda: prune(plan, site(other), clock, by="a", token="p"))


def test_two_prunings_do_not_work_on_one_store_at_once(store, clock):
    plan = plan_pruning(site(store), clock)
    with acquire(store, LEASE, "another one", timedelta(minutes=1), clock):
        refused(store, clock, LeaseHeld, lambda: prune(plan, site(store), clock, by="a", token="p"))


def test_the_last_verified_backup_never_goes_whatever_a_plan_says(store, clock):
    verify(store, clock, "full-1")
    plan = plan_pruning(site(store), clock)
    assert named("full-1") <= {one.name for one in plan.keep}
    pruned(store, clock)
    assert_restorable(store, clock, named(*KEPT, "full-1"))


def test_a_primary_backup_waits_for_its_copy_and_goes_beyond_the_grace_only_when_somebody_agrees(store, clock):
    copy = a_copy(clock, without={"full-2"})
    places = {"memory://copy": copy}
    waiting = plan_pruning(site(store, copies=places, copy_grace=timedelta(days=30)), clock)
    assert named("full-2") <= {one.name for one in waiting.keep}
    asking = plan_pruning(site(store, copies=places), clock)
    assert {one.name for one in asking.delete if one.asks} == named("full-2")
    assert asking.questions


@pytest.mark.parametrize("damage", ["another manifest", "a short archive", "about to be deleted"])
def test_a_copy_counts_only_when_it_holds_the_same_backup_whole(store, clock, damage):
    copy, (name,) = a_copy(clock), named("full-2")
    backup = held(copy, clock)[name]
    if damage == "another manifest":
        key = f"{backup.folder}/{name}.json"
        content = objects(copy)[key].replace(b'"run_key"', b' "run_key"')
        copy.delete([key])
        copy.create(key, [content])
    elif damage == "a short archive":
        copy.delete([f"{backup.folder}/{name}.tar.gz"])
        copy.create(f"{backup.folder}/{name}.tar.gz", [b"short"])
    else:
        write_record(copy, backup.folder, name, Withdrawal(at=clock(), token="w", plan="p", reason="r"))
    plan = plan_pruning(site(store, copies={"memory://copy": copy}, copy_grace=timedelta(days=30)), clock)
    assert named("full-2") <= {one.name for one in plan.keep}


def test_a_copy_keeps_what_the_primary_holds_and_prunes_by_its_own_policy_what_it_does_not(store, clock):
    copy = a_copy(clock)
    assert pruned(copy, clock, copy_of_it=True, primary=store).deleted == ()
    pruned(store, clock)
    assert {one.name for one in pruned(copy, clock, "p2", copy_of_it=True, primary=store).deleted} == named(*GONE)
    assert_restorable(copy, clock, named(*KEPT))


@pytest.mark.parametrize("primary", ["silent", "empty", "damaged", "itself"])
def test_a_copy_is_not_pruned_while_the_primary_may_be_lost(store, clock, primary):
    copy = a_copy(clock)
    stores = {"silent": None, "empty": MemoryStore("memory://store", clock), "damaged": store, "itself": copy}
    if primary == "empty":
        stores["empty"].create("store.json", [objects(store)["store.json"]])
    if primary == "damaged":
        verify(store, clock, "full-1", "full-2", "full-3", "full-4", passed=False)
    refused(
        copy,
        clock,
        PruningRefused,
        lambda: plan_pruning(site(copy, copy_of_it=True, primary=stores[primary]), clock),
    )


def test_a_withdrawal_of_a_pruning_that_died_is_taken_back_when_the_backup_is_kept_now(store, clock):
    (name,) = named("full-1")
    backup = held(store, clock)[name]
    write_record(store, backup.folder, name, Withdrawal(at=clock(), token="dead", plan="p", reason="r"))
    verify(store, clock, "full-1")
    pruned(store, clock)
    assert held(store, clock)[name].withdrawal is None
    assert_restorable(store, clock, named(*KEPT, "full-1"))
