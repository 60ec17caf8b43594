"""Reading in pages that begin at a number: GraphQL (1,000 records each at most) and the list (50).

Both give ids and payloads exactly, whatever they are. A record deleted between two pages makes the next page leave one
out, which only the count tells; several pages are never one moment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from math import ceil

import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.errors import CollectionMoved, UnexpectedAnswer, Unsupported
from backup_engine.model import CollectionState, Reading, ReadWay
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.components import ComponentParser
from backup_engine.vectorizer.refusals import graphql_refusal
from backup_engine.vectorizer.server_backups.file import records_of
from backup_engine.vectorizer.server_backups.json_stream import JsonStream
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import payload_bytes, read_version

_COMPONENT = 20
"""Bytes of JSON text per component: both write a float32 with the digits of a double."""
_FRAME = 120
_QUERY = "query($i:ScrollInput!){vectors(input:$i){items{id vector:data payload} totalCount}}"


class OffsetPages(ABC):
    """Reads one server page by page, a number of records after the other.

    :cvar cap: records in a page at most
    """

    way: ReadWay
    cap: int

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client

    @abstractmethod
    def probe(self, name: str) -> None:
        """Find out whether the server offers it."""

    @abstractmethod
    def _ask(self, name: str, offset: int, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Ask for a page."""

    @abstractmethod
    def _records(self, stream: JsonStream, found: dict[str, object]) -> Iterator[list[bytes]]:
        """Find the records of a page in its text; ``found`` takes what stands beside them."""

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:  # noqa: ARG002  never more
        """Plan a pass and give its batches as they stream in, one a page; never more records a page than the cap."""
        limit = self._limit(state)
        pages = max(1, ceil(state.vectors / limit))
        return Reading(pages, self._batches(state, limit, one_moment=pages == 1), self.way)

    def _limit(self, state: CollectionState) -> int:
        size = payload_bytes(self._client, state.name) or 0
        record_bytes = state.dimension * _COMPONENT + _FRAME + size // max(1, state.vectors)
        return max(1, min(self.cap, self._client.settings.page_bytes // record_bytes))

    def _batches(self, state: CollectionState, limit: int, *, one_moment: bool) -> Iterator[pa.RecordBatch]:
        parser, what = ComponentParser(), f"{self.way} of {state.name!r}"
        done, more = 0, True
        while more:
            before, found = done, dict[str, object]()
            with self._ask(state.name, done, limit) as chunks:
                stream = JsonStream(chunks, what)
                for texts in self._records(stream, found):
                    window = records_of(texts, what)
                    yield make_batch(window.ids, parser.parse(window.vectors, state.dimension), window.payloads)
                    done += len(window)
                stream.end()
            more = self._goes_on(found, done, what)
            if more and (one_moment or done == before or done > 2 * state.vectors + limit):
                raise CollectionMoved(
                    f"{state.name}: {state.vectors:,} records were counted, {done:,} read, and there is no end to it; "
                    "it changes while it is read, or lists records twice"
                )

    def _goes_on(self, found: dict[str, object], done: int, what: str) -> bool:
        total = found.get("totalCount", found.get("total"))
        if not isinstance(total, int):
            raise UnexpectedAnswer(f"{what}: a page with records and their total was expected, found {sorted(found)}")
        return done < total


class GraphqlPages(OffsetPages):
    """Reads over GraphQL; each page costs the server a copy of the whole collection."""

    way = ReadWay.GRAPHQL
    cap = 1000

    def probe(self, name: str) -> None:  # noqa: ARG002
        """Ask what everybody answers."""
        self._client.graphql("{__typename}", {})

    def _ask(self, name: str, offset: int, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        variables = {"i": {"collection": name, "cursor": str(offset), "limit": limit}}
        return self._client.stream("/graphql", {"query": _QUERY, "variables": variables})

    def _records(self, stream: JsonStream, found: dict[str, object]) -> Iterator[list[bytes]]:
        for key in stream.members():
            if key == "errors":
                raise graphql_refusal(stream.what, stream.value())
            if key != "data" or stream.peek() != b"{":
                stream.skip()
                continue
            for field in stream.members():
                if field == "vectors":
                    yield from _page(stream, "items", found)
                else:
                    stream.skip()


class ListPages(OffsetPages):
    """Reads the list of a collection's vectors; each page costs the server a copy of the whole collection."""

    way = ReadWay.LIST
    cap = 50
    _LAST = 1_000_000

    def probe(self, name: str) -> None:
        """Ask for one record."""
        with self._ask(name, 0, 1):
            pass

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        """Plan a pass.

        :raises Unsupported: the collection is larger than the list reaches
        """
        if state.vectors > self._LAST + self.cap:
            raise Unsupported(
                f"Vectorizer {read_version(self._client)} lists only the first {self._LAST + self.cap:,} records of a "
                f"collection, and {state.name!r} has {state.vectors:,}: read it by scroll or GraphQL"
            )
        return super().read(state, single_page=single_page)

    def _ask(self, name: str, offset: int, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        return self._client.stream(f"{path_of('collections', name, 'vectors')}?limit={limit}&offset={offset}")

    def _records(self, stream: JsonStream, found: dict[str, object]) -> Iterator[list[bytes]]:
        yield from _page(stream, "vectors", found)


def _page(stream: JsonStream, records: str, found: dict[str, object]) -> Iterator[list[bytes]]:
    for key in stream.members():
        if key == records:
            yield from stream.windows()
        else:
            found[key] = stream.value()
