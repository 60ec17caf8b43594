"""What is read of a collection is all of it, or is called less; nothing that moves is called still."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch
from backup_engine.archive.manifest import Standing
from backup_engine.capture import exporting
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.commit import commit_capture
from backup_engine.errors import (
    AuthenticationFailed,
    InvalidInput,
    RequestRefused,
    ServerBusy,
    ServerFault,
    ServerLoading,
    ServerUnavailable,
    UnexpectedAnswer,
)
from backup_engine.model import Quantization
from tests.engine.captures import Time, capture, new_store, only_backup, request, stored_content, words
from tests.engine.memory_server import MemoryServer
from tests.engine.samples import some_records


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def store(clock):
    return new_store(clock)


@pytest.fixture
def server(clock) -> MemoryServer:
    """ "docs" takes five pages, "small" one; up for a day, everything flushed."""
    made = MemoryServer(clock=clock, page_records=100, batch_records=40, provider_dimension=None)
    made.fill("docs", 500, dimension=4)
    made.fill("small", 30, dimension=4, quantization=Quantization.NONE)
    made.flush()
    clock.pass_by(days=1)
    return made


def read(server, store, clock, **limits):
    """Export everything as one stream; give the collections' results by name."""
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    summary = export_stream(prepared.plan_key, 0, server, store, clock, words("e")(), **limits)
    result = exporting.staging.load(store, summary.result_key, exporting.StreamResult)
    return {one.private.name: one for one in result.collections} | {one.name: one for one in result.dropped}


def once(action, *, page: int = 1):
    """Do something once, when the given page of "docs" is about to be read."""
    pending = [action]

    def on_page(name: str, number: int) -> None:
        if (name, number) == ("docs", page) and pending:
            pending.pop()()

    return on_page


ONE_PAGE_IS_TOO_MUCH = {"single_page_bytes": 1000}


def test_what_stands_still_is_whole(server, store, clock):
    results = read(server, store, clock)
    assert {name: one.summary.standing for name, one in results.items()} == {
        "docs": Standing.WHOLE,
        "small": Standing.WHOLE,
    }
    assert results["docs"].summary.vectors == results["docs"].summary.counted == 500


def test_what_moved_between_pages_is_read_again_as_one_page(server, store, clock):
    server.on_page = once(lambda: server.erase("docs", ["r5"]))  # shifts every later page by one
    one = read(server, store, clock)["docs"]
    assert (one.summary.standing, one.summary.vectors, one.summary.window) == (Standing.WHOLE, 499, None)


def test_what_moved_and_is_too_large_for_one_page_is_fuzzy_with_its_window(server, store, clock):
    server.on_page = once(lambda: server.fill("docs", 7, dimension=4, first=500))
    one = read(server, store, clock, **ONE_PAGE_IS_TOO_MUCH)["docs"]
    assert one.summary.standing is Standing.FUZZY
    assert (one.summary.vectors, one.summary.window.lowest, one.summary.window.highest) == (507, 500, 507)


def test_a_record_skipped_by_one_read_and_hidden_from_the_other_is_asked_for_by_id(server, store, clock):
    """In the second read r3 is being upserted, so only the first one and the count know of it."""
    reads = []

    def on_page(name, page):
        if name == "docs" and page == 0:
            reads.append(page)
            server.hide("docs", *(["r3"] if len(reads) > 1 else []))
        if name == "docs" and page == 1:
            server.live["docs"].touch()

    server.on_page = on_page
    one = read(server, store, clock, **ONE_PAGE_IS_TOO_MUCH)["docs"]
    assert (one.summary.standing, one.summary.vectors) == (Standing.FUZZY, 500)
    assert ("retrieve", "docs") in server.calls


def test_a_single_page_that_misses_a_record_in_flight_is_not_believed(server, store, clock):
    server.hide("small", "r3")
    looked = []

    def on_page(name, page):
        if name == "small":
            looked.append(page)
            server.hide("small", *(["r3"] if len(looked) < 2 else []))

    server.on_page = on_page
    one = read(server, store, clock)["small"]
    assert (one.summary.standing, one.summary.vectors) == (Standing.WHOLE, 30)


def test_what_is_only_confirmed_by_id_keeps_its_text_as_it_was_read(server, store, clock):
    """Asked for by id the server trims text; a record that was read before is kept as it was read."""
    odd = make_batch(["odd"], some_records([1], 4)["vector"].flatten().to_numpy().reshape(1, 4), ['{"text":" odd  "}'])
    server.write("docs", odd)
    reads = []

    def on_page(name, page):
        if name == "docs" and page == 0:
            reads.append(page)
            server.hide("docs", *(["odd"] if len(reads) > 1 else []))

    server.on_page = on_page
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e", **ONE_PAGE_IS_TOO_MUCH)
    committed = commit_capture(prepared.plan_key, [summary.result_key], store, clock)
    assert ("retrieve", "docs") in server.calls
    assert stored_content(store, committed.folder, committed.name)["docs"] == server.content("docs")


@pytest.mark.parametrize(("limits", "standing"), [({}, Standing.WHOLE), (ONE_PAGE_IS_TOO_MUCH, Standing.FUZZY)])
def test_a_read_that_breaks_off_because_its_place_is_gone_is_read_again(server, store, clock, limits, standing):
    server.on_page = once(lambda: server.erase("docs", ["r199"]), page=2)  # where the third page was to begin
    one = read(server, store, clock, **limits)["docs"]
    assert (one.summary.standing, one.summary.vectors) == (standing, 499)


def test_a_collection_whose_every_read_breaks_off_is_incomplete_with_all_that_was_seen(server, store, clock):
    numbers = count(1)

    def on_page(name, page):
        if (name, page) == ("docs", 2):
            server.erase("docs", [f"r{100 * page - 1 + next(numbers) - 1}"])

    server.on_page = on_page
    one = read(server, store, clock, **ONE_PAGE_IS_TOO_MUCH)["docs"]
    assert one.summary.standing is Standing.INCOMPLETE
    assert 200 <= one.summary.vectors < 500
    assert "5 reads together gave" in one.private.problem


def test_a_record_hidden_from_every_read_makes_the_collection_incomplete(server, store, clock):
    server.hide("small", "r3")
    one = read(server, store, clock)["small"]
    assert (one.summary.standing, one.summary.vectors, one.summary.counted) == (Standing.INCOMPLETE, 29, 30)
    assert one.private.problem == "the server counts 30 vectors and gives 29"
    assert one.fragment is not None


def test_a_ghost_that_counts_and_lists_nothing_is_incomplete_never_empty(server, store, clock):
    server.delete_collection("docs")
    server.wake("docs")  # somebody asks for it before a flush: it comes back broken
    one = read(server, store, clock)["docs"]
    assert (one.summary.standing, one.summary.vectors, one.summary.counted) == (Standing.INCOMPLETE, 0, 500)


def test_a_ghost_that_lists_ids_twice_is_incomplete_and_keeps_each_once(server, store, clock):
    server.delete_collection("docs")
    server.write("docs", some_records(range(500), 4))
    one = read(server, store, clock)["docs"]
    assert (one.summary.standing, one.summary.vectors) == (Standing.INCOMPLETE, 500)
    assert "500 records under an id that another one has" in one.private.problem


def test_a_collection_that_cannot_be_read_does_not_take_the_others_down(server, store, clock):
    for error in (
        RequestRefused("bad request", status=400),
        UnexpectedAnswer("no JSON"),
        ServerFault("500 after three tries"),
    ):
        server.broken["docs"] = error
        results = read(server, new_store(clock), clock)
        assert results["docs"].summary.standing is Standing.UNREADABLE
        assert results["docs"].private.problem == str(error)
        assert results["docs"].fragment is None
        assert results["small"].summary.standing is Standing.WHOLE


@pytest.mark.parametrize("error", [ServerBusy("later"), AuthenticationFailed("no longer")])
def test_an_error_about_the_whole_server_is_no_collections_problem(server, store, clock, error):
    server.broken["docs"] = error
    with pytest.raises(type(error)):
        read(server, store, clock)


def test_a_connection_that_breaks_again_and_again_over_one_collection_is_its_own_problem(server, store, clock):
    """The server answers everything else."""
    server.broken["docs"] = ServerUnavailable("the answer broke off")
    results = read(server, store, clock)
    assert results["docs"].summary.standing is Standing.UNREADABLE
    assert "3 times, while it was read: the answer broke off (the server answers otherwise: see its log)" in (
        results["docs"].private.problem
    )
    assert results["small"].summary.standing is Standing.WHOLE


def test_a_stream_can_be_exported_again_after_a_failure(server, store, clock):
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    server.broken["small"] = ServerBusy("later")
    with pytest.raises(ServerBusy):
        export_stream(prepared.plan_key, 0, server, store, clock, "first")
    del server.broken["small"]
    assert export_stream(prepared.plan_key, 0, server, store, clock, "second").vectors == 530


def test_a_stream_that_the_plan_does_not_have_is_refused(server, store, clock):
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    with pytest.raises(InvalidInput, match="streams 0 to 0"):
        export_stream(prepared.plan_key, 1, server, store, clock, "e")


def test_a_collection_dropped_before_or_while_it_is_read_is_dropped_and_its_name_never_used_again(server, store, clock):
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    server.drop("small")
    server.on_page = once(lambda: server.drop("docs"), page=2)
    server.fill("other", 3)
    server.calls.clear()
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e")
    result = exporting.staging.load(store, summary.result_key, exporting.StreamResult)
    assert sorted(one.name for one in result.dropped) == ["docs", "small"]
    assert result.collections == ()
    assert ("configuration", "small") not in server.calls
    assert server.live.keys() == {"other"}, "asking for a dropped collection would bring it back"


def test_a_collection_created_anew_while_it_is_read_is_read_from_the_start(server, store, clock):
    def again():
        server.drop("docs")
        server.fill("docs", 250, dimension=6, seed=99)

    server.on_page = once(again, page=3)
    one = read(server, store, clock)["docs"]
    assert (one.summary.standing, one.summary.vectors, one.summary.dimension) == (Standing.WHOLE, 250, 6)


def test_a_collection_created_anew_again_and_again_is_unreadable(server, store, clock):
    def on_page(name, page):
        if (name, page) == ("docs", 1):
            server.drop("docs")
            server.fill("docs", 500, dimension=4)

    server.on_page = on_page
    one = read(server, store, clock)["docs"]
    assert one.summary.standing is Standing.UNREADABLE
    assert "3 times, while it was read: it was created anew" in one.private.problem


@pytest.mark.parametrize("loading", [{"absent": ["docs"]}, {"counting_zero": ["docs"]}])
def test_a_server_that_restarts_meanwhile_is_waited_for_and_nothing_counts_as_dropped_or_empty(
    server, store, clock, loading
):
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    clock.pass_by(minutes=1)
    server.restart(**loading)
    with pytest.raises(ServerLoading, match="try again when it has loaded"):
        export_stream(prepared.plan_key, 0, server, store, clock, "e1")
    server.finish_loading()
    assert export_stream(prepared.plan_key, 0, server, store, clock, "e2").vectors == 530


def test_a_server_that_restarts_right_after_the_plan_and_lists_nothing_has_not_dropped_everything(server, store, clock):
    """Whole seconds of uptime and two clocks leave a doubt: what such a server does not list is not believed gone."""
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    server.restart(absent=["docs", "small"])
    with pytest.raises(ServerLoading, match="try again when it has loaded"):
        export_stream(prepared.plan_key, 0, server, store, clock, "e1")


def test_a_restart_in_the_middle_of_a_read_is_noticed(server, store, clock):
    def restart():
        clock.pass_by(seconds=1)
        server.restart(counting_zero=["docs"])

    server.on_page = once(restart, page=2)
    with pytest.raises(ServerLoading):
        read(server, store, clock)


def test_progress_tells_how_far_the_reading_is(server, store, clock):
    events = []
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    export_stream(prepared.plan_key, 0, server, store, clock, "e", events.append)
    last = {event.subject: event for event in events}
    assert {name: (event.step, event.done, event.total) for name, event in last.items()} == {
        "docs": ("export", 500, 500),
        "small": ("export", 30, 30),
    }
    assert last["docs"].bytes > 500 * 16


# ------------------------------------------------------- under fire, against a model

CHANGES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["upsert", "insert", "delete"]), st.integers(0, 299)), max_size=25
)


class Writers:
    """Other clients that change "docs" before chosen pages, and everything it ever held.

    :param changes: before which page, what, and to which record
    """

    def __init__(self, server: MemoryServer, changes: list[tuple[int, str, int]]):
        self.server = server
        self.changes = changes
        self.pages = 0
        now = server.content("docs")
        self.versions = {key: {value} for key, value in now.items()}
        self.untouched = dict(now)
        self.always = set(now)

    def __call__(self, name: str, page: int) -> None:
        for before, change, number in self.changes:
            if before == self.pages:
                self._make(change, number)
        self.pages += 1

    def _make(self, change: str, number: int) -> None:
        if change == "delete":
            self.server.erase("docs", [f"r{number}"])
        elif change == "upsert":
            self.server.write("docs", some_records([number], 4, seed=self.pages))
        else:
            number += 1000
            self.server.write("docs", some_records([number], 4))
        self.untouched.pop(f"r{number}", None)
        now = self.server.content("docs")
        self.always &= now.keys()
        for key, value in now.items():
            self.versions.setdefault(key, set()).add(value)


@pytest.mark.parametrize("paging", ["id", "place"])
@settings(max_examples=40, deadline=None)
@given(CHANGES, st.booleans())
def test_whatever_is_written_meanwhile_what_is_called_good_is_consistent(paging, changes, fits):
    """A record that nobody touched is there as it is; one that was touched is there as it was at some moment."""
    clock = Time()
    store, server = new_store(clock), MemoryServer(clock=clock, page_records=50, paging=paging, batch_records=20)
    server.fill("docs", 300, dimension=4)
    clock.pass_by(days=1)
    writers = server.on_page = Writers(server, changes)
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e", **({} if fits else ONE_PAGE_IS_TOO_MUCH))
    result = exporting.staging.load(store, summary.result_key, exporting.StreamResult).collections[0]
    committed = commit_capture(prepared.plan_key, [summary.result_key], store, clock)
    stored = stored_content(store, committed.folder, committed.name)["docs"]
    assert result.complete == (committed.state == "good")
    assert all(stored[key] in writers.versions[key] for key in stored), "a record nobody ever wrote"
    if result.complete:
        assert writers.untouched.items() <= stored.items()
        assert writers.always <= stored.keys()
    if result.summary.standing is Standing.FUZZY:
        window = result.summary.window
        assert window.lowest <= len(stored) <= window.highest


@pytest.mark.parametrize("paging", ["id", "place"])
def test_a_server_under_steady_inserts_and_deletes_still_gives_a_good_backup(clock, store, paging):
    """A rolling window: on every page ten new records come and the ten oldest go."""
    server = MemoryServer(clock=clock, page_records=100, paging=paging, batch_records=40)
    server.fill("docs", 1000, dimension=4)
    clock.pass_by(days=1)
    pages = []

    def on_page(name, page):
        n = len(pages)
        pages.append(page)
        server.erase("docs", [f"r{10 * n + i}" for i in range(10)])
        server.fill("docs", 10, dimension=4, first=1000 + 10 * n)

    server.on_page = on_page
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    summary = export_stream(prepared.plan_key, 0, server, store, clock, "e", **ONE_PAGE_IS_TOO_MUCH)
    one = exporting.staging.load(store, summary.result_key, exporting.StreamResult).collections[0]
    assert (one.summary.standing, one.summary.vectors) == (Standing.FUZZY, 1000)
    committed = commit_capture(prepared.plan_key, [summary.result_key], store, clock)
    stored = stored_content(store, committed.folder, committed.name)["docs"].keys()
    assert {f"r{number}" for number in range(10 * len(pages), 1000)} <= stored, "there all the time, and missed"


def test_a_capture_reads_back_exactly_what_the_server_holds(server, store, clock):
    server.fill("euclid", 90, dimension=3, metric="euclidean", quantization=Quantization.NONE)
    server.fill("none", 0)
    committed = capture(server, store, clock)
    backup = only_backup(store, clock)
    assert committed.state == backup.state == "good"
    assert stored_content(store, backup.folder, backup.name) == {name: server.content(name) for name in server.live}
