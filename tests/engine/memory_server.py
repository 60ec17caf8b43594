"""A Vectorizer in memory: ``ports.Server`` with the real server's traps, for tests of the engine.

How a test uses it::

    server = MemoryServer(page_records=100)
    server.fill("docs", 1000, dimension=8)                    # records r0 … r999
    server.on_page = lambda name, page: server.upsert(name, …)  # writers between the pages of a read
    server.fault = Fault(call=7, instant="after")             # the 7th call of any method goes wrong once
    server.restart(absent={"docs"})                           # starts again, and has not loaded "docs" yet

What is held to the recordings: Cosine normalises; SQ8 quantises per vector and truncates; upserts of existing ids
move them to the end, and a wrong dimension deletes first; a rename leaves an alias that blocks the old name; a deleted
collection comes back broken when it is asked for before a flush; a flush is refused while there is no vector at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import ceil
from threading import RLock
from typing import Literal

from backup_engine.errors import (
    CollectionExists,
    CollectionMoved,
    CollectionNotFound,
    NotFlushed,
    RequestRefused,
    Unsupported,
)
from backup_engine.model import (
    Clock,
    CollectionConfiguration,
    CollectionState,
    Quantization,
    Reading,
    ServerFacts,
    system_clock,
)
from tests.engine.memory_collection import MemoryCollection, Saved
from tests.engine.memory_hands import Hands
from tests.engine.memory_snapshots import Snapshots
from tests.engine.server_fault import Fault


class MemoryServer(Hands, Snapshots):
    """One server; every public call is atomic.

    :param page_records: records a page holds when a collection is not read as one page
    :param paging: what the next page starts behind: "id", the last record (as scroll does, which is what the product
        reads by), or "place", so many records (as GraphQL and lists do)
    :param batch_records: records a batch holds
    :param provider_dimension: the only one at which unquantised collections can be created; None lifts that
    """

    def __init__(
        self,
        *,
        clock: Clock = system_clock,
        page_records: int = 1000,
        paging: Literal["id", "place"] = "id",
        batch_records: int = 500,
        provider_dimension: int | None = 512,
        version: str = "3.5.0",
    ):
        self.page_records = page_records
        self.paging = paging
        self.batch_records = batch_records
        self.version = version
        self.on_page: Callable[[str, int], None] = lambda name, page: None
        self.fault: Fault | None = None
        self.broken: dict[str, Exception] = {}
        self.calls: list[tuple[str, str]] = []
        self.live: dict[str, MemoryCollection] = {}
        self.saved: dict[str, Saved] = {}
        self._clock = clock
        self._provider_dimension = provider_dimension
        self._aliases: dict[str, str] = {}
        self._absent: frozenset[str] = frozenset()
        self._counting_zero: frozenset[str] = frozenset()
        self._ticks = 0
        self._lock = RLock()
        self._started = clock()

    # ------------------------------------------------------------ source

    def facts(self) -> ServerFacts:
        def answer() -> ServerFacts:
            now = self._clock()
            uptime = int((now - self._started).total_seconds())
            only = None if self._provider_dimension is None else (self._provider_dimension,)
            return ServerFacts(
                url="memory://server",
                version=self.version,
                uptime_seconds=uptime,
                now=now,
                unquantized_dimensions=only,
            )

        return self._call("facts", "", answer)

    def collections(self) -> tuple[CollectionState, ...]:
        def answer() -> tuple[CollectionState, ...]:
            states = [self.live[name].state(name) for name in sorted(self.live) if name not in self._absent]
            zero = {"vectors": 0}
            return tuple(s.model_copy(update=zero) if s.name in self._counting_zero else s for s in states)

        return self._call("collections", "", answer)

    def configuration(self, name: str) -> CollectionConfiguration:
        return self._call("configuration", name, lambda: self._get(name).configuration)

    def aliases(self) -> Mapping[str, str]:
        return self._call("aliases", "", lambda: dict(self._aliases))

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        pages = 1 if single_page else max(1, ceil(state.vectors / self.page_records))
        return Reading(pages, self._batches(state.name, None if pages == 1 else self.page_records))

    def retrieve(self, name: str, ids: Sequence[str]):
        return self._call("retrieve", name, lambda: self._listed(name).batch(ids, by_id=True))

    # -------------------------------------------------------------- sink

    def create_collection(self, name: str, configuration: CollectionConfiguration) -> None:
        def effect() -> None:
            self._require_free(name)
            unquantised = configuration.quantization is Quantization.NONE
            if unquantised and self._provider_dimension not in {None, configuration.dimension}:
                raise Unsupported(f"{name}: an unquantised collection must have {self._provider_dimension} dimensions")
            self.live[name] = MemoryCollection(configuration, self._now)

        self._call("create_collection", name, effect)

    def upsert(self, name: str, batch) -> None:
        self._call("upsert", name, lambda: self._listed(name).upsert(batch))

    def delete_records(self, name: str, ids: Sequence[str]) -> None:
        self._call("delete_records", name, lambda: self._listed(name).delete(ids))

    def delete_collection(self, name: str) -> None:
        def effect() -> None:
            self._listed(name)
            del self.live[name]
            self._aliases = {alias: target for alias, target in self._aliases.items() if target != name}

        self._call("delete_collection", name, effect)

    def rename_collection(self, name: str, new_name: str) -> None:
        def effect() -> None:
            if "/" in new_name or new_name != new_name.strip() or not new_name:
                raise Unsupported(f"{name}: Vectorizer renames to no such name as {new_name!r}")
            self._listed(name)
            if name == new_name:
                raise RequestRefused("rename source equals destination", status=400)
            self._require_free(new_name)
            self.live[new_name] = self.live.pop(name)
            self._aliases = {a: new_name if t == name else t for a, t in self._aliases.items()} | {name: new_name}

        self._call("rename_collection", name, effect)

    def create_alias(self, alias: str, collection: str) -> None:
        def effect() -> None:
            self._require_free(alias)
            self._get(collection)
            self._aliases[alias] = self._aliases.get(collection, collection)

        self._call("create_alias", alias, effect)

    def delete_alias(self, alias: str) -> None:
        self._call("delete_alias", alias, lambda: self._aliases.pop(alias, None) and None)

    def flush(self) -> None:
        def effect() -> None:
            if not self.live:
                raise NotFlushed("no collection is listed, and a Vectorizer writes nothing then")
            if not any(collection.count for collection in self.live.values()):
                raise NotFlushed(f"Refusing to overwrite vectorizer.vecdb - {len(self.live)} collections, 0 vectors")
            self.saved = {name: collection.saved() for name, collection in self.live.items()}

        self._call("flush", "", effect)

    # -------------------------------------------------------------- inside

    def _batches(self, name: str, page_records: int | None) -> Iterator[object]:
        more, page, last = True, 0, None
        while more:
            self.on_page(name, page)
            take = partial(self._page, name, page * (page_records or 0), last, page_records)
            batches, last, more = self._call("page", name, take)
            yield from batches
            page += 1

    def _page(self, name: str, place: int, last: str | None, records: int | None) -> tuple[list[object], str, bool]:
        collection = self._get(name)
        ids = collection.ids()
        if self.paging == "id" and last is not None:
            if last not in ids or place > 2 * collection.count + (records or 0):
                raise CollectionMoved(f"{name}: record {last!r}, where the next page was to begin, is gone or no end")
            place = ids.index(last) + 1
        wanted = ids[place:] if records is None else ids[place : place + records]
        pieces = [wanted[at : at + self.batch_records] for at in range(0, len(wanted), self.batch_records)]
        return [collection.batch(piece) for piece in pieces], ["", *wanted][-1], place + len(wanted) < len(ids)

    def _call(self, method: str, subject: str, effect: Callable):
        with self._lock:
            self.calls.append((method, subject))
            fault = self.fault or Fault(call=0)
            due = len(self.calls) == fault.call
            dead = fault.lasting and 0 < fault.call < len(self.calls)
            if dead or (due and fault.instant == "before"):
                raise fault.error()
            if method in {"configuration", "page", "retrieve"} and subject in self.broken:
                raise self.broken[subject]
            answer = effect()
            if due:
                raise fault.error()
            return answer

    def _get(self, name: str) -> MemoryCollection:
        real = self._aliases.get(name, name)
        if real not in self.live:
            if real not in self.saved:
                raise CollectionNotFound(f"Collection not found: {name}", status=404)
            self.live[real] = MemoryCollection.ghost(self.saved[real], self._now)
        return self.live[real]

    def _listed(self, name: str) -> MemoryCollection:
        """The collection of this very name: the product's client never passes on a name that is not listed."""
        if name not in self.live:
            raise CollectionNotFound(f"the server does not list the collection {name!r}", status=404)
        return self.live[name]

    def _require_free(self, name: str) -> None:
        if name in self.live or name in self._aliases:
            raise CollectionExists(f"Collection already exists: {name}", status=409)

    def _now(self) -> str:
        self._ticks += 1
        return f"{self._clock():%Y-%m-%dT%H:%M:%S}.{self._ticks:09d}+00:00"
