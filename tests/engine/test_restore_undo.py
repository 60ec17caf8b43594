"""A restore is taken back: by swapping what is kept in again, or by the server's own snapshots."""

from __future__ import annotations

from functools import partial

import pytest

from backup_engine.errors import ComparisonFailed, InvalidInput, RestoreRefused
from backup_engine.model import Metric, Quantization
from backup_engine.restore.description import describe_undo, describe_undone
from backup_engine.restore.lifecycle import Progression, list_restores, release_restore, resume_restore
from backup_engine.restore.names import aside_name
from backup_engine.restore.request import RestoreMode
from backup_engine.restore.undoing import plan_undo, undo_restore
from backup_engine.storage.contract import Store
from tests.engine.captures import Time, new_store
from tests.engine.memory_collection import MemoryCollection
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import ID, ReadServer, backup_of, everything, killed, put, restore, revive, server_kills
from tests.engine.scenes import Scene
from tests.engine.server_fault import Fault
from tests.storage.faulty import FaultyStore, Killed, kill_points

NEW, MERGE, REPLACE = RestoreMode.NEW, RestoreMode.MERGE, RestoreMode.REPLACE
OTHER = "f" * 12


def finished(*, in_place: bool) -> Scene:
    scene = Scene(REPLACE, in_place=in_place)
    scene.run()
    scene.server.calls.clear()
    scene.server.seen.clear()
    return scene


def as_loaded(scene: Scene) -> dict[str, object]:
    """What the server makes of the damaged collections when it loads their snapshots."""
    server = MemoryServer()
    for (name, _), kept in scene.server.files.items():
        server.live[name] = MemoryCollection.loaded(kept.saved, server._now, like_a_start=False)
    return {name: server.content(name) for name in server.live}


# ------------------------------------------------------------------ what comes back


def test_what_was_swapped_out_comes_back_to_the_bit():
    scene = finished(in_place=False)
    undone = scene.undo()
    assert {name: scene.server.content(name) for name in scene.damaged} == scene.damaged
    assert [(back.target, back.vectors, back.kept_as) for back in undone.collections] == [
        (name, len(scene.damaged[name]), aside_name(name, ID)) for name in ("docs", "notes")
    ]
    assert dict(scene.server.aliases()) == {"prod": "notes"}
    assert {name for name in scene.server.saved if "__" not in name} == {"docs", "notes", "other"}
    assert f"release {ID}" in describe_undone(undone)
    release_restore(ID, scene.server, scene.store, scene.clock, "a test")
    assert sorted(scene.server.live) == ["docs", "notes", "other"]


def test_what_was_written_over_comes_back_as_the_server_loads_it():
    scene = finished(in_place=True)
    undone = scene.undo()
    assert {name: scene.server.content(name) for name in scene.damaged} == as_loaded(scene)
    assert [(back.target, back.vectors, back.vectors_undone) for back in undone.collections] == [
        (name, len(scene.damaged[name]), len(scene.restored[name])) for name in ("docs", "notes")
    ]
    assert dict(scene.server.aliases()) == {"prod": "notes"}
    assert sorted(scene.server.live) == sorted(scene.server.saved) == ["docs", "notes", "other"]


def test_readers_see_what_was_restored_then_a_gap_then_what_came_back_and_never_a_count_of_both():
    scene = finished(in_place=True)
    scene.undo()
    for name in ("docs", "notes"):
        states = [content for content in scene.server.seen[name] if content is not None]
        assert states[-1] == scene.server.content(name)
        assert len(states) == 2
        assert scene.server.live[name].count == len(scene.damaged[name])


def test_a_snapshot_that_is_put_back_while_the_disk_knows_the_name_counts_everything_twice():
    """Why an undo renames, flushes and deletes first (measured on 3.5.0)."""
    server = ReadServer(clock=Time())
    server.fill("docs", 9)
    server.flush()
    taken = server.take_snapshot("docs")
    server.watched = ("docs",)
    server.restore_snapshot("docs", taken)
    assert server.live["docs"].count == 18


@pytest.mark.parametrize("in_place", [True, False])
def test_an_unfinished_restore_is_taken_back_from_wherever_it_stopped(in_place):
    calls = len(finished_calls(in_place))
    for fault in server_kills(calls):
        scene = Scene(REPLACE, in_place=in_place)
        scene.server.fault = fault
        killed(scene.run)
        revive(scene.server)
        if not any("started" in info.key for info in scene.store.list(".staging/")):
            continue
        scene.clock.pass_by(minutes=5)
        undone = undo_restore(ID, scene.store, scene.server, scene.clock, owner="a test")
        changed = {back.target for back in undone.collections}
        loaded = as_loaded(scene)
        for name, content in scene.damaged.items():
            assert scene.server.content(name) == (loaded[name] if in_place and name in changed else content), fault
        assert dict(scene.server.aliases()).get("prod") == "notes", fault


@pytest.mark.parametrize("in_place", [True, False])
def test_killed_at_any_call_to_the_server_the_undo_goes_on_to_the_same_end(in_place):
    whole = finished(in_place=in_place)
    whole.undo()
    calls = len(whole.server.calls)
    expected = everything(whole.server)
    assert calls > 15
    for fault in server_kills(calls):
        scene = finished(in_place=in_place)
        scene.server.fault = fault
        killed(scene.undo)
        revive(scene.server)
        scene.undo()
        assert everything(scene.server) == expected, fault


@pytest.mark.parametrize("in_place", [True, False])
def test_killed_at_any_call_to_the_store_the_undo_goes_on_to_the_same_end(in_place):
    whole = finished(in_place=in_place)
    whole.undo()
    expected = everything(whole.server)
    made: list[Scene] = []

    def fresh():
        made.append(finished(in_place=in_place))
        return made[-1].store

    for fault in kill_points(lambda store: undo_on(made[-1], store), fresh):
        scene = finished(in_place=in_place)
        killed(partial(scene.undo, FaultyStore(scene.store, fault)))
        scene.undo()
        assert everything(scene.server) == expected, fault


def test_an_alias_that_somebody_gave_away_meanwhile_is_left_alone_and_said():
    scene = finished(in_place=True)
    calls = finished(in_place=True)
    calls.undo()
    restored = max(n for n, call in enumerate(calls.server.calls, 1) if call[0] == "restore_snapshot")
    scene.server.fault = Fault(restored, "after", error=Killed, lasting=True)
    killed(scene.undo)
    revive(scene.server)
    scene.server.create_alias("prod", "other")
    undone = scene.undo()
    assert scene.server.aliases()["prod"] == "other"
    assert any("'prod' stands for 'other'" in note for note in undone.notes)


# ------------------------------------------------------------------------ the plan


@pytest.mark.parametrize("in_place", [True, False])
def test_the_plan_touches_nothing_and_says_what_comes_back_and_what_is_lost(in_place):
    scene = finished(in_place=in_place)
    before = everything(scene.server)
    shown = describe_undo(plan_undo(ID, scene.store, scene.server, scene.clock))
    assert everything(scene.server) == before
    assert "written to these collections since the restore is lost" in shown
    assert ("unit length" in shown) is in_place
    assert ("snapshot 20261122T020000Z" in shown) is in_place
    assert list_restores(scene.store)[0].progression is Progression.FINISHED


def test_without_its_snapshot_nothing_comes_back_in_place():
    scene = finished(in_place=True)
    del scene.server.files["docs", "20261122T020000Z"]
    assert_refused(
        scene, r"snapshot .*collection_snapshots/docs/20261122T020000Z.vecdb.gz in the server's data directory is gone"
    )


def test_a_snapshot_of_another_size_is_another_snapshot():
    scene = finished(in_place=True)
    kept = scene.server.files["docs", "20261122T020000Z"]
    scene.server.files["docs", "20261122T020000Z"] = type(kept)(kept.saved, kept.bytes + 1)
    assert_refused(scene, "bytes and had")


def test_a_collection_that_somebody_made_again_is_not_overwritten():
    scene = finished(in_place=True)
    scene.server.drop("docs")
    scene.server.fill("docs", 3)
    scene.clock.pass_by(minutes=1)
    assert_refused(scene, "'docs' is another collection than the restore changed")


def test_after_a_restart_the_server_cannot_tell_and_the_plan_says_so():
    scene = finished(in_place=True)
    scene.server.watched = ()
    scene.clock.pass_by(minutes=1)
    scene.server.restart()
    scene.clock.pass_by(hours=1)
    plan = plan_undo(ID, scene.store, scene.server, scene.clock)
    assert plan.refusals == ()
    assert any("cannot tell" in text for item in plan.items for text in item.warnings)
    scene.undo()
    assert {name: scene.server.content(name) for name in scene.damaged} == as_loaded(scene)


def test_a_collection_that_is_gone_comes_back_from_its_snapshot():
    scene = finished(in_place=True)
    scene.server.drop("docs")
    scene.undo()
    assert scene.server.content("docs") == as_loaded(scene)["docs"]


def test_what_was_released_cannot_come_back():
    scene = finished(in_place=False)
    release_restore(ID, scene.server, scene.store, scene.clock, "a test")
    assert_refused(scene, "was released, or somebody deleted it")


@pytest.mark.parametrize("in_place", [True, False])
def test_a_restore_that_another_one_followed_is_not_taken_back_first(in_place):
    scene = finished(in_place=in_place)
    scene.clock.pass_by(minutes=5)
    restore(scene.built, scene.server, REPLACE, scene.store, scene.clock, restore_id=OTHER)
    assert_refused(scene, f"restore {OTHER} changed 'docs', 'notes' after this one")
    undo_restore(OTHER, scene.store, scene.server, scene.clock, owner="a test")
    assert plan_undo(ID, scene.store, scene.server, scene.clock).refusals == ()


def test_a_restore_that_never_began_has_nothing_to_take_back():
    assert_refused(Scene(REPLACE), "never began")


def test_what_was_created_or_merged_stays_and_the_plan_says_why():
    for mode, word in ((NEW, "created"), (MERGE, "merged")):
        scene = Scene(mode, lost=mode is NEW)
        scene.run()
        plan = plan_undo(ID, scene.store, scene.server, scene.clock)
        assert plan.items == ()
        assert [word in out.reason for out in plan.stays] == [True, True]


def test_an_unknown_restore_is_wrong_input():
    scene = finished(in_place=True)
    with pytest.raises(InvalidInput, match=f"knows no restore '{OTHER}'; it has: {ID}"):
        plan_undo(OTHER, scene.store, scene.server, scene.clock)


# ------------------------------------------------------------------- and afterwards


@pytest.mark.parametrize("in_place", [True, False])
def test_undone_twice_is_undone_once(in_place):
    scene = finished(in_place=in_place)
    first = scene.undo()
    scene.server.calls.clear()
    assert scene.undo() == first
    assert scene.server.calls == []
    [known] = list_restores(scene.store)
    assert (known.progression, known.undone) == (Progression.UNDONE, first)


def test_an_undone_restore_is_not_gone_on_with():
    scene = finished(in_place=True)
    scene.undo()
    with pytest.raises(RestoreRefused, match=r"taken back .*restore again"):
        resume_restore(ID, scene.store, scene.server, scene.clock, owner="a test")


def test_nothing_is_released_in_the_middle_of_an_undo():
    scene = finished(in_place=True)
    calls = finished(in_place=True)
    calls.undo()
    deleted = min(n for n, call in enumerate(calls.server.calls, 1) if call[0] == "rename_collection")
    scene.server.fault = Fault(deleted, "after", error=Killed, lasting=True)
    killed(scene.undo)
    revive(scene.server)
    scene.clock.pass_by(minutes=5)
    before = everything(scene.server)
    with pytest.raises(RestoreRefused, match=f"not finished; finish it: undo {ID}"):
        release_restore(ID, scene.server, scene.store, scene.clock, "a test")
    assert everything(scene.server) == before


def test_a_count_that_is_not_the_snapshots_is_no_success_and_not_flushed():
    scene = finished(in_place=True)
    put_back = scene.server.restore_snapshot

    def written(name: str, snapshot_id: str) -> None:
        put_back(name, snapshot_id)
        scene.server.fill(name, 1, first=99)

    scene.server.restore_snapshot = written
    with pytest.raises(ComparisonFailed, match=rf"counts 13 vectors and had 12.*undo {ID} again"):
        scene.undo()
    assert scene.server.calls[-1][0] != "flush"
    scene.server.restore_snapshot = put_back
    scene.undo()
    assert {name: scene.server.content(name) for name in scene.damaged} == as_loaded(scene)


@pytest.mark.parametrize("name", ["a/b", " blank "])
def test_a_name_that_nothing_is_renamed_to_comes_back_too(name):
    clock = Time()
    server, store = MemoryServer(clock=clock), new_store(clock)
    server.fill(name, 10, metric=Metric.EUCLIDEAN, quantization=Quantization.BINARY)
    built = backup_of(server)
    put(store, built)
    server.erase(name, ["r1"])
    server.flush()
    restore(built, server, REPLACE, store, clock, in_place=True)
    undo_restore(ID, store, server, clock, owner="a test")
    assert set(server.content(name)) == {f"r{number}" for number in range(10)} - {"r1"}
    assert list(server.live) == [name]


def assert_refused(scene: Scene, reason: str) -> None:
    before = everything(scene.server)
    with pytest.raises(RestoreRefused, match=reason):
        scene.undo()
    assert everything(scene.server) == before


def undo_on(scene: Scene, store: Store) -> object:
    return scene.undo(store)


def finished_calls(in_place: bool) -> list[tuple[str, str]]:
    scene = Scene(REPLACE, in_place=in_place)
    scene.run()
    return scene.server.calls
