"""What is told on the day a standby is needed, and what becomes of the old server afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.catalog import Catalog
from backup_engine.errors import RestoreRefused
from backup_engine.standby.applying import apply_newest
from backup_engine.standby.comparing import compare_whole, require_equal
from backup_engine.standby.description import describe_applied, describe_failover, describe_plan, describe_status
from backup_engine.standby.failover import plan_failover, promote
from backup_engine.standby.rejoining import plan_rejoin, rejoin
from backup_engine.standby.status import standby_lag, status_of
from tests.engine.samples import some_records
from tests.engine.standby.scene import STANDBY, Scene

OLD = "vectorizer_default"


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.capture()
    made.apply()
    return made


def test_the_lag_counts_from_when_reading_began_never_less_than_it_is(scene):
    started_at = scene.state.started_at
    assert started_at is not None
    scene.clock.pass_by(minutes=7)
    assert standby_lag(scene.state, scene.clock()) == scene.clock() - started_at >= timedelta(minutes=7)
    assert standby_lag(None, scene.clock()) is None


def test_what_waits_to_be_brought_there_is_counted(scene):
    scene.change(1)
    scene.capture()
    scene.change(2)
    newest = scene.capture()
    status = status_of(scene.store, STANDBY, scene.clock)
    assert (status.waiting, status.newest) == (2, newest)
    assert status.behind == timedelta(minutes=21)
    assert "2 newer backups" in describe_status(status)


def test_of_a_standby_that_holds_nothing_it_says_so():
    scene = Scene()
    status = status_of(scene.store, STANDBY, scene.clock)
    assert (status.known, status.lag, status.newest) == (None, None, None)
    assert "nothing was brought" in describe_status(status)


def test_a_failover_plan_says_what_is_lacking_what_is_in_the_way_and_what_to_do(scene):
    scene.first.create_alias("current", "docs")
    scene.first.fill("late", 4)
    scene.change(1)
    scene.capture()
    scene.second.erase("floats", ["r1"])
    before = dict(scene.second.live["docs"].records)
    plan = plan_failover(scene.store, STANDBY, scene.second, scene.clock)
    assert plan.aliases == {"current": "docs"}
    assert any("1 newer backup" in line for line in plan.lacks)
    assert any("'late'" in line for line in plan.lacks)
    assert any("'floats' counts 19" in line for line in plan.in_the_way)
    text = describe_failover(plan)
    assert "memory://second" in text
    assert text.index("keep every writer away") < text.index("standby apply") < text.index("--promote")
    assert scene.second.live["docs"].records == before
    assert scene.state.promoted is None


def test_a_standby_that_is_up_to_date_lacks_only_what_nothing_has(scene):
    plan = plan_failover(scene.store, STANDBY, scene.second, scene.clock)
    assert len(plan.lacks) == 1
    assert plan.in_the_way == ()
    assert not any("standby apply" in step for step in plan.steps)


def test_nothing_is_brought_to_a_standby_that_was_promoted(scene):
    promote(scene.party)
    scene.second.write("docs", some_records([1], seed=99))
    content = scene.second.content("docs")
    scene.change(1)
    scene.capture()
    for how in ({}, {"repair": True}):
        with pytest.raises(RestoreRefused, match="promoted"):
            scene.apply(**how)
    with pytest.raises(RestoreRefused, match="promoted"):
        compare_whole(scene.party)
    assert scene.second.content("docs") == content
    assert promote(scene.party) == scene.state, "promoting twice changes nothing"


def failed_over() -> Scene:
    """The second server is in use, wrote on, and was captured; the first has something that nobody captured."""
    scene = Scene()
    scene.capture()
    scene.apply()
    promote(scene.party)
    scene.first.upsert("docs", some_records([500], seed=9))
    scene.first.fill("only there", 3)
    scene.second.upsert("docs", some_records(range(200, 210)))
    scene.second.erase("docs", ["r5"])
    scene.second.fill("late", 6)
    scene.capture(scene.second, incremental=False)
    return scene


def test_the_old_server_becomes_the_standby_by_what_differs():
    scene = failed_over()
    old = scene.party_of(scene.first, OLD)
    plan = plan_rejoin(old)
    assert {one.name: one.action.value for one in plan.changes} == {
        "docs": "align",
        "empty": "align",
        "floats": "align",
        "late": "load",
    }
    assert plan.untouched == ("only there",)
    assert "align" in describe_plan(plan)
    scene.first.calls.clear()
    applied = rejoin(old)
    docs = next(one for one in applied.collections if one.name == "docs")
    assert (docs.upserts, docs.deletions) == (10, 2)
    assert scene.first.snapshots("docs"), "what it held is kept"
    assert scene.first.live["only there"].count == 3
    require_equal(compare_whole(old))
    assert "docs" in describe_applied(applied)


def test_after_rejoining_increments_of_the_new_server_come_to_the_old_one():
    scene = failed_over()
    old = scene.party_of(scene.first, OLD)
    rejoin(old)
    scene.second.upsert("docs", some_records([7], seed=77))
    scene.capture(scene.second)
    applied = apply_newest(old)
    assert scene.actions(applied)["docs"] == "apply"
    require_equal(compare_whole(old))


def test_rejoining_before_the_new_server_was_captured_is_refused():
    scene = Scene()
    scene.capture()
    scene.apply()
    promote(scene.party)
    scene.first.upsert("docs", some_records([500], seed=9))
    content = scene.first.content("docs")
    old = scene.party_of(scene.first, OLD)
    with pytest.raises(RestoreRefused, match="capture the one that is in use now first"):
        rejoin(old)
    assert scene.first.content("docs") == content


def test_a_promoted_server_can_be_made_a_standby_again():
    scene = Scene()
    scene.capture()
    scene.apply()
    promote(scene.party)
    scene.change(1)
    newest = scene.capture()
    scene.clock.pass_by(minutes=1)
    assert not plan_rejoin(scene.party).refusals
    assert rejoin(scene.party).backup == newest == Catalog(scene.store, scene.clock).find("latest").name
    assert scene.state.promoted is None
    assert scene.same()
