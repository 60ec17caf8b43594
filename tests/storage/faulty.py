"""A store that dies, or fails, at a chosen instant: the core of every kill test.

How to prove that something survives a ``kill -9`` at any store call::

    def scenario(store: Store) -> None:            # must be deterministic: fixed clock, fixed ids
        commit_capture(plan_key, results, store, clock)

    @pytest.mark.parametrize("fault", kill_points(scenario, prepared), ids=str)
    def test_commit_converges_wherever_it_is_killed(fault):
        survived = survivor(scenario, prepared, fault)     # what is on "disk" after the kill
        assert Catalog(survived).backups() == ()  or …     # fully there or not there
        scenario(survived)                                 # the next run …
        assert len(Catalog(survived).backups()) == 1       # … converges

``prepared`` makes a fresh store in the state the scenario starts from (``MemoryStore`` itself, for an empty one).
Where parametrising at import time is too early, loop: ``for fault, survived in survivors(scenario, prepared): …``.

A kill is a ``Killed``, a ``BaseException``: ``except Exception`` does not see it. ``finally`` and ``with`` blocks of
the code under test still run, which a real kill would not allow; therefore every later call of the same FaultyStore
raises ``Killed`` again and has no effect. What they do elsewhere (a server, a temporary file) the test must judge.

How to prove that one failed call does no harm: ``fault_points(scenario, error=lambda: StoreUnavailable("…"))``
gives the same instants with an error that happens once, with and without the effect having taken place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal, TypeVar

from backup_engine.storage.contract import ListedObject, ObjectInfo, Store
from backup_engine.storage.memory import MemoryStore

T = TypeVar("T")
Instant = Literal["before", "within", "after"]
Scenario = Callable[[Store], object]

EFFECTS = frozenset({"create", "replace", "join", "delete"})
"""The calls that change something. Before and after the others is the same to the store."""


class Killed(BaseException):
    """The process ended here, as by ``kill -9``."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was recorded.

    :param parts: chunks a ``create`` drew, keys a ``delete`` was given, else 0
    """

    number: int
    method: str
    key: str
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    :param call: the n-th counted call, from 1
    :param instant: before its effect, within it, or after it. Within a ``create`` the chunk iterator breaks, within a
        ``delete`` some keys are gone and the others not yet, within a ``read`` or ``list`` the stream breaks;
        the remaining methods have no within
    :param parts: within: how many chunks, keys or entries are let through first
    :param error: makes what is raised
    :param lasting: every later call raises it too, without effect (a dead process, a store that stays away)
    :param only: methods that are counted; all when empty
    """

    call: int
    instant: Instant = "before"
    parts: int = 0
    error: Callable[[], BaseException] = Killed
    lasting: bool = True
    only: frozenset[str] = frozenset()
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.label or f"{self.instant} call {self.call}"


class FaultyStore:
    """Wraps any store; counts its calls, and has one of them go wrong. Safe to use from several threads."""

    def __init__(self, inner: Store, fault: Fault | None = None) -> None:
        self.inner = inner
        self.fault = fault
        self.calls: list[Call] = []
        self.fired = False
        self._lock = Lock()

    @property
    def url(self) -> str:
        return self.inner.url

    def list(self, prefix: str) -> Iterator[ListedObject]:
        _, hit = self._begin("list", prefix)
        return self._stream(hit, self.inner.list(prefix))

    def stat(self, key: str) -> ObjectInfo:
        _, hit = self._begin("stat", key)
        return self._apply(hit, lambda: self.inner.stat(key))

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        _, hit = self._begin("read", key)
        return self._stream(hit, self.inner.read(key, offset=offset, length=length))

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        number, hit = self._begin("create", key)
        return self._apply(hit, lambda: self.inner.create(key, self._chunks(number, hit, chunks)))

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        _, hit = self._begin("replace", key)
        return self._apply(hit, lambda: self.inner.replace(key, data, version=version))

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        _, hit = self._begin("join", key)
        return self._apply(hit, lambda: self.inner.join(key, sources, tail))

    def delete(self, keys: Iterable[str]) -> None:
        listed = [*keys]
        _, hit = self._begin("delete", ",".join(listed), parts=len(listed))
        if hit is not None and hit.instant == "within":
            self.inner.delete(listed[-hit.parts :])  # any of them: the last is the least expected
            self._fire(hit)
        self._apply(hit, lambda: self.inner.delete(listed))

    def free_bytes(self) -> int | None:
        _, hit = self._begin("free_bytes", "")
        return self._apply(hit, self.inner.free_bytes)

    def count(self, *methods: str) -> int:
        """How many calls were made: of these methods, of all when none is named."""
        return sum(not methods or call.method in methods for call in self.calls)

    def _begin(self, method: str, key: str, parts: int = 0) -> tuple[int, Fault | None]:
        """Count the call; fail at once when it is due before, or when an earlier fault lasts."""
        with self._lock:
            if self.fired and self.fault and self.fault.lasting:
                raise self.fault.error()
            number = len(self.calls) + 1
            self.calls.append(Call(number, method, key, parts))
            hit = self._due(method)
        if hit is not None and hit.instant == "before":
            self._fire(hit)
        return number, hit

    def _due(self, method: str) -> Fault | None:
        fault = self.fault
        if fault is None or self.fired or (fault.only and method not in fault.only):
            return None
        return fault if self.count(*fault.only) == fault.call else None

    def _fire(self, hit: Fault) -> None:
        self.fired = True
        raise hit.error()

    def _apply(self, hit: Fault | None, effect: Callable[[], T]) -> T:
        try:
            return effect()
        finally:  # also when the inner store refuses: the fault hides its answer
            if hit is not None and hit.instant == "after":
                self._fire(hit)

    def _stream(self, hit: Fault | None, parts: Iterator[T]) -> Iterator[T]:
        for number, part in enumerate(parts):
            if hit is not None and hit.instant == "within" and number == hit.parts:
                self._fire(hit)
            yield part
        if hit is not None and hit.instant == "after":
            self._fire(hit)

    def _chunks(self, call: int, hit: Fault | None, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for drawn, chunk in enumerate(chunks):
            if hit is not None and hit.instant == "within" and drawn == hit.parts:
                self._fire(hit)
            self.calls[call - 1] = replace(self.calls[call - 1], parts=drawn + 1)
            yield chunk


def fault_points(
    run: Scenario,
    prepare: Callable[[], Store] = MemoryStore,
    *,
    error: Callable[[], BaseException] = Killed,
    lasting: bool = False,
) -> Iterator[Fault]:
    """Run the scenario once to see its calls, then give every instant at which one of them can go wrong.

    :param run: must make the same calls each time; takes the store as its argument
    :param prepare: makes a fresh store in the state the scenario starts from
    """
    watched = FaultyStore(prepare())
    run(watched)
    for call in watched.calls:
        for instant, parts in _instants(call):
            where = f"{instant} {parts}/{call.parts} of" if instant == "within" else instant
            label = f"{where} {call.number}/{len(watched.calls)} {call.method} {call.key}"
            yield Fault(call.number, instant, parts, error, lasting, label=label)


def kill_points(run: Scenario, prepare: Callable[[], Store] = MemoryStore) -> Iterator[Fault]:
    """Give every instant at which the scenario's process can die: before each call, within and after each change."""
    return fault_points(run, prepare, error=Killed, lasting=True)


def survivor(run: Scenario, prepare: Callable[[], Store], fault: Fault) -> Store:
    """Run the scenario until the fault kills it; give what its store holds then."""
    inner = prepare()
    store = FaultyStore(inner, fault)
    try:
        run(store)
    except Killed:
        return inner
    raise AssertionError(f"the scenario was to be killed {fault}, and ended by itself: it is not deterministic")


def survivors(run: Scenario, prepare: Callable[[], Store] = MemoryStore) -> Iterator[tuple[Fault, Store]]:
    """Kill the scenario at each point in turn; give each time what its store holds then."""
    for fault in [*kill_points(run, prepare)]:
        yield fault, survivor(run, prepare, fault)


def _instants(call: Call) -> Iterator[tuple[Instant, int]]:
    yield "before", 0
    if call.method not in EFFECTS:
        return
    first = 0 if call.method == "create" else 1
    for parts in sorted({first, call.parts // 2, call.parts - 1}):
        if first <= parts < call.parts:
            yield "within", parts
    yield "after", 0
