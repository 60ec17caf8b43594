"""What a standby promises: it holds exactly what the newest backup does, whatever happened to either server."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from backup_engine.archive.batches import make_batch
from backup_engine.archive.manifest import BackupState
from backup_engine.catalog import Catalog
from backup_engine.errors import (
    ComparisonFailed,
    LeaseHeld,
    RestoreRefused,
    ServerFault,
    ServerLoading,
    ServerUnavailable,
    UnknownBackup,
)
from backup_engine.lease import acquire
from backup_engine.records import acknowledge_backup
from backup_engine.standby.applying import apply_newest, preview
from backup_engine.standby.state import InFlight, read_standby
from tests.engine.samples import some_records
from tests.engine.server_fault import Fault
from tests.engine.standby.scene import STANDBY, Scene, content_of


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.capture()
    made.apply()
    return made


def test_the_first_time_everything_is_loaded_and_compared():
    scene = Scene()
    name = scene.capture()
    applied = scene.apply()
    assert scene.actions(applied) == {"docs": "load", "empty": "load", "floats": "load"}
    assert (applied.backup, scene.state.backup, applied.already) == (name, name, False)
    assert scene.same()
    assert sorted(scene.second.live) == ["docs", "empty", "floats"], "nothing is left aside"


def test_only_what_changed_is_written_and_what_went_is_deleted(scene):
    scene.change(1)
    scene.capture()
    applied = scene.apply()
    docs = next(one for one in applied.collections if one.name == "docs")
    assert (docs.action.value, docs.upserts, docs.deletions) == ("apply", 6, 1)
    assert docs.sampled == 7
    assert scene.same()


def test_several_increments_at_once_come_to_the_same(scene):
    for number in range(1, 6):
        scene.change(number)
        scene.capture()
    scene.first.upsert("docs", some_records([11], seed=3))
    scene.capture()
    scene.apply()
    assert scene.same()


def test_nothing_is_written_when_nothing_changed(scene):
    scene.capture()
    written = scene.second.saved
    scene.second.calls.clear()
    applied = scene.apply()
    assert applied.already
    assert not {name for name, _ in scene.second.calls} & {"upsert", "delete_records", "delete_collection", "flush"}
    assert scene.second.saved is written
    assert scene.state.backup == applied.backup


def test_new_dropped_remade_and_reconfigured_collections_are_each_handled(scene):
    scene.first.fill("late", 7)
    scene.first.drop("floats")
    scene.first.drop("docs")
    scene.first.fill("docs", 30, dimension=5)
    collection = scene.first.live["empty"]
    hnsw = collection.configuration.hnsw.model_copy(update={"m": 9})
    collection.configuration = collection.configuration.model_copy(update={"hnsw": hnsw})
    collection.touch()
    made = scene.capture()
    acknowledged(scene, made)
    applied = scene.apply()
    assert scene.actions(applied) == {"docs": "load", "empty": "load", "late": "load", "floats": "drop"}
    assert scene.same()
    assert scene.second.configuration("empty").hnsw.m == 9


def acknowledged(scene: Scene, name: str) -> None:
    backup = Catalog(scene.store, scene.clock).by_name[name]
    if backup.state is BackupState.SUSPECT:
        acknowledge_backup(scene.store, backup.folder, name, why="meant", clock=scene.clock, token="a1")


def test_a_collection_made_anew_with_the_same_settings_is_loaded_anew(scene):
    scene.first.drop("docs")
    scene.first.fill("docs", 60, seed=3)
    acknowledged(scene, scene.capture())
    applied = scene.apply()
    assert scene.actions(applied)["docs"] == "load"
    assert scene.same()


def test_after_a_restart_of_the_first_server_only_what_it_changed_is_written(scene):
    scene.first.flush()
    scene.clock.pass_by(minutes=60)
    scene.first.restart()
    scene.clock.pass_by(minutes=30)
    scene.change(1)
    scene.capture()
    applied = scene.apply()
    assert scene.actions(applied)["docs"] == "apply"
    assert scene.same()


def test_a_standby_that_was_restarted_is_loaded_anew(scene):
    scene.clock.pass_by(hours=1)
    scene.second.restart()
    scene.clock.pass_by(hours=1)
    scene.change(1)
    scene.capture()
    applied = scene.apply()
    assert set(scene.actions(applied).values()) == {"load"}
    assert scene.same()


def test_a_standby_that_still_loads_is_waited_for(scene):
    scene.change(1)
    scene.capture()
    scene.second.restart(absent={"docs"})
    scene.clock.pass_by(seconds=20)
    with pytest.raises(ServerLoading, match="docs"):
        scene.apply()
    scene.second.finish_loading()
    scene.apply()
    assert scene.same()


@pytest.mark.parametrize("how", ["write", "erase", "create"])
def test_what_others_wrote_to_the_standby_is_never_overwritten_unasked(scene, how):
    match how:
        case "write":
            scene.second.write("docs", some_records([1], seed=99))
        case "erase":
            scene.second.erase("docs", ["r1"])
        case "create":
            scene.second.fill("late", 3)
            scene.first.fill("late", 5)
    scene.change(1)
    scene.capture()
    before = content_of(scene.second)
    with pytest.raises(RestoreRefused, match="--repair"):
        scene.apply()
    assert content_of(scene.second) == before
    scene.apply(repair=True)
    assert scene.same()


def test_what_a_restart_brings_back_that_was_dropped_is_dropped_again():
    """A server that holds no vector writes nothing to its disk: what was there before comes back."""
    scene = Scene()
    scene.capture()
    scene.apply()
    scene.first.drop("floats")
    scene.first.erase("docs", [f"r{number}" for number in range(60)])
    acknowledged(scene, scene.capture(allow_empty=True))
    scene.apply()
    assert scene.same()
    scene.clock.pass_by(hours=1)
    scene.second.restart()
    scene.clock.pass_by(hours=1)
    assert scene.second.live["floats"].count == 20
    scene.apply()
    assert scene.same()


def test_it_is_never_taken_back_to_an_older_state(scene):
    scene.change(1)
    newest = scene.capture()
    scene.apply()
    held = content_of(scene.second)
    scene.lose(newest)
    applied = scene.apply()
    assert (applied.already, applied.backup) == (True, newest)
    assert preview(scene.party).changes == ()
    assert content_of(scene.second) == held
    scene.change(2)
    scene.capture()
    scene.apply()
    assert scene.same()


def test_collections_of_others_are_left_alone(scene):
    scene.second.fill("theirs", 3)
    scene.change(1)
    scene.capture()
    assert preview(scene.party).untouched == ("theirs",)
    scene.apply()
    assert scene.second.live["theirs"].count == 3


def test_a_server_is_never_its_own_standby():
    scene = Scene()
    scene.capture()
    with pytest.raises(RestoreRefused, match="its own standby"):
        apply_newest(scene.party_of(scene.first, "other"))


def test_the_same_server_under_another_address_is_recognised():
    scene = Scene()
    scene.capture()
    scene.first._name = "another-address"
    with pytest.raises(RestoreRefused, match="its own standby"):
        apply_newest(scene.party_of(scene.first, "other"))


def test_without_a_backup_there_is_nothing_to_bring():
    scene = Scene()
    with pytest.raises(UnknownBackup):
        scene.apply()


def test_two_appliers_never_meet(scene):
    scene.change(1)
    scene.capture()
    held = acquire(scene.store, f"standby-{STANDBY}", "another", timedelta(minutes=2), scene.clock)
    with held, pytest.raises(LeaseHeld):
        apply_newest(scene.party)
    scene.apply()
    assert scene.same()


def test_a_state_that_no_backup_tells_any_more_is_loaded(scene):
    held = scene.state.held["docs"].backup
    scene.change(1)
    scene.capture(incremental=False)
    scene.lose(held)
    applied = scene.apply()
    assert scene.actions(applied)["docs"] == "load"
    assert scene.same()


def test_a_sample_that_is_not_right_is_told_and_loaded_anew(scene):
    """The standby loses a write: the count does not show it, for one record is missing and another is old."""
    scene.first.upsert("docs", some_records([1, 2], seed=5))
    scene.capture()
    scene.second.upsert = lambda name, batch: None
    with pytest.raises(ComparisonFailed, match="another vector"):
        scene.apply()
    del scene.second.upsert
    applied = scene.apply()
    assert scene.actions(applied)["docs"] == "load"
    assert scene.same()


def test_a_count_that_is_not_right_is_told(scene):
    scene.first.erase("docs", ["r1"])
    scene.capture()
    scene.second.delete_records = lambda name, ids: None
    with pytest.raises(ComparisonFailed, match="counts 60 vectors, and 59"):
        scene.apply()


def test_a_record_that_should_be_gone_is_told_even_if_the_count_is_right(scene):
    scene.first.erase("docs", ["r1"])
    scene.capture()
    scene.second.delete_records = lambda name, ids: scene.second.erase(name, ["r2"])
    with pytest.raises(ComparisonFailed, match="still there"):
        scene.apply()


def test_records_that_cannot_be_written_are_not_left_as_they_were(scene):
    scene.first.write("floats", some_records([1]))
    scene.capture()
    scene.apply()
    broken = make_batch(["r1"], np.array([[np.inf] * 8], np.float32), [None])
    scene.first.write("docs", broken)
    scene.capture()
    scene.apply()
    assert "r1" not in scene.second.content("docs")
    assert scene.second.live["docs"].count == 59


def test_aliases_follow(scene):
    scene.first.create_alias("current", "docs")
    scene.change(1)
    scene.capture()
    scene.apply()
    assert scene.second.aliases() == {"current": "docs"}
    scene.first.delete_alias("current")
    scene.change(2)
    scene.capture()
    scene.apply()
    assert scene.second.aliases() == {}


def test_killed_at_every_call_it_comes_to_the_same():
    """Each time another call of the standby goes wrong after it had its effect, which is before the next one has."""
    for number in range(1, calls_of(prepared()) + 1):
        scene = prepared()
        scene.second.fault = Fault(call=number, instant="after")
        scene.second.calls.clear()
        with pytest.raises(ServerUnavailable):
            scene.apply()
        scene.second.fault = None
        scene.clock.pass_by(minutes=5)
        scene.apply()
        assert scene.same(), number
        assert set(scene.second.live) == set(scene.first.live), "nothing is left aside"


def prepared() -> Scene:
    scene = Scene()
    scene.capture()
    scene.apply()
    scene.change(1)
    scene.first.fill("late", 5)
    scene.capture()
    return scene


def calls_of(scene: Scene) -> int:
    scene.second.calls.clear()
    scene.apply()
    return len(scene.second.calls)


def test_what_was_begun_is_finished_first_even_if_a_newer_backup_takes_it_back(scene):
    """A record changes and changes back: the newest backup is what the standby held, but not what it holds now."""
    original = scene.first.content("docs")["r1"]
    scene.first.upsert("docs", some_records([1], seed=5))
    begun = scene.capture()
    state = scene.state
    scene.second.fault = Fault(call=len(scene.second.calls) + 6, instant="after", lasting=True)
    with pytest.raises(ServerUnavailable):
        scene.apply()
    scene.second.fault = None
    assert scene.state.in_flight == InFlight(backup=begun, collections=("docs",))
    scene.first.upsert("docs", some_records([1]))
    assert scene.first.content("docs")["r1"] == original
    scene.capture()
    assert state.backup != begun
    scene.clock.pass_by(minutes=5)
    scene.apply()
    assert scene.same()


def test_what_was_begun_is_loaded_when_its_backup_is_gone(scene):
    scene.change(1)
    begun = scene.capture()
    scene.rewrite(scene.state.model_copy(update={"in_flight": InFlight(backup=begun, collections=("docs",))}))
    scene.change(2)
    scene.capture(incremental=False)
    scene.lose(begun)
    applied = scene.apply()
    assert scene.actions(applied)["docs"] == "load"
    assert scene.same()


def test_nothing_is_known_of_a_standby_that_nothing_was_brought_to():
    assert read_standby(Scene().store, STANDBY) is None


def test_a_collection_that_vanishes_in_the_middle_is_told_as_a_passing_fault(scene):
    scene.change(1)
    scene.capture()
    scene.second.on_page = lambda name, page: None
    original = scene.second.configuration

    def configuration(name: str):
        scene.second.drop(name)
        return original(name)

    scene.second.configuration = configuration
    with pytest.raises(ServerFault, match="vanished"):
        scene.apply()
