"""Reading by scroll: in the largest pages the server can be asked for, payloads exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.errors import CollectionMoved, RequestRefused
from backup_engine.model import CollectionState, Reading, ReadWay
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.components import ComponentParser
from backup_engine.vectorizer.layout import Window
from backup_engine.vectorizer.payloads import PayloadReader
from backup_engine.vectorizer.points import PointPage
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import payload_bytes

_COMPONENT = 12
"""Bytes of JSON text per component: eight or nine digits, point, comma, half the time a sign."""
_FRAME = 120
"""Bytes of JSON text per record for keys, brackets and an id of usual length."""
_SLACK = 1000
_BODY_REFUSED = {400, 415, 422}


@dataclass(frozen=True, slots=True)
class PagePlan:
    """How a collection is paged.

    :param pages: requests this is expected to take
    :param limit: records asked for in each; the first of every page but the first repeats the last one before it
    """

    pages: int
    limit: int


def plan_pages(records: int, record_bytes: int, page_bytes: int, *, single_page: bool) -> PagePlan:
    """Choose one page for everything while its text stays within ``page_bytes``, else as few as that allows. Pure.

    The limit leaves room for what is written meanwhile, so that one page is the whole collection at one moment.
    """
    most = max(2, page_bytes // record_bytes)
    if single_page or records <= most:
        return PagePlan(1, records + max(_SLACK, records // 10))
    pages = ceil((records - 1) / (most - 1))
    return PagePlan(pages, ceil((records - 1) / pages) + 1)


class Scroll:
    """Reads the records of one server by scrolling."""

    way = ReadWay.SCROLL

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        """Plan a pass and give its batches as they stream in; each window of text becomes one batch."""
        size = payload_bytes(self._client, state.name)
        record_bytes = state.dimension * _COMPONENT + _FRAME + (size or 0) // max(1, state.vectors)
        settings = self._client.settings
        plan = plan_pages(state.vectors, record_bytes, settings.page_bytes, single_page=single_page)
        payloads = PayloadReader(self._client, state.name, state, size)
        later = list[int]()
        return Reading(plan.pages, self._batches(state, plan, payloads, later), later=later)

    def probe(self, name: str) -> None:
        """Ask for nothing, which costs the server nothing: a body that is no JSON is refused before it is acted on.

        :raises RouteMissing: there is no scroll
        """
        try:
            self._client.send("POST", _path(name), b"?")
        except RequestRefused as error:
            if error.status not in _BODY_REFUSED:
                raise

    def _batches(
        self, state: CollectionState, plan: PagePlan, payloads: PayloadReader, later: list[int]
    ) -> Iterator[pa.RecordBatch]:
        parser = ComponentParser()
        done, offset, more = 0, None, True
        while more:
            page = _Page(self._client, state.name, plan.limit, offset)
            before = done
            for window in page.windows():
                if payloads.settle(window, done):
                    later.append(done)
                yield make_batch(window.ids, parser.parse(window.vectors, state.dimension), window.payloads)
                done += len(window)
            offset, more = page.next_offset, page.next_offset is not None
            if more and (plan.pages == 1 or done == before or done > 2 * state.vectors + plan.limit):
                raise CollectionMoved(
                    f"{state.name}: {state.vectors:,} records were counted, {done:,} read, and there is no end to it; "
                    "it changes while it is read, or lists records twice"
                )


class _Page:
    """One request of a scroll."""

    def __init__(self, client: VectorizerClient, name: str, limit: int, offset: str | None) -> None:
        self._client = client
        self._name = name
        self._limit = limit
        self._offset = offset
        self.next_offset: str | None = None

    def windows(self) -> Iterator[Window]:
        """Read the page; the record it shares with the page before is left out."""
        question: dict[str, object] = {"limit": self._limit, "with_payload": True, "with_vector": True}
        if self._offset is not None:
            question["offset"] = self._offset
        with self._client.stream(_path(self._name), question) as chunks:
            yield from self._read(PointPage(chunks, f"scroll of {self._name!r}"))

    def _read(self, page: PointPage) -> Iterator[Window]:
        shared = self._offset
        for window in page.windows():
            if shared is not None:
                self._drop_shared(window, shared)
                shared = None
            if len(window):
                yield window
        self.next_offset = page.next_offset

    def _drop_shared(self, window: Window, shared: str) -> None:
        if window.ids[0] != shared:  # the server starts over when it does not find the id
            raise CollectionMoved(
                f"{self._name}: record {shared!r}, where the next page was to begin, was deleted or moved meanwhile; "
                "read the collection again"
            )
        window.drop([0])


def _path(name: str) -> str:
    return path_of("qdrant", "collections", name, "points", "scroll")
