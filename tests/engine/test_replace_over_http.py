"""Replacing over HTTP, under readers and kills: the sandbox, or the real server if VECTORIZER_BINARY names one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from backup_engine.errors import BackupError, ComparisonFailed
from backup_engine.model import system_clock
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.lifecycle import resume_restore
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.request import RestoreMode
from backup_engine.restore.undoing import undo_restore
from backup_engine.restore.work import Change
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from sandbox.rules import Rule, Seen, Sent
from tests.contract.servers import RealProcess
from tests.engine.captures import new_store
from tests.engine.over_http import backup_of, content, fill, readers
from tests.engine.restores import put, reader_of, request
from tests.engine.samples import configuration, some_records

REPLACE = RestoreMode.REPLACE
NAMES = ("euclidean", "cosine", "a/b")
SWAPS = 10


@pytest.fixture
def process(tmp_path):
    binary = os.environ.get("VECTORIZER_BINARY", "")
    with RealProcess(Path(binary), tmp_path) if binary else SandboxProcess(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A sandbox that fails on demand, shared: every test makes its own collections."""
    with SandboxProcess(tmp_path_factory.mktemp("faulty"), faults=True) as started:
        yield started


class Scene:
    """Damaged collections on an empty server, a backup of what they were, and a prepared restore of it."""

    def __init__(self, url: str, *names: str, in_place: bool, restore_id: str = "0123456789ab") -> None:
        self.server = connect(url, None, ClientSettings(attempts=1, connect_timeout=5))
        self.id = restore_id
        for state in self.server.collections():
            self.server.delete_collection(state.name)
        fill(self.server, "one")
        for name in names:
            fill(self.server, name)
        self.server.flush()
        self.built = backup_of(self.server, *names)
        self.then = {name: content(self.server, name) for name in names}
        for name in names:
            dimension = self.server.configuration(name).dimension
            self.server.delete_records(name, ["r0", "r7"])
            self.server.upsert(name, some_records(range(900, 903), dimension))
        self.server.flush()
        self.damaged = {name: content(self.server, name) for name in names}
        self.store = new_store(system_clock)
        put(self.store, self.built)
        asked = request(REPLACE, in_place=in_place, restore_id=restore_id)
        self.plan = prepare_restore(asked, self.built.sidecar.manifest, self.server, self.store)

    def run(self) -> object:
        return execute_restore(
            self.plan, reader_of(self.store, self.built), self.server, self.store, system_clock, owner="a test"
        )

    def resume(self) -> object:
        return resume_restore(self.id, self.store, self.server, system_clock, owner="another")

    def undo(self) -> object:
        return undo_restore(self.id, self.store, self.server, system_clock, owner="a third")

    def check_restored(self) -> None:
        for name, then in self.then.items():
            assert content(self.server, name).keys() == then.keys(), name
            assert counted(self.server, name) == len(then), name
        assert "euclidean" not in self.then or content(self.server, "euclidean") == self.then["euclidean"]

    def check_undone(self) -> None:
        for name, damaged in self.damaged.items():
            assert content(self.server, name).keys() == damaged.keys(), name
            assert counted(self.server, name) == len(damaged), name


def counted(server: VectorizerServer, name: str) -> int:
    return next(state.vectors for state in server.collections() if state.name == name)


# --------------------------------------------------------------------- in place, whole


def test_every_name_and_kind_is_replaced_in_place_and_comes_back_by_undo(process):
    names = ("cosine", "euclidean", "dot", "floats", "cosine floats", "binary", "empty", "cleanup", "a/b")
    scene = Scene(process.url, *names, in_place=True)
    settings = {name: scene.server.configuration(name).quantization for name in names}
    created = {state.name: state.created_at for state in scene.server.collections()}
    report = scene.run()
    scene.check_restored()
    assert {item.target: (item.written, item.deleted) for item in report.collections} == dict.fromkeys(names, (2, 3))
    assert created == {state.name: state.created_at for state in scene.server.collections()}
    undone = scene.undo()
    scene.check_undone()
    assert undone.flushed
    assert settings == {name: scene.server.configuration(name).quantization for name in names}
    assert sorted(state.name for state in scene.server.collections()) == sorted(["one", *names])
    assert content(scene.server, "cosine floats") == scene.damaged["cosine floats"]


def test_aliases_stay_where_they_are_in_place_and_follow_an_undo(process):
    scene = Scene(process.url, "euclidean", in_place=True)
    scene.server.create_alias("production", "euclidean")
    scene.run()
    assert dict(scene.server.aliases()) == {"production": "euclidean"}
    scene.undo()
    assert dict(scene.server.aliases()) == {"production": "euclidean"}


@pytest.mark.parametrize("name", ["euclidean", "a/b"])
def test_readers_never_make_an_undo_count_everything_twice(process, name):
    for number in range(3):
        scene = Scene(process.url, name, in_place=True, restore_id=f"{number:012x}")
        scene.run()
        with readers(process.url, name) as seen:
            scene.undo()
        scene.check_undone()
        assert max(seen) <= len(scene.damaged[name])


def test_two_snapshots_never_share_a_second(process):
    scene = Scene(process.url, "euclidean", in_place=True)
    taken = [scene.server.take_snapshot("euclidean") for _ in range(3)]
    assert len(set(taken)) == 3
    assert [one.id for one in scene.server.snapshots("euclidean")][:3] == taken[::-1]


# ---------------------------------------------------------------- the swap under readers


def swap(server: VectorizerServer, *, safe: bool) -> None:
    """The swap as bare calls, in the safe order, or without the flush that makes the disk forget the name."""
    server.rename_collection("live", "live before")
    if safe:
        server.flush()
    server.delete_alias("live")
    server.rename_collection("aside", "live")
    server.delete_alias("aside")
    server.flush()


def two_collections(server: VectorizerServer) -> dict[str, object]:
    for state in server.collections():
        server.delete_collection(state.name)
    server.create_collection("live", configuration())
    server.upsert("live", some_records(range(200)))
    server.flush()
    server.create_collection("aside", configuration())
    server.upsert("aside", some_records(range(500, 550)))
    return content(server, "aside")


def asked_in_the_gap(live: str) -> tuple[Rule, ...]:
    """A reader asks for the name between dropping the alias and the second rename, and is served after that."""
    asks = Sent(method="GET", path=f"/collections/{live}")
    return (
        Rule(what="load", path="/rename$", when="after", nth=2),
        Rule(what="write", path="^/qdrant/collections/aliases$", when="after", nth=1, wait=False, send=(asks,)),
    )


@pytest.mark.parametrize("safe", [True, False])
def test_a_reader_in_the_gap_loses_the_restored_collection_in_every_order_but_the_safe_one(faulty, safe):
    server = connect(faulty.url)
    restored = two_collections(server)
    faulty.clear()
    faulty.place(*asked_in_the_gap("live"))
    swap(server, safe=safe)
    assert faulty.applied() == [1, 1]
    faulty.clear()
    assert (content(server, "live") == restored) is safe
    assert safe or counted(server, "live") == 200


def test_a_reader_in_the_gap_of_a_restore_gets_nothing_and_does_no_harm(faulty):
    scene = Scene(faulty.url, "euclidean", in_place=False)
    faulty.clear()
    faulty.place(*asked_in_the_gap("euclidean"))
    scene.run()
    assert faulty.applied()[1] == 1
    faulty.clear()
    scene.check_restored()


def test_a_restore_without_the_flush_in_the_middle_would_lose_what_it_loaded_and_say_so(faulty, monkeypatch):
    scene = Scene(faulty.url, "euclidean", in_place=False)
    monkeypatch.setattr(Change, "flush", lambda self: None)
    faulty.clear()
    faulty.place(*asked_in_the_gap("euclidean"))
    with pytest.raises(ComparisonFailed, match="overwritten"):
        scene.run()
    faulty.clear()
    assert counted(scene.server, "euclidean") != len(scene.then["euclidean"])


def test_the_safe_order_is_right_every_time_under_hammering_readers(process):
    server = connect(process.url)
    for _ in range(SWAPS):
        restored = two_collections(server)
        with readers(process.url, "live") as seen:
            swap(server, safe=True)
        assert content(server, "live") == restored
        assert set(seen) <= {200, 50}


# ------------------------------------------------------ stopped at every request, over HTTP


BUT_STATUS = "^/(?!status$)"  # how often the client asks for that is a matter of time


def deaths(seen: Sequence[Seen]) -> Iterator[Rule]:
    """The process is gone before the server hears of a request, or before it hears the answer, and never comes back.

    Both at every request that can only be a change; in turn at every fifth of those that may be (GraphQL reads too).
    """
    doubtful = 0
    for number, request_seen in enumerate((one for one in seen if re.search(BUT_STATUS, one.path)), 1):
        graphql = request_seen.path == "/graphql"
        doubtful += graphql
        if request_seen.method == "GET" or (graphql and doubtful % 5):
            continue
        instants = ("before", "after")[doubtful % 2 : doubtful % 2 + 1] if graphql else ("before", "after")
        yield from (Rule(what="drop", path=BUT_STATUS, nth=number, times=100_000, when=when) for when in instants)


def stopped(faulty: SandboxProcess, make: Callable[[], Scene], work: str, again: str) -> Iterator[Scene]:
    scene = make()
    faulty.clear()
    getattr(scene, work)()
    rules = list(deaths(faulty.requests()))
    assert len(rules) > 8
    for rule in rules:
        scene = make()
        faulty.clear()
        faulty.place(rule)
        with pytest.raises(BackupError):
            getattr(scene, work)()
        faulty.clear()
        getattr(scene, again)()
        yield scene


def restored_in_place(url: str) -> Scene:
    scene = Scene(url, "euclidean", in_place=True)
    scene.run()
    return scene


def test_a_restore_in_place_that_stops_at_any_change_is_gone_on_with(faulty):
    for scene in stopped(faulty, lambda: Scene(faulty.url, "a/b", in_place=True), "run", "resume"):
        scene.check_restored()


def test_an_undo_that_stops_at_any_change_is_gone_on_with(faulty):
    for scene in stopped(faulty, lambda: restored_in_place(faulty.url), "undo", "undo"):
        scene.check_undone()
