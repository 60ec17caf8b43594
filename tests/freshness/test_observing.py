"""One look at a deployment: everything that answers is seen, whatever the others do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event

import pytest

from backup_engine.archive.manifest import Folder
from backup_engine.errors import (
    AuthenticationFailed,
    ServerUnavailable,
    StoreDenied,
    StoreUnavailable,
)
from backup_engine.freshness.judging import judge
from backup_engine.freshness.observing import observe
from backup_engine.freshness.sighting import DagSighting, Sighting
from backup_engine.model import ServerFacts
from backup_engine.records import VerificationLevel
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from backup_engine.verification.verifying import verify_backup
from tests.engine.captures import SUNDAY, Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.freshness.sightings import COPY, PRIMARY, deployment
from tests.storage.faulty import EFFECTS, Fault, FaultyStore

BOTH = deployment(copies=True)
ONE = deployment()
PRIMARY_ROOT, COPY_ROOT = BOTH.roots


class Room(MemoryStore):
    """A store that knows a limit."""

    def free_bytes(self) -> int | None:
        return 12_345


class Scene:
    """A server with a past and a store with two verified backups."""

    def __init__(self) -> None:
        self.clock = Time(SUNDAY)
        self.server = MemoryServer(clock=self.clock)
        self.server.fill("docs", 50, dimension=4)
        self.server.fill("papers", 30, dimension=4)
        self.server.fill("scratch-pad", 20, dimension=4)
        self.server.flush()
        self.clock.pass_by(days=1)
        self.store = new_store(self.clock)
        self.copy = MemoryStore(COPY, self.clock)
        init_store(self.copy, "production", self.clock, lambda: "store-2")
        self.roots: dict[str, Store] = {PRIMARY_ROOT: self.store, COPY_ROOT: self.copy}
        self.first = self.backup("first")
        self.second = self.backup("second")

    def backup(self, run: str):
        made = capture(self.server, self.store, self.clock, run)
        self.clock.pass_by(minutes=1)
        verify_backup(self.store, made.folder, made.name, VerificationLevel.FULL, self.clock, token=run)
        self.clock.pass_by(hours=1)
        return made

    def look(self, of=ONE, **limits: float) -> Sighting:
        return observe(of, self.roots.__getitem__, lambda: self.server, self.clock, **limits)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_look_sees_backups_sizes_server_and_the_time(scene):
    seen = scene.look()
    primary = seen.primary
    assert seen.at == scene.clock()
    assert (primary.url, primary.problem, primary.copy_of_it) == (PRIMARY, None, False)
    assert [one.name for one in primary.backups] == [scene.second.name, scene.first.name]
    newest = primary.backups[0]
    assert (newest.vectors, newest.collections, newest.fresh) == (100, 3, True)
    assert newest.verified_at == scene.clock() - timedelta(hours=1)
    assert primary.bytes == sum(info.size for folder in Folder for info in scene.store.list(f"{folder}/"))
    assert primary.created_at == SUNDAY + timedelta(days=1)
    assert (seen.server.problem, seen.server.loading, seen.server.vectors) == (None, (), 100)
    assert seen.server.clock_ahead == 0.0
    assert primary.clock_ahead == 0.0


def test_a_look_writes_nothing_and_reads_no_archive(scene):
    watched = FaultyStore(scene.store)
    scene.roots[PRIMARY_ROOT] = watched
    scene.look()
    assert not [call for call in watched.calls if call.method in EFFECTS]
    assert not [call for call in watched.calls if call.key.endswith(".tar.gz")]
    listings = [call.key for call in watched.calls if call.method == "list"]
    assert sorted(listings) == sorted([*(f"{folder}/" for folder in Folder), ".staging/", "prunings/"])


def test_room_is_seen_where_a_store_knows_it(scene):
    store = Room(clock=scene.clock)
    init_store(store, "production", scene.clock, lambda: "store-3")
    scene.roots[PRIMARY_ROOT] = store
    assert scene.look().primary.free_bytes == 12_345


def test_only_collections_of_the_scope_are_counted_of_the_server(scene):
    narrow = deployment(collections={"exclude": ["scratch-*"]})
    seen = scene.look(narrow)
    assert (seen.server.collections, seen.server.vectors) == (2, 80)
    assert seen.server.capture_bytes < scene.look().server.capture_bytes
    capture(scene.server, scene.store, scene.clock, "narrow", exclude=("scratch-*",))
    assert [one.left_out for one in scene.look(narrow).primary.backups] == [1, 0, 0]


def test_the_dags_are_handed_on(scene):
    dag = DagSighting(dag_id="a", purpose="sync")
    seen = observe(ONE, scene.roots.__getitem__, lambda: scene.server, scene.clock, iter([dag]))
    assert seen.dags == (dag,)


def test_a_server_that_still_loads_is_seen_by_what_the_newest_backup_held(scene):
    scene.server.restart(absent={"docs"})
    scene.clock.pass_by(seconds=5)
    reasons = scene.look().server.loading
    assert any("does not list 'docs'" in reason for reason in reasons)


@pytest.mark.parametrize("number", [0, 1])
def test_what_the_server_held_is_known_from_a_copy_too(scene, number):
    scene.roots[COPY_ROOT] = scene.store
    gone = (PRIMARY_ROOT, COPY_ROOT)[number]
    scene.roots[gone] = FaultyStore(scene.store, dead(lambda: StoreUnavailable("away")))
    scene.server.restart(absent={"docs"})
    seen = scene.look(BOTH)
    assert [place.problem for place in seen.places].count("away") == 1
    assert any("does not list 'docs'" in reason for reason in seen.server.loading)


def dead(error: Callable[[], Exception], call: int = 1) -> Fault:
    return Fault(call=call, error=error)


def test_wherever_a_store_breaks_off_it_is_a_problem_of_that_place_and_of_no_other(scene):
    scene.roots[COPY_ROOT] = scene.store
    whole = FaultyStore(scene.store)
    scene.roots[PRIMARY_ROOT] = whole
    scene.look(BOTH)
    for number in range(1, len(whole.calls) + 1):
        broken = FaultyStore(scene.store, dead(lambda: StoreDenied("no rights"), number))
        scene.roots[PRIMARY_ROOT] = broken
        seen = scene.look(BOTH)
        assert [place.problem for place in seen.places] == ["no rights", None]
        assert len(seen.places[1].backups) == 2
        assert seen.server.problem is None


def test_a_root_that_cannot_be_opened_is_a_problem_of_that_place(scene):
    def open_root(root: str) -> Store:
        raise StoreDenied("the connection is missing")

    seen = observe(ONE, open_root, lambda: scene.server, scene.clock)
    assert (seen.primary.problem, seen.primary.no_store) == ("the connection is missing", False)


def test_a_place_without_a_store_is_told_from_one_that_does_not_answer(scene):
    scene.roots[PRIMARY_ROOT] = MemoryStore(PRIMARY)
    primary = scene.look().primary
    assert primary.no_store
    assert "store init" in str(primary.problem)


def test_another_deployments_store_is_a_problem_and_its_backups_count_for_nothing(scene):
    scene.roots[PRIMARY_ROOT] = new_store(scene.clock, "staging")
    primary = scene.look().primary
    assert "is the store of deployment 'staging'" in str(primary.problem)
    assert not primary.no_store


@pytest.mark.parametrize("error", [ServerUnavailable("refused"), AuthenticationFailed("wrong key")])
def test_a_server_that_cannot_be_asked_is_a_problem_and_the_stores_are_seen(scene, error):
    def open_server():
        raise error

    seen = observe(ONE, scene.roots.__getitem__, open_server, scene.clock)
    assert seen.server.problem == str(error)
    assert (seen.server.url, seen.server.capture_bytes) == ("http://vectors:15002", None)
    assert len(seen.primary.backups) == 2


class Hanging:
    """A server, and a store, that never answer, as a share does whose other end is gone."""

    url = "memory://hanging"

    def __init__(self) -> None:
        self.released = Event()

    def facts(self) -> ServerFacts:
        self.released.wait()
        raise ServerUnavailable("released")

    def read(self, key: str, **_: object) -> Iterator[bytes]:
        self.released.wait()
        raise StoreUnavailable("released")


def test_a_place_that_hangs_and_a_server_that_hangs_hide_nothing_else(scene):
    hanging = Hanging()
    scene.roots[COPY_ROOT] = hanging
    try:
        seen = observe(
            BOTH, scene.roots.__getitem__, lambda: hanging, scene.clock, place_seconds=2.0, server_seconds=0.1
        )
    finally:
        hanging.released.set()
    assert f"{COPY} gave no whole answer within 2.0 s" in str(seen.places[1].problem)
    assert "gave no answer within 0.1 s" in str(seen.server.problem)
    assert len(seen.primary.backups) == 2


def test_a_look_that_hangs_does_not_keep_the_process_from_ending():
    code = (
        "from threading import Event\n"
        "from backup_engine.errors import StoreUnavailable\n"
        "from backup_engine.freshness.attempts import Attempt\n"
        "try:\n"
        "    Attempt(Event().wait, 0.1, StoreUnavailable('late')).outcome()\n"
        "except StoreUnavailable as error:\n"
        "    print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "late\n"


def test_a_fault_of_our_own_is_no_problem_of_a_place(scene):
    def open_root(root: str) -> Store:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        observe(ONE, open_root, lambda: scene.server, scene.clock)


def test_backups_of_the_future_are_told_and_left_out(scene):
    scene.clock.pass_by(days=3)
    ahead = scene.backup("ahead")
    scene.clock.pass_by(days=-3)
    primary = scene.look().primary
    assert [one.name for one in primary.backups] == [scene.second.name, scene.first.name]
    (sentence,) = primary.future
    assert sentence.startswith(f"{ahead.name} says it was captured on")
    assert judge(ONE, scene.look()).protection.fresh == scene.second.name


def test_a_few_minutes_ahead_are_not_the_future_and_no_age_is_negative(scene):
    scene.clock.pass_by(hours=-1, minutes=-5)
    seen = scene.look()
    assert seen.primary.future == ()
    assert judge(ONE, seen).protection.rpo_real == 0.0


def test_what_cannot_be_read_is_told_and_the_rest_is_seen(scene):
    scene.store.create("daily/backup-20261101.json", [b"{}"])
    primary = scene.look().primary
    (sentence,) = primary.unreadable
    assert sentence.startswith("daily/backup-20261101.json: ")
    assert len(primary.backups) == 2


def test_the_servers_clock_is_compared_with_ours_in_the_middle_of_the_answer(scene):
    scene.server._clock = lambda: scene.clock() + timedelta(seconds=90)
    assert scene.look().server.clock_ahead == 90.0


def test_a_moved_disk_tells_nothing_of_a_clock(scene):
    carried = MemoryStore(PRIMARY, lambda: scene.clock() + timedelta(days=30))
    for info in scene.store.list(""):
        carried.create(info.key, scene.store.read(info.key))
    scene.roots[PRIMARY_ROOT] = carried
    assert scene.look().primary.clock_ahead is None


def test_the_clock_of_a_store_is_seen_by_what_lies_there(scene):
    store = MemoryStore(PRIMARY, lambda: scene.clock() + timedelta(minutes=7))
    init_store(store, "production", scene.clock, lambda: "store-1")
    scene.store = scene.roots[PRIMARY_ROOT] = store
    scene.backup("one")
    assert scene.look().primary.clock_ahead is None, "a single record could have been slow on its way"
    scene.backup("two")
    assert scene.look().primary.clock_ahead == 420.0
