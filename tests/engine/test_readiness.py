"""A server is read only when it has really loaded, which it never says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.model import CollectionState, ServerFacts
from backup_engine.readiness import Verdict, assess_readiness, patience
from tests.engine.captures import SUNDAY, Time, capture, new_store, only_backup
from tests.engine.memory_server import MemoryServer

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> Time:
    return Time(SUNDAY)


@pytest.fixture
def server(clock) -> MemoryServer:
    """Two collections, on a server that has been up for a day."""
    made = MemoryServer(clock=clock)
    made.fill("base", 300)
    made.fill("papers", 200)
    made.flush()
    clock.pass_by(days=1)
    return made


@pytest.fixture
def last(server, clock):
    store = new_store(clock)
    capture(server, store, clock)
    clock.pass_by(hours=1)
    return only_backup(store, clock).manifest


def assess(server, clock, last=None, *, deadline=HOUR, **options):
    return assess_readiness(server.facts(), server.collections(), last, clock(), clock() + deadline, **options)


def test_a_server_that_runs_since_the_last_capture_is_ready_whatever_it_lacks(server, clock, last):
    server.drop("papers")
    assert assess(server, clock, last).verdict is Verdict.READY


def test_a_server_that_started_and_does_not_list_a_collection_is_loading(server, clock, last):
    server.restart(absent=["papers"])
    clock.pass_by(minutes=5)
    found = assess(server, clock, last)
    assert found.verdict is Verdict.LOADING
    assert "does not list 'papers'" in found.reasons[0]


def test_a_server_that_started_and_counts_nothing_in_a_collection_is_loading(server, clock, last):
    server.restart(counting_zero=["papers"])
    clock.pass_by(minutes=5)
    found = assess(server, clock, last)
    assert found.verdict is Verdict.LOADING
    assert "counts 0 of the 200 vectors" in found.reasons[0]


def test_a_server_that_holds_again_what_it_held_is_ready_once_nothing_new_came_for_a_while(server, clock, last):
    server.restart()
    clock.pass_by(seconds=2)
    assert assess(server, clock, last).verdict is Verdict.LOADING
    clock.pass_by(seconds=5)
    assert assess(server, clock, last).verdict is Verdict.READY


def test_at_the_deadline_what_still_lacks_is_suspect_and_the_reasons_say_what(server, clock, last):
    server.restart(absent=["papers"])
    clock.pass_by(minutes=5)
    found = assess(server, clock, last, deadline=timedelta(0))
    assert found.verdict is Verdict.SUSPECT
    assert found.ready
    assert "papers" in found.reasons[0]


def test_a_server_up_for_longer_than_loading_takes_is_ready_and_the_commit_judges_what_it_lacks(server, clock, last):
    server.restart(absent=["papers"])
    clock.pass_by(hours=3)
    assert assess(server, clock, last).verdict is Verdict.READY


def test_a_young_server_without_history_must_be_quiet_for_a_time_that_grows_with_what_it_lists(clock):
    server = MemoryServer(clock=clock)
    server.fill("base", 3000)  # ten seconds of loading
    clock.pass_by(seconds=14)
    assert assess(server, clock).verdict is Verdict.LOADING
    clock.pass_by(seconds=2)
    assert assess(server, clock).verdict is Verdict.READY


def test_a_collection_that_counts_nothing_on_a_young_server_may_be_the_one_in_work(clock):
    server = MemoryServer(clock=clock)
    server.fill("base", 10)
    server.fill("huge", 0)
    clock.pass_by(seconds=30)
    assert assess(server, clock).verdict is Verdict.LOADING
    clock.pass_by(seconds=31)
    assert assess(server, clock).verdict is Verdict.READY


def test_an_empty_young_server_is_loading_for_a_minute_unless_empty_is_fine(clock):
    server = MemoryServer(clock=clock)
    clock.pass_by(seconds=30)
    assert assess(server, clock).verdict is Verdict.LOADING
    assert assess(server, clock, allow_empty=True).verdict is Verdict.READY
    clock.pass_by(seconds=31)
    assert assess(server, clock).verdict is Verdict.READY


def test_an_old_server_without_history_is_ready_even_if_a_collection_is_new(server, clock):
    server.fill("fresh", 10)
    assert assess(server, clock).verdict is Verdict.READY


def test_without_an_uptime_new_creation_times_tell_that_the_server_started(server, clock, last):
    def silent(facts: ServerFacts) -> ServerFacts:
        return facts.model_copy(update={"uptime_seconds": None})

    def verdict():
        deadline = clock() + HOUR
        return assess_readiness(silent(server.facts()), server.collections(), last, clock(), deadline).verdict

    server.drop("papers")
    assert verdict() is Verdict.READY  # "base" is as old as it was
    server.restart()
    assert verdict() is Verdict.LOADING


def test_a_time_the_server_words_oddly_is_never_taken_for_an_old_one(clock):
    state = CollectionState(name="odd", vectors=1, dimension=8, created_at="yesterday", updated_at="")
    facts = ServerFacts(url="x", version="3.5.0", uptime_seconds=60, now=clock())
    found = assess_readiness(facts, [state], None, clock(), clock() + HOUR)
    assert found.verdict is Verdict.LOADING
    assert "cannot be told" in found.reasons[0]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_patience_grows_with_what_is_to_be_loaded(fewer, more):
    fewer, more = sorted((fewer, more))
    assert timedelta(minutes=15) <= patience(fewer) <= patience(more)


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=6),
    st.integers(0, 20_000),
    st.integers(0, 7200),
    st.booleans(),
)
def test_waiting_never_turns_ready_into_loading_and_never_lasts_beyond_the_deadline(counts, age, wait, late):
    def states(created):
        return [
            CollectionState(name=f"c{n}", vectors=v, dimension=8, created_at=created.isoformat(), updated_at="x")
            for n, v in enumerate(counts)
        ]

    now = SUNDAY + timedelta(seconds=age)
    earlier = ServerFacts(url="x", version="3.5.0", uptime_seconds=age, now=now)
    later = ServerFacts(url="x", version="3.5.0", uptime_seconds=age + wait, now=now + timedelta(seconds=wait))
    deadline = now if late else now + timedelta(days=9)
    first = assess_readiness(earlier, states(SUNDAY), None, now, deadline)
    second = assess_readiness(later, states(SUNDAY), None, now + timedelta(seconds=wait), deadline)
    assert not (first.verdict is Verdict.READY and second.verdict is not Verdict.READY)
    assert (first.verdict is Verdict.LOADING) <= (not late)
    assert bool(first.reasons) == (first.verdict is not Verdict.READY)
