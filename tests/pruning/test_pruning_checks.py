"""What is made sure by no rule of the retention, and that what is left is always what the plan said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.deployment import Deployment
from backup_engine.errors import DamagedArchive, PruningRefused, UnknownFormat
from backup_engine.pruning.checks import check_remainder
from backup_engine.pruning.executing import prune
from backup_engine.pruning.pinning import pin_backup
from backup_engine.pruning.planning import plan_pruning
from backup_engine.pruning.site import site_of
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots
from tests.pruning.scene import (
    GONE,
    KEPT,
    assert_none_broken,
    assert_restorable,
    held,
    named,
    now,
    prepared,
    site,
    verify,
)

EVERYTHING = sorted(GONE | KEPT)
HOURS = st.integers(0, 80).map(lambda hours: timedelta(hours=hours))


@st.composite
def policies(draw) -> Policy:
    daily, weekly, monthly = draw(st.integers(1, 5)), draw(st.integers(0, 2)), draw(st.integers(0, 2))
    all_for = draw(HOURS)
    return Policy(
        slots=Slots(daily=daily, weekly=weekly, monthly=monthly),
        incremental=IncrementalRetention(all_for=all_for, thinned_for=all_for + draw(HOURS)),
        floor=draw(HOURS),
        set_aside=draw(HOURS),
    )


@settings(max_examples=60, deadline=None)
@given(
    policies(),
    st.sets(st.sampled_from(EVERYTHING), max_size=2),
    st.sets(st.sampled_from(EVERYTHING), max_size=3),
    st.sets(st.sampled_from(EVERYTHING), max_size=2),
)
def test_what_is_left_is_what_the_plan_keeps_whatever_the_policy(policy, pinned, verified, damaged):
    clock = now()
    store = prepared(clock)
    verify(store, clock, *verified - damaged)
    verify(store, clock, *damaged, passed=False)
    known = held(store, clock)
    for name in named(*pinned):
        until = clock() + timedelta(days=1)
        pin_backup(store, known[name], until=until, why="a test", by="anna", clock=clock, token="pin")
    plan = plan_pruning(site(store, policy=policy), clock)
    prune(plan, site(store, policy=policy), clock, by="a test", token="p")
    assert set(held(store, clock)) == {one.name for one in plan.keep}
    assert_restorable(store, clock, named(*pinned) - _hanging(known, named(*damaged)))
    if not damaged:
        assert_none_broken(store, clock)


def _hanging(known, names: set[str]) -> set[str]:
    """Those, and what hangs on them."""
    lost = set(names)
    while more := {one.name for one in known.values() if {base.name for base in one.outline.bases} & lost} - lost:
        lost |= more
    return lost


@pytest.mark.parametrize(
    ("going", "said"),
    [
        ({"full-4", "inc-4a"}, "the newest good backup"),
        ({"full-1"}, "could not be restored any more"),
        ({"full-3"}, "no backup that was verified would remain"),
    ],
)
def test_no_plan_takes_the_newest_good_the_last_verified_or_what_something_hangs_on(going, said):
    clock = now()
    store = prepared(clock)
    verify(store, clock, "full-3")
    backups = tuple(held(store, clock).values())
    with pytest.raises(PruningRefused, match=said):
        check_remainder(backups, frozenset(named(*going)))
    check_remainder(backups, frozenset(named(*GONE)))


def test_nothing_is_planned_while_nobody_knows_what_a_capture_builds_on():
    clock = now()
    store = prepared(clock)
    store.create(".staging/0123456789abcdef/a/plan.json", [b"{}"])
    with pytest.raises(DamagedArchive):
        plan_pruning(site(store), clock)


@pytest.mark.parametrize("key", [".staging/restore-0123456789ab/plan.json", "standby/second.json"])
def test_nothing_is_planned_while_nobody_knows_what_a_restore_or_a_standby_needs(key):
    clock = now()
    store = prepared(clock)
    store.create(key, [b"{}"])
    with pytest.raises(UnknownFormat):
        plan_pruning(site(store), clock)


def test_a_deployment_says_by_which_policy_each_of_its_stores_is_pruned():
    deployment = Deployment.model_validate({
        "name": "production",
        "tier": "production",
        "server": {"url": "http://localhost:15002"},
        "store": "file:///one",
        "copies": ["s3://two/x", "s3://three/x"],
        "retention": {"daily": 7, "copies": {"daily": 90}},
    })
    primary, first, second = deployment.roots
    stores = {primary: prepared(), first: prepared()}
    here, there = site_of(deployment, primary, stores), site_of(deployment, first, stores)
    assert (here.policy.slots.daily, there.policy.slots.daily) == (7, 90)
    assert here.copies == {first: stores[first], second: None}
    assert (here.copy_of_it, here.primary) == (False, None)
    assert (there.copy_of_it, there.primary, there.copies) == (True, stores[primary], {})
    assert site_of(deployment, first, {first: stores[first]}).primary is None
