"""Planning: every collection of the scope once, in balanced streams, and nothing that must not be read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupKind
from backup_engine.capture import staging
from backup_engine.capture.plan import CapturePlan
from backup_engine.capture.planning import estimated_bytes, needed_bytes, plan_capture, prepare_capture
from backup_engine.capture.request import CaptureRequest
from backup_engine.errors import (
    InvalidInput,
    LeaseHeld,
    NothingToBackUp,
    StoreFull,
    StoreNotInitialised,
    UnexpectedAnswer,
    UnknownCollection,
    WrongStore,
)
from backup_engine.lease import acquire
from backup_engine.model import CollectionState, ServerFacts
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import SUNDAY, Time, capture, keys, new_store, request
from tests.engine.meanwhile import Meanwhile
from tests.engine.memory_server import MemoryServer

FACTS = ServerFacts(url="http://vectorizer:15002", version="3.5.0", uptime_seconds=3600)
COUNTS = st.dictionaries(st.text(min_size=1, max_size=12), st.integers(0, 10**7), max_size=30)


def state(name: str, vectors: int = 10, dimension: int = 8) -> CollectionState:
    return CollectionState(name=name, vectors=vectors, dimension=dimension, created_at="c", updated_at="u")


def plan(states, aliases=None, **changes) -> CapturePlan:
    return plan_capture(
        request(**changes),
        FACTS,
        states,
        aliases or {},
        attempt="a1",
        started_at=SUNDAY,
        answered_at=SUNDAY + timedelta(seconds=60),
        restore_fencing=0,
    )


def names(made: CapturePlan) -> list[str]:
    return [collection.state.name for collection in made.collections]


@given(COUNTS, st.integers(1, 12))
def test_every_listed_collection_is_in_exactly_one_stream_or_left_out_with_a_reason(counts, streams):
    states = [state(name, vectors) for name, vectors in counts.items()]
    made = plan(states, streams=streams, allow_empty=True, exclude=("a*",))
    in_streams = [planned.state.name for n in range(len(made.streams)) for planned in made.stream(n)]
    assert sorted([*in_streams, *(out.name for out in made.left_out)]) == sorted(counts)
    assert sorted(in_streams) == names(made) == sorted(names(made))
    assert all(out.reason for out in made.left_out)


@given(COUNTS, st.integers(1, 12))
def test_streams_are_balanced_and_never_more_than_asked_for(counts, streams):
    states = [state(name, vectors) for name, vectors in counts.items()]
    made = plan(states, streams=streams, allow_empty=True)
    assert 1 <= len(made.streams) <= streams
    loads = [sum(estimated_bytes(one.state) for one in made.stream(n)) for n in range(len(made.streams))]
    largest = max((estimated_bytes(one) for one in states), default=0)
    assert max(loads) - min(loads) <= largest
    assert all(made.streams) or not states


@given(COUNTS.flatmap(lambda counts: st.tuples(st.just(counts), st.permutations(list(counts)))), st.integers(1, 5))
def test_the_plan_does_not_depend_on_the_order_of_the_list(given_counts, streams):
    counts, shuffled = given_counts
    listed = plan([state(name, counts[name]) for name in counts], streams=streams, allow_empty=True)
    assert plan([state(name, counts[name]) for name in shuffled], streams=streams, allow_empty=True) == listed


def test_what_restores_hold_aside_is_left_out_and_listed():
    aside = "docs__before_0123456789ab"
    made = plan([state("docs"), state(aside), state("docs__before_short")], {"old": "docs", aside: "docs"})
    assert names(made) == ["docs", "docs__before_short"]
    assert [(out.name, out.reason) for out in made.left_out] == [(aside, "held aside by restore 0123456789ab")]
    assert made.aliases == {"old": "docs"}


def test_patterns_make_the_scope_and_exclude_wins():
    made = plan([state("docs"), state("scratch-1"), state("Docs")], include=("docs", "s*"), exclude=("scratch-*",))
    assert names(made) == ["docs"]
    assert {out.name: out.reason for out in made.left_out} == {
        "Docs": "not included by docs, s*",
        "scratch-1": "excluded by scratch-*",
    }
    assert made.whole_scope


def test_a_chosen_subset_is_not_the_whole_scope_and_ignores_patterns():
    made = plan([state("docs"), state("scratch-1")], collections=("scratch-1",), exclude=("scratch-*",))
    assert names(made) == ["scratch-1"]
    assert not made.whole_scope


def test_an_unknown_collection_is_refused_with_near_names():
    with pytest.raises(UnknownCollection, match=r"'dosc'.*'docs'"):
        plan([state("docs"), state("papers")], collections=("dosc",))


def test_an_empty_choice_is_refused_and_never_means_everything_or_nothing():
    with pytest.raises(InvalidInput, match="no collection is named"):
        plan([state("docs")], collections=())


def test_a_reserved_name_cannot_be_chosen():
    with pytest.raises(InvalidInput, match="restore holds it aside"):
        plan([state("x__restore_0123456789ab")], collections=("x__restore_0123456789ab",))


@pytest.mark.parametrize("states", [[], [state("empty", 0)]])
def test_a_scope_without_a_vector_is_refused_unless_that_is_allowed(states):
    with pytest.raises(NothingToBackUp, match="allow an empty backup"):
        plan(states)
    assert plan(states, allow_empty=True).vectors == 0


def test_a_name_listed_twice_is_not_believed():
    with pytest.raises(UnexpectedAnswer, match="more than once"):
        plan([state("docs"), state("docs")])


def test_the_server_start_is_measured_from_its_answer():
    made = plan([state("docs")])
    assert made.server.started_at == SUNDAY + timedelta(seconds=60 - 3600)


@pytest.mark.parametrize("key", ["", "0123", "../../../etc/hosts", "0123456789abcdeF", "0123456789abcdef\n"])
def test_a_run_key_is_sixteen_hex_digits(key):
    with pytest.raises(ValueError, match="run_key"):
        CaptureRequest(run_key=key, deployment="d", store_id="s")


# ------------------------------------------------------------------ preparing


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def server(clock) -> MemoryServer:
    made = MemoryServer(clock=clock)
    made.fill("docs", 20)
    return made


def test_preparing_freezes_the_plan_in_staging(server, clock):
    store = new_store(clock)
    prepared = prepare_capture(request(label="before the upgrade"), server, store, clock, "a1")
    frozen = staging.load(store, prepared.plan_key, CapturePlan)
    assert frozen.request.label == "before the upgrade"
    assert frozen.started_at == clock()
    assert (prepared.streams, prepared.vectors, prepared.already) == (1, 20, None)


def test_preparing_refuses_a_place_that_is_no_store_or_another_one(server, clock):
    with pytest.raises(StoreNotInitialised):
        prepare_capture(request(), server, MemoryStore(), clock, "a1")
    with pytest.raises(WrongStore):
        prepare_capture(request(store_id="another"), server, new_store(clock), clock, "a1")
    assert server.calls == []


def test_preparing_waits_for_a_restore_and_reads_nothing(server, clock):
    store = new_store(clock)
    with (
        acquire(store, "restore", "restore 0123456789ab", timedelta(minutes=5), clock),
        pytest.raises(LeaseHeld, match="start again after") as caught,
    ):
        prepare_capture(request(), server, store, clock, "a1")
    assert caught.value.retry_after == 300
    assert server.calls == []
    assert prepare_capture(request(), server, store, clock, "a2").streams == 1


class SmallStore(MemoryStore):
    """A store that knows how much room is left."""

    def __init__(self, inner: MemoryStore, free: int):
        super().__init__()
        self._objects = inner._objects
        self._free = free

    def free_bytes(self) -> int:
        return self._free


def test_preparing_refuses_when_fragments_and_archive_will_not_fit(server, clock):
    store = new_store(clock)
    needed = needed_bytes(plan(server.collections()))
    with pytest.raises(StoreFull, match="bytes free"):
        prepare_capture(request(), server, SmallStore(store, needed - 1), clock, "a1")
    assert keys(store, ".staging/") == []
    prepare_capture(request(), server, SmallStore(store, needed), clock, "a1")


def test_a_run_that_has_made_its_backup_plans_nothing(server, clock):
    store = new_store(clock)
    made = capture(server, store, clock)
    server.calls.clear()
    prepared = prepare_capture(request(), server, store, clock, "again")
    assert prepared.already == made.name
    assert server.calls == []
    assert keys(store, ".staging/") == []


def test_an_incremental_with_something_to_build_on_takes_a_share_of_the_room_and_no_stream_for_what_is_not_read(clock):
    store, server = new_store(clock), MemoryServer(clock=clock)
    for name in ("a", "b", "c"):
        server.fill(name, 50)
    capture(server, store, clock, "full")
    server.fill("b", 1, first=99)
    key = prepare_capture(request("next", incremental=True, streams=3), server, store, clock, "a1").plan_key
    made = staging.load(store, key, CapturePlan)
    assert made.kind is BackupKind.INCREMENTAL
    assert [one.state.name for one in made.collections if not one.basis.unchanged] == ["b"]
    assert len(made.streams) == 1
    assert sorted(made.streams[0]) == ["c0001", "c0002", "c0003"]
    assert needed_bytes(made) < needed_bytes(plan(server.collections())) / 4


def test_an_incremental_with_nothing_to_build_on_is_a_full_and_says_why(clock):
    store, server = new_store(clock), MemoryServer(clock=clock)
    server.fill("docs", 5)
    key = prepare_capture(request(incremental=True), server, store, clock, "a1").plan_key
    made = staging.load(store, key, CapturePlan)
    assert (made.kind, [one.basis for one in made.collections]) == (BackupKind.FULL, [None])
    assert made.remarks[0] == "an incremental was asked for, and this is a full"
    assert plan(server.collections()).remarks == ()


def test_only_an_incremental_looks_up_what_the_store_holds(clock):

    store, server = new_store(clock), MemoryServer(clock=clock)
    server.fill("docs", 5)
    capture(server, store, clock, "full")
    watched = Meanwhile(store)
    prepare_capture(request("next"), server, watched, clock, "a1")
    full = watched.calls
    watched = Meanwhile(store)
    prepare_capture(request("next", incremental=True), server, watched, clock, "a2")
    assert watched.calls > full
