"""What comparing a whole standby promises: every record was looked at; what is wrong is mended by the next apply."""

from __future__ import annotations

import pytest

from backup_engine.errors import ComparisonFailed, LeaseHeld, RestoreRefused
from backup_engine.lease import acquire
from backup_engine.restore.guard import DURATION
from backup_engine.standby.comparing import compare_whole, require_equal
from backup_engine.standby.description import describe_comparison
from backup_engine.standby.state import InFlight
from tests.engine.samples import some_records
from tests.engine.standby.scene import STANDBY, Scene


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.capture()
    made.apply()
    made.change(1)
    made.capture()
    made.apply()
    return made


def test_every_record_is_compared(scene):
    found = compare_whole(scene.party)
    require_equal(found)
    assert found.compared == sum(one.vectors for one in scene.state.collections) == 83
    assert scene.state.comparison == found
    assert "83 records" in describe_comparison(found)


def spoil_value(scene: Scene) -> None:
    scene.second.live["docs"].records["r20"] = scene.second.live["docs"].records["r21"]


def lose_record(scene: Scene) -> None:
    del scene.second.live["docs"].records["r20"]


def drop_collection(scene: Scene) -> None:
    scene.second.drop("docs")


@pytest.mark.parametrize("spoil", [spoil_value, lose_record, drop_collection])
def test_what_is_wrong_is_named_and_loaded_anew_by_the_next_apply(scene, spoil):
    spoil(scene)
    found = compare_whole(scene.party)
    with pytest.raises(ComparisonFailed, match="'docs'"):
        require_equal(found)
    assert "does not hold" in describe_comparison(found)
    scene.apply(repair=True)
    assert scene.same()
    require_equal(compare_whole(scene.party))


def test_a_collection_that_nothing_tells_of_any_more_never_passes(scene):
    names = {one.backup for one in scene.state.collections}
    scene.lose(*names, scene.state.backup)
    found = compare_whole(scene.party)
    assert found.compared == 20, "the full before still tells of the one that did not change"
    with pytest.raises(ComparisonFailed, match="compared with nothing"):
        require_equal(found)


def test_nothing_is_never_compared():
    with pytest.raises(RestoreRefused, match="apply first"):
        compare_whole(Scene().party)


def test_it_waits_for_whoever_brings_the_standby_up_to_date(scene):
    with acquire(scene.store, f"standby-{STANDBY}", "another", DURATION, scene.clock), pytest.raises(LeaseHeld):
        compare_whole(scene.party)


def test_a_standby_between_two_states_is_not_compared(scene):
    in_flight = InFlight(backup="backup-1", collections=("docs",))
    scene.rewrite(scene.state.model_copy(update={"in_flight": in_flight}))
    with pytest.raises(RestoreRefused, match="between two states"):
        compare_whole(scene.party)


def test_writes_of_others_are_found_even_if_nothing_was_captured_since(scene):
    scene.second.write("docs", some_records([1], seed=99))
    assert compare_whole(scene.party).problems
