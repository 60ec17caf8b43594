"""Reading what is compared with a base: what nothing changed in is not read, what moves is honest, and no record is
called deleted before it was asked for by its id.
"""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupKind, BackupState, Content, Standing, archive_key
from backup_engine.capture import staging
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.capture.results import StreamResult
from backup_engine.catalog import Catalog
from backup_engine.commit import commit_capture
from backup_engine.errors import InvalidInput
from tests.engine.captures import Time, capture, keys, new_store, request, words
from tests.engine.memory_server import MemoryServer
from tests.engine.points import content_of, point_of
from tests.engine.samples import some_records

ONE_PAGE_IS_TOO_MUCH = {"single_page_bytes": 1000}
CHANGES = st.lists(
    st.tuples(st.integers(0, 24), st.sampled_from(["upsert", "insert", "delete", "in flight"]), st.integers(0, 119)),
    max_size=20,
)


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def store(clock):
    return new_store(clock)


@pytest.fixture
def server(clock, store):
    """ "docs" takes six pages, "small" one; both are in a full."""
    made = MemoryServer(clock=clock, page_records=20, batch_records=8)
    made.fill("docs", 120, dimension=4)
    made.fill("small", 10, dimension=4)
    made.flush()
    clock.pass_by(days=1)
    capture(made, store, clock, "full")
    clock.pass_by(minutes=10)
    made.calls.clear()
    return made


def exported(server, store, clock, run: str = "next", **limits):
    """Plan and read an incremental; give the plan's key, the result's, and what was read by name."""
    prepared = prepare_capture(request(run, streams=1, incremental=True), server, store, clock, f"{run}-a")
    summary = export_stream(prepared.plan_key, 0, server, store, clock, words(f"{run}-e")(), **limits)
    result = staging.load(store, summary.result_key, StreamResult)
    return prepared.plan_key, summary.result_key, {one.private.name: one for one in result.collections}


def committed(server, store, clock, run: str = "next", **limits):
    plan, result, read = exported(server, store, clock, run, **limits)
    made = commit_capture(plan, [result], store, clock)
    return made, read, content_of(point_of(store, clock, made.name))


def test_a_server_on_which_nothing_changed_is_listed_and_not_read(server, store, clock):
    made, read, content = committed(server, store, clock)
    assert [method for method, _ in server.calls] == ["facts", "collections", "aliases"]
    assert (made.kind, made.state, made.folder) == (BackupKind.INCREMENTAL, BackupState.GOOD, "incremental")
    assert {one.summary.content for one in read.values()} == {Content.SAME}
    assert {one.fragment for one in read.values()} == {None}
    assert content == {name: server.content(name) for name in server.live}
    assert made.vectors == 130


def test_what_changed_is_read_once_and_only_that_is_stored(server, store, clock):
    server.fill("docs", 2, first=3, dimension=4, seed=8)
    server.fill("docs", 1, first=500, dimension=4)
    server.erase("docs", ["r7", "r9"])
    server.calls.clear()
    _, read, content = committed(server, store, clock)
    docs = read["docs"].summary
    assert (docs.content, docs.upserts, docs.deletions, docs.vectors) == (Content.DELTA, 3, 2, 119)
    assert [call for call in server.calls if call[0] == "page"] == [("page", "docs")] * 6
    assert ("retrieve", "docs") in server.calls
    assert content == {name: server.content(name) for name in server.live}


def test_what_was_touched_and_is_the_same_is_stored_as_nothing(server, store, clock):
    server.live["docs"].touch()
    before = set(keys(store))
    _, _, read = exported(server, store, clock)
    docs = read["docs"].summary
    assert (docs.content, docs.read_at, docs.entries) == (Content.SAME, clock(), ())
    left = {key for key in set(keys(store)) - before if key.endswith(".fragment")}
    assert left == set()


def test_once_a_day_what_did_not_change_is_read_all_the_same(server, store, clock):
    first = committed(server, store, clock, "one")[1]["docs"].summary
    assert first.read_at == Catalog(store, clock).backups()[-1].started_at
    clock.pass_by(hours=23, minutes=50)
    server.calls.clear()
    _, read, _ = committed(server, store, clock, "two")
    assert ("page", "docs") in server.calls
    assert (read["docs"].summary.content, read["docs"].summary.read_at) == (Content.SAME, clock())
    clock.pass_by(minutes=10)
    server.calls.clear()
    committed(server, store, clock, "three")
    assert ("page", "docs") not in server.calls


def test_an_incremental_of_a_subset_is_refused(server, store, clock):
    with pytest.raises(InvalidInput, match="incrementals are of the whole scope"):
        prepare_capture(request(collections=("docs",), incremental=True), server, store, clock, "a")


def test_records_in_flight_are_asked_for_and_stay_as_they_were_known(server, store, clock):
    """A batch is deleted and inserted again while the page is made: the count tells only afterwards."""
    before = server.content("small")
    batch = some_records(range(4), 4, seed=9)

    def on_page(name, page):
        if name == "small":
            server.erase("small", batch["id"].to_pylist())
            server.on_page = lambda name, page: None

    def retrieve(name, ids):
        server.write("small", batch)
        return type(server).retrieve(server, name, ids)

    server.live["small"].touch()
    server.on_page, server.retrieve = on_page, retrieve
    made, read, content = committed(server, store, clock)
    small = read["small"].summary
    assert (small.standing, small.content, small.vectors) == (Standing.FUZZY, Content.SAME, 10)
    assert content["small"] == before
    del server.retrieve
    clock.pass_by(minutes=10)
    _, _, content = committed(server, store, clock, "later")
    assert content["small"] == server.content("small") != before
    assert made.state is BackupState.GOOD


def test_what_is_listed_by_nobody_and_counted_by_nobody_is_deleted_whatever_is_found_by_id(server, store, clock):
    """A record that only ``retrieve`` still gives, from a collection that does not move, is gone."""
    server.erase("small", ["r3"])
    given_by_id = some_records([3], 4)
    server.retrieve = lambda name, ids: given_by_id
    _, read, content = committed(server, store, clock)
    small = read["small"].summary
    assert (small.standing, small.deletions, "r3" in content["small"]) == (Standing.WHOLE, 1, False)


def test_a_record_that_is_counted_and_never_listed_makes_it_incomplete_as_in_a_full(server, store, clock):
    server.hide("small", "r3")
    _, _, read = exported(server, store, clock)
    assert read["small"].summary.standing is Standing.INCOMPLETE
    assert read["small"].private.problem == "the server counts 10 vectors and gives 9"


def test_a_collection_created_anew_after_the_plan_is_stored_whole_and_says_so(server, store, clock):
    prepared = prepare_capture(request(streams=1, incremental=True), *_touched(server, store), clock, "a")
    server.drop("docs")
    server.fill("docs", 15, dimension=3)
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e")
    docs = staging.load(store, summary.result_key, StreamResult).collections[0]
    assert (docs.summary.content, docs.summary.vectors, docs.summary.base) == (Content.WHOLE, 15, None)
    assert any(note.startswith("stored whole: created anew since") for note in docs.private.notes)


def test_a_collection_of_another_configuration_is_stored_whole_and_says_so(server, store, clock):
    collection = server.live["docs"]
    hnsw = collection.configuration.hnsw.model_copy(update={"m": 99})
    collection.configuration = collection.configuration.model_copy(update={"hnsw": hnsw})
    collection.touch()
    _, read, content = committed(server, store, clock)
    assert read["docs"].summary.content is Content.WHOLE
    assert any("its configuration is not that of" in note for note in read["docs"].private.notes)
    assert content["docs"] == server.content("docs")


@pytest.mark.parametrize("what", ["archive", "manifest"])
def test_a_base_that_cannot_be_read_any_more_makes_the_collection_whole_and_is_named(server, store, clock, what):
    prepared = prepare_capture(request(streams=1, incremental=True), *_touched(server, store), clock, "a")
    full = Catalog(store, clock).backups()[0]
    store.delete([archive_key(full.folder, full.name)] if what == "archive" else [f"{full.folder}/{full.name}.json"])
    server.erase("docs", ["r1"])
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e")
    read = {one.private.name: one for one in staging.load(store, summary.result_key, StreamResult).collections}
    docs = read["docs"]
    assert (docs.summary.content, docs.summary.vectors) == (Content.WHOLE, 119)
    assert any(note.startswith(f"stored whole: {full.name} cannot be read") for note in docs.private.notes)
    assert read["small"].summary.content is Content.WHOLE


def test_a_base_whose_parts_are_gone_is_found_out_when_ids_are_looked_up(server, store, clock):
    """Digests can be read, and the parts that would tell the deleted ids cannot."""
    prepared = prepare_capture(request(streams=1, incremental=True), *_touched(server, store), clock, "a")
    full = Catalog(store, clock).backups()[0]
    key = archive_key(full.folder, full.name)
    part = next(entry for entry in full.archive.entries if "docs/part-" in entry.name)
    content = bytearray(b"".join(store.read(key)))
    content[part.offset + part.bytes // 2] ^= 1
    store.delete([key])
    store.create(key, [bytes(content)])
    server.erase("docs", ["r1"])
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e")
    docs = staging.load(store, summary.result_key, StreamResult).collections[0]
    assert (docs.summary.content, docs.summary.vectors) == (Content.WHOLE, 119)
    assert any("cannot be read" in note for note in docs.private.notes)


def test_irregular_records_of_the_whole_state_are_listed(server, store, clock):
    server.write("small", some_records([900], 4))
    server.live["small"].records["r900"][0][1] = float("inf")
    committed(server, store, clock, "one")
    clock.pass_by(minutes=10)
    server.fill("small", 1, first=2, dimension=4, seed=4)
    _, read, _ = committed(server, store, clock, "two")
    assert read["small"].summary.content is Content.DELTA
    assert (read["small"].private.irregular, read["small"].private.irregular_count) == (("r900",), 1)


# ------------------------------------------------------- under fire, against a model


class Writers:
    """Other clients that change "docs" before chosen pages and questions, and everything it ever held."""

    def __init__(self, server: MemoryServer, changes) -> None:
        self.server = server
        self.changes = changes
        self.step = 0
        self.versions = {key: {value} for key, value in server.content("docs").items()}
        self.untouched = server.content("docs")
        self.always = set(self.untouched)
        self.due: list[object] = []

    def __call__(self, name: str, page: int) -> None:
        for batch in self.due:
            self._write(batch)
        self.due = []
        for at, change, number in self.changes:
            if at == self.step:
                self._make(change, number)
        self.step += 1

    def retrieve(self, name, ids):
        self(name, -1)
        return MemoryServer.retrieve(self.server, name, ids)

    def _make(self, change: str, number: int) -> None:
        number += 1000 if change == "insert" else 0
        self.untouched.pop(f"r{number}", None)
        if change in {"delete", "in flight"}:
            self.server.erase("docs", [f"r{number}"])
            self.due += [some_records([number], 4, seed=50 + self.step)] if change == "in flight" else []
            self._note()
        else:
            self._write(some_records([number], 4, seed=50 + self.step))

    def _write(self, batch) -> None:
        self.server.write("docs", batch)
        self._note()

    def _note(self) -> None:
        now = self.server.content("docs")
        self.always &= now.keys()
        for key, value in now.items():
            self.versions.setdefault(key, set()).add(value)


@pytest.mark.parametrize("paging", ["id", "place"])
@settings(max_examples=40, deadline=None)
@given(CHANGES, st.booleans())
def test_whatever_is_written_meanwhile_a_good_incremental_is_consistent(paging, changes, fits):
    """A record that nobody touched is there as it is; one that was touched is there as it was at some moment."""
    clock = Time()
    store, server = new_store(clock), MemoryServer(clock=clock, page_records=20, paging=paging, batch_records=8)
    server.fill("docs", 120, dimension=4)
    clock.pass_by(days=1)
    capture(server, store, clock, "full")
    writers = Writers(server, changes)
    writers._make("upsert", 5)
    writers._make("delete", 6)
    server.on_page, server.retrieve = writers, writers.retrieve
    clock.pass_by(minutes=10)
    made, read, content = committed(server, store, clock, **({} if fits else ONE_PAGE_IS_TOO_MUCH))
    docs = read["docs"].summary
    stored = content["docs"]
    assert docs.vectors == len(stored)
    assert read["docs"].complete == (made.state == "good")
    assert all(stored[key] in writers.versions[key] for key in stored), "a record nobody ever wrote"
    if read["docs"].complete:
        assert writers.untouched.items() <= stored.items()
        assert writers.always <= stored.keys()
    if docs.standing is Standing.FUZZY:
        assert docs.window.lowest <= len(stored) <= docs.window.highest


def test_under_steady_writers_every_increment_is_good_and_the_quiet_one_after_them_is_exact(clock, store):
    server = MemoryServer(clock=clock, page_records=20, batch_records=8)
    server.fill("docs", 200, dimension=4)
    clock.pass_by(days=1)
    numbers = count()

    def on_page(name, page):
        n = next(numbers)
        server.erase("docs", [f"r{2 * n}", f"r{2 * n + 1}"])
        server.fill("docs", 2, dimension=4, first=200 + 2 * n)

    capture(server, store, clock, "full")
    server.on_page = on_page
    for number in range(4):
        clock.pass_by(minutes=10)
        server.live["docs"].touch()
        made, read, content = committed(server, store, clock, f"run{number}", **ONE_PAGE_IS_TOO_MUCH)
        assert (made.kind, made.state) == (BackupKind.INCREMENTAL, BackupState.GOOD)
        assert read["docs"].summary.standing is Standing.FUZZY
        assert len(content["docs"]) == 200
    server.on_page = lambda name, page: None
    clock.pass_by(minutes=10)
    _, read, content = committed(server, store, clock, "quiet", **ONE_PAGE_IS_TOO_MUCH)
    assert read["docs"].summary.standing is Standing.WHOLE
    assert content["docs"] == server.content("docs")


def _touched(server, store):
    server.live["docs"].touch()
    return server, store
