"""A restore that stops anywhere is gone on with, and readers see the old content or the new, never a third."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from backup_engine.archive import parts
from backup_engine.errors import (
    ComparisonFailed,
    RestoreRefused,
    ServerFault,
    ServerLoading,
    ServerUnavailable,
    StoreUnavailable,
)
from backup_engine.restore.lifecycle import Progression, list_restores, release_restore, resume_restore
from backup_engine.restore.names import aside_name, before_name
from backup_engine.restore.request import RestoreMode
from backup_engine.restore.work import Work
from backup_engine.storage.contract import Store
from tests.engine.captures import Time
from tests.engine.restores import (
    ID,
    ReadServer,
    everything,
    killed,
    restore,
    revive,
    server_kills,
)
from tests.engine.scenes import Scene
from tests.engine.server_fault import Fault
from tests.storage.faulty import FaultyStore, Killed, fault_points, kill_points

NEW, MERGE, REPLACE = RestoreMode.NEW, RestoreMode.MERGE, RestoreMode.REPLACE


SCENES: dict[str, Callable[[], Scene]] = {
    "replace": partial(Scene, REPLACE),
    "new": partial(Scene, NEW, lost=True),
    "merge": partial(Scene, MERGE),
    "new in place": partial(Scene, NEW, version="3.2.0", lost=True),
    "replace in place": partial(Scene, REPLACE, in_place=True),
}
MODES = {"replace": REPLACE, "new": NEW, "merge": MERGE, "new in place": NEW, "replace in place": REPLACE}


def uninterrupted(name: str) -> tuple[dict[str, object], int]:
    scene = SCENES[name]()
    scene.run()
    scene.check_readers(MODES[name])
    calls = len(scene.server.calls)
    return everything(scene.server), calls


@pytest.mark.parametrize("name", SCENES)
def test_killed_at_any_call_to_the_server_it_resumes_to_the_same_end(name):
    expected, calls = uninterrupted(name)
    assert calls > 20
    for fault in server_kills(calls):
        scene = SCENES[name]()
        scene.server.fault = fault
        killed(scene.run)
        revive(scene.server)
        report = scene.resume()
        assert everything(scene.server) == expected, fault
        assert report.vectors == report.compared == 21
        scene.check_readers(MODES[name])


@pytest.mark.parametrize("name", SCENES)
def test_killed_at_any_call_to_the_store_it_resumes_to_the_same_end(name):
    expected, _ = uninterrupted(name)
    for fault in kill_points(lambda store: run_on(scene_of(name), store), lambda: scene_of(name).store):
        scene = SCENES[name]()
        killed(partial(scene.run, FaultyStore(scene.store, fault)))
        revive(scene.server)
        scene.resume()
        assert everything(scene.server) == expected, fault
        scene.check_readers(MODES[name])


def scene_of(name: str) -> Scene:
    return SCENES[name]()


def run_on(scene: Scene, store: Store) -> object:
    return scene.run(store)


@pytest.mark.parametrize("name", ["replace", "new", "replace in place"])
@pytest.mark.parametrize("instant", ["before", "after"])
def test_one_call_to_the_server_that_fails_costs_a_resume_and_nothing_else(name, instant):
    expected, calls = uninterrupted(name)
    for call in range(1, calls + 1):
        scene = SCENES[name]()
        scene.server.fault = Fault(call, instant)
        with pytest.raises(ServerUnavailable):
            scene.run()
        revive(scene.server)
        scene.resume()
        assert everything(scene.server) == expected, call
        scene.check_readers(MODES[name])


def test_one_call_to_the_store_that_fails_costs_a_resume_and_nothing_else():
    expected, _ = uninterrupted("replace")
    faults = fault_points(
        lambda store: run_on(scene_of("replace"), store),
        lambda: scene_of("replace").store,
        error=lambda: StoreUnavailable("the store does not answer"),
    )
    for fault in faults:
        scene = SCENES["replace"]()
        try:
            scene.run(FaultyStore(scene.store, fault))
        except StoreUnavailable:
            scene.resume()
        assert everything(scene.server) == expected, fault


@pytest.mark.parametrize("name", ["replace", "new", "replace in place"])
def test_a_server_that_restarts_when_the_restore_dies_still_ends_with_what_was_backed_up(name):
    _, calls = uninterrupted(name)
    for fault in server_kills(calls):
        scene = SCENES[name]()
        scene.server.watched = ()
        scene.server.fault = fault
        killed(scene.run)
        revive(scene.server)
        done = before_name("notes", ID) in scene.server.saved and "notes" in scene.server.saved
        scene.server.restart()
        if name == "new" and "docs" in scene.server.live:
            continue  # killed before the first flush: the disk brings the deleted collections back, nothing is lost
        scene.resume()
        assert not [held for held in scene.server.live if "__restore_" in held]
        scene.check_readers(MODES[name])
        if name == "replace" and not done:
            assert scene.server.content("notes") == scene.restored["notes"], fault


def test_after_a_restart_it_waits_until_the_server_lists_everything_again():
    scene = SCENES["replace"]()
    scene.server.watched = ()
    calls = run_calls("replace")
    renames = [number for number, call in enumerate(calls, 1) if call[0] == "rename_collection"]
    scene.server.fault = Fault(renames[1], "after", error=Killed, lasting=True)
    killed(scene.run)
    revive(scene.server)
    scene.server.flush()
    scene.clock.pass_by(seconds=30)
    scene.server.restart(absent=["notes", before_name("notes", ID)])
    scene.server.calls.clear()
    with pytest.raises(ServerLoading, match="may still be loading"):
        resume_restore(ID, scene.store, scene.server, scene.clock, owner="too early")
    assert {method for method, _ in scene.server.calls} <= {"facts", "collections", "aliases"}
    scene.server.finish_loading()
    scene.resume()
    assert {name: list(scene.server.content(name)) for name in scene.ids} == scene.ids


def test_a_server_that_restarts_under_a_load_is_worth_another_try():
    scene = SCENES["replace"]()
    scene.server.watched = ()
    upsert = scene.server.upsert

    def restarted(name: str, batch) -> None:
        scene.server.upsert = upsert
        scene.server.restart()
        upsert(name, batch)

    scene.server.upsert = restarted
    with pytest.raises(ServerFault, match="vanished while it was loaded"):
        scene.run()
    scene.resume()
    assert {name: list(scene.server.content(name)) for name in scene.ids} == scene.ids


def test_killed_twice_it_still_resumes():
    expected, calls = uninterrupted("replace")
    for first in range(5, calls, 7):
        for second in range(3, 20, 4):
            scene = SCENES["replace"]()
            scene.server.fault = Fault(first, "after", error=Killed, lasting=True)
            killed(scene.run)
            revive(scene.server)
            scene.server.fault = Fault(second, "after", error=Killed, lasting=True)
            try:
                scene.resume()
            except Killed:
                revive(scene.server)
                scene.resume()
            assert everything(scene.server) == expected, (first, second)


# ------------------------------------------------------- the order of the swap


def swap(server: ReadServer, *, flush_before_dropping: bool) -> None:
    """The swap as bare calls: in the safe order, or with the alias dropped before the disk forgot the name."""
    server.rename_collection("docs", "docs before")
    if flush_before_dropping:
        server.flush()
    server.delete_alias("docs")
    server.rename_collection("aside", "docs")
    server.delete_alias("aside")
    server.flush()


@pytest.mark.parametrize("safe", [True, False])
def test_only_the_safe_order_survives_readers(safe):
    """The race is real (reference, section 0): a reader in the gap has the disk's copy put over the restored one."""
    server = ReadServer(clock=Time())
    server.fill("docs", 9)
    server.flush()
    server.fill("aside", 4, first=100)
    restored = server.content("aside")
    server.watched = ("docs",)
    swap(server, flush_before_dropping=safe)
    assert (server.content("docs") == restored) is safe
    third = [seen for seen in server.seen["docs"] if seen is not None and len(seen) not in {9, 4}]
    assert bool(third) is not safe


def test_a_restore_that_forgot_to_flush_would_be_caught(monkeypatch):
    monkeypatch.setattr(Work, "flush", lambda self: None)
    scene = SCENES["replace"]()
    with pytest.raises(ComparisonFailed, match="overwritten"):
        scene.run()


def test_a_name_deleted_before_a_flush_is_forgotten_by_the_disk_before_it_is_used():
    """Nobody flushed after the deletion, and readers begin to ask for the name while it is swapped in."""
    scene = Scene(NEW, lost=True)
    original = scene.server.rename_collection

    def watched_rename(name: str, new_name: str) -> None:
        scene.server.watched = ("docs", "notes")
        original(name, new_name)

    scene.server.rename_collection = watched_rename
    scene.run()
    assert {name: list(scene.server.content(name)) for name in ("docs", "notes")} == scene.ids


# --------------------------------------------------------------------- resuming


def test_what_was_loaded_already_is_not_sent_again(monkeypatch):
    scene = SCENES["replace"]()
    upserts = [number for number, call in enumerate(run_calls("replace"), 1) if call[0] == "upsert"]
    scene.server.fault = Fault(upserts[-1], "after", error=Killed, lasting=True)
    killed(scene.run)
    revive(scene.server)
    scene.resume()
    assert "upsert" not in {method for method, _ in scene.server.calls}


def test_what_was_loaded_half_is_loaded_on_from_there(monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 4)
    scene = SCENES["replace"]()
    scene.run()
    sent = [name for method, name in scene.server.calls if method == "upsert"]
    assert sent == [aside_name("docs", ID)] * 3 + [aside_name("notes", ID)] * 3
    upserts = [number for number, call in enumerate(scene.server.calls, 1) if call[0] == "upsert"]
    scene = SCENES["replace"]()
    scene.server.fault = Fault(upserts[1], "after", error=Killed, lasting=True)
    killed(scene.run)
    revive(scene.server)
    scene.resume()
    sent = [name for method, name in scene.server.calls if method == "upsert"]
    assert sent == [aside_name("docs", ID)] + [aside_name("notes", ID)] * 3
    assert "delete_collection" not in {method for method, _ in scene.server.calls}


def test_an_alias_that_somebody_put_in_the_gap_is_not_taken_away():
    scene = SCENES["replace"]()
    scene.server.watched = ()
    renames = [number for number, call in enumerate(run_calls("replace"), 1) if call[0] == "rename_collection"]
    scene.server.fault = Fault(renames[1], "after", error=Killed, lasting=True)
    killed(scene.run)
    revive(scene.server)
    scene.server.delete_alias("notes")
    scene.server.create_alias("notes", "other")
    with pytest.raises(RestoreRefused, match="somebody created 'notes'"):
        scene.resume()
    assert scene.server.aliases()["notes"] == "other"


def test_on_a_server_that_lost_everything_the_disk_forgets_a_name_before_it_is_used():
    """Nothing is left to flush when the restore begins; once something is loaded, there is."""
    scene = Scene(NEW, lost=True)
    scene.server.delete_collection("other")
    original = scene.server.rename_collection

    def watched_rename(name: str, new_name: str) -> None:
        scene.server.watched = ("docs", "notes")
        original(name, new_name)

    scene.server.rename_collection = watched_rename
    scene.run()
    assert {name: list(scene.server.content(name)) for name in ("docs", "notes")} == scene.ids


def test_what_was_loaded_wrong_is_loaded_again_from_nothing():
    scene = SCENES["replace"]()
    upserts = [number for number, call in enumerate(run_calls("replace"), 1) if call[0] == "upsert"]
    scene.server.fault = Fault(upserts[-1], "after", error=Killed, lasting=True)
    killed(scene.run)
    revive(scene.server)
    aside = aside_name("notes", ID)
    scene.server.erase(aside, ["r1"])
    scene.server.fill(aside, 1, first=77)
    scene.resume()
    assert ("delete_collection", aside) in scene.server.calls
    assert scene.server.content("notes") == scene.restored["notes"]


def run_calls(name: str) -> list[tuple[str, str]]:
    scene = SCENES[name]()
    scene.run()
    return scene.server.calls


def test_the_store_knows_how_far_each_restore_is():
    scene = SCENES["replace"]()
    assert [(known.restore_id, known.progression) for known in list_restores(scene.store)] == [
        (ID, Progression.PLANNED)
    ]
    scene.server.fault = Fault(30, "after", error=Killed, lasting=True)
    killed(scene.run)
    revive(scene.server)
    assert list_restores(scene.store)[0].progression is Progression.STARTED
    report = scene.resume()
    [finished] = list_restores(scene.store)
    assert (finished.progression, finished.report) == (Progression.FINISHED, report)
    release_restore(ID, scene.server, scene.store, scene.clock, "a test")
    assert list_restores(scene.store)[0].progression is Progression.RELEASED


def test_a_restore_from_a_bare_archive_leaves_what_was_live_untouched_when_it_dies():
    scene = SCENES["replace"]()
    upserts = [number for number, call in enumerate(run_calls("replace"), 1) if call[0] == "upsert"]
    scene.server.fault = Fault(upserts[0], "after", error=Killed, lasting=True)
    killed(lambda: restore(scene.built, scene.server, REPLACE))
    revive(scene.server)
    assert scene.server.content("docs") == scene.damaged["docs"]
