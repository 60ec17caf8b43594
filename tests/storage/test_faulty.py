"""The tool of the kill tests does what it says: a kill test that kills nothing proves nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from backup_engine.errors import ObjectExists, StoreUnavailable
from backup_engine.storage.memory import MemoryStore
from tests.storage.faulty import Fault, FaultyStore, Killed, fault_points, kill_points, survivor, survivors
from tests.storage.places import Place
from tests.storage.suite import StoreContract


def scenario(store):
    store.create("a", [b"1", b"2"])
    store.replace("a", b"3", version=store.stat("a").version)
    store.join("b", ["a"], b"4")
    assert b"".join(store.read("b")) == b"34"
    assert store.free_bytes() is None
    store.delete([info.key for info in store.list("")])


def contents(store):
    return {info.key: b"".join(store.read(info.key)) for info in store.list("")}


def test_every_instant_of_every_call_is_a_kill_point():
    assert [(str(fault), contents(left)) for fault, left in survivors(scenario)] == [
        ("before 1/8 create a", {}),
        ("within 0/2 of 1/8 create a", {}),
        ("within 1/2 of 1/8 create a", {}),
        ("after 1/8 create a", {"a": b"12"}),
        ("before 2/8 stat a", {"a": b"12"}),
        ("before 3/8 replace a", {"a": b"12"}),
        ("after 3/8 replace a", {"a": b"3"}),
        ("before 4/8 join b", {"a": b"3"}),
        ("after 4/8 join b", {"a": b"3", "b": b"34"}),
        ("before 5/8 read b", {"a": b"3", "b": b"34"}),
        ("before 6/8 free_bytes ", {"a": b"3", "b": b"34"}),
        ("before 7/8 list ", {"a": b"3", "b": b"34"}),
        ("before 8/8 delete a,b", {"a": b"3", "b": b"34"}),
        ("within 1/2 of 8/8 delete a,b", {"a": b"3"}),
        ("after 8/8 delete a,b", {}),
    ]


def test_a_careless_scenario_is_caught_by_its_kill_points():
    """Deletes both in one call, which has no order: at one instant a manifest without archive is left."""

    def careless(store):
        store.create("archive", [b"x"])
        store.create("manifest", [b"x"])
        store.delete(["manifest", "archive"])

    left = [{*contents(store)} for _, store in survivors(careless)]
    assert {"manifest"} in left


def test_nothing_has_an_effect_after_the_kill_not_even_cleaning_up():
    def tidy(store):
        try:
            store.create("a", [b"x"])
            store.create("b", [b"x"])
        finally:
            store.delete(["a"])

    fault = Fault(2, "before")
    assert contents(survivor(tidy, MemoryStore, fault)) == {"a": b"x"}


def test_a_kill_passes_handlers_of_ordinary_errors():
    def forgiving(store):
        with suppress(Exception):
            store.create("a", [b"x"])

    with pytest.raises(Killed):
        forgiving(FaultyStore(MemoryStore(), Fault(1)))


def test_a_kill_after_a_call_comes_also_when_the_call_is_refused():
    inner = MemoryStore()
    inner.create("a", [b"x"])
    with pytest.raises(Killed):
        FaultyStore(inner, Fault(1, "after")).create("a", [b"y"])


def test_a_scenario_that_is_not_killed_is_an_error():
    with pytest.raises(AssertionError, match="not deterministic"):
        survivor(scenario, MemoryStore, Fault(99))


def test_a_passing_error_comes_once_with_or_without_the_effect():
    def insistent(store):
        try:
            store.create("a", [b"x"])
        except StoreUnavailable:
            try:
                store.create("a", [b"x"])
            except ObjectExists:
                return

    faults = [*fault_points(insistent, error=lambda: StoreUnavailable("it went away"))]
    assert [fault.instant for fault in faults] == ["before", "within", "after"]
    for fault in faults:
        inner = MemoryStore()
        store = FaultyStore(inner, fault)
        insistent(store)
        assert store.fired
        assert store.count("create") == 2
        assert contents(inner) == {"a": b"x"}


def test_a_lasting_error_stays():
    store = FaultyStore(MemoryStore(), Fault(1, error=lambda: StoreUnavailable("gone for good"), lasting=True))
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="gone for good"):
            store.stat("a")
    assert store.count() == 1


@pytest.mark.parametrize("method", ["read", "list"])
def test_streams_break_where_they_are_told_to(method):
    inner = MemoryStore()
    for number in range(3):
        inner.create(f"d/{number}", [b"x" * 3_000_000])
    store = FaultyStore(inner, Fault(1, "within", parts=2, error=lambda: StoreUnavailable("cut")))
    stream = store.read("d/0") if method == "read" else store.list("d/")
    assert next(stream) == next(inner.read("d/0") if method == "read" else inner.list("d/"))
    assert next(stream)
    with pytest.raises(StoreUnavailable, match="cut"):
        next(stream)


def test_only_the_named_methods_are_counted():
    store = FaultyStore(MemoryStore(), Fault(2, only=frozenset({"create"})))
    store.create("a", [b"x"])
    store.stat("a")
    store.stat("a")
    with pytest.raises(Killed):
        store.create("b", [b"x"])


def test_calls_of_several_threads_are_all_counted():
    store = FaultyStore(MemoryStore())
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda number: store.create(f"a/{number}", [b"x"] * 3), range(200))]
    assert store.count("create") == 200
    assert {call.parts for call in store.calls} == {3}


def test_kill_points_of_a_long_create_are_few():
    points = [*kill_points(lambda store: store.create("a", [b"x"] * 1000))]
    assert [(point.instant, point.parts) for point in points] == [
        ("before", 0),
        ("within", 0),
        ("within", 500),
        ("within", 999),
        ("after", 0),
    ]


class TestWithoutAFaultItIsAStoreLikeAnyOther(StoreContract):
    @pytest.fixture
    def place(self):
        store = FaultyStore(MemoryStore())
        return Place(open=lambda: store, fresh=lambda: FaultyStore(MemoryStore()))

    @pytest.fixture
    def store(self, place):
        return place.open()
