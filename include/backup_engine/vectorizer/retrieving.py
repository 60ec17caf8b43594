"""Records by id. Text in payloads comes without trailing blanks and with plain line ends: the server trims it here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.errors import Unsupported
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.components import ComponentParser
from backup_engine.vectorizer.layout import Window
from backup_engine.vectorizer.payloads import PayloadReader, data_members
from backup_engine.vectorizer.points import PointPage
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.server_backups.file import records_of
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import read_version

_AT_ONCE = 500
_OVER_GRAPHQL = 200
"""The server allows a complexity of 1,000, and each record with its three fields is four."""


class Retriever:
    """Asks one server for records by id: over the Qdrant route, else over GraphQL; which, it finds out once."""

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client
        self._has_points = True

    def retrieve(self, name: str, ids: Sequence[str], dimension: int) -> pa.RecordBatch:
        """Read these records; those that do not exist are absent.

        :raises Unsupported: the server offers neither route
        """
        wanted = list(dict.fromkeys(ids))
        parser = ComponentParser()
        batches = [make_batch([], np.empty((0, dimension), np.float32), [])]
        for at in range(0, len(wanted), _AT_ONCE):
            for window in self._windows(name, wanted[at : at + _AT_ONCE]):
                batches.append(make_batch(window.ids, parser.parse(window.vectors, dimension), window.payloads))
        return pa.concat_batches(batches)

    def _windows(self, name: str, ids: list[str]) -> Iterator[Window]:
        if self._has_points:
            try:
                yield from self._over_points(name, ids)
            except RouteMissing:
                self._has_points = False
        if not self._has_points:
            for at in range(0, len(ids), _OVER_GRAPHQL):
                yield self._over_graphql(name, ids[at : at + _OVER_GRAPHQL])

    def _over_points(self, name: str, ids: list[str]) -> Iterator[Window]:
        payloads = PayloadReader(self._client, name, None, None)
        question = {"ids": ids, "with_payload": True, "with_vector": True}
        with self._client.stream(path_of("qdrant", "collections", name, "points"), question) as chunks:
            for window in PointPage(chunks, f"records of {name!r} by id", "result").windows():
                payloads.settle(window, None)
                yield window

    def _over_graphql(self, name: str, ids: list[str]) -> Window:
        places = range(len(ids))
        declared = "".join(f",$i{place}:String!" for place in places)
        fields = " ".join(f"v{place}:vector(collection:$c,id:$i{place}){{id vector:data payload}}" for place in places)
        variables = {"c": name} | {f"i{place}": key for place, key in enumerate(ids)}
        body = json.dumps({"query": f"query($c:String!{declared}){{{fields}}}", "variables": variables}).encode()
        try:
            found = data_members(self._client.send_graphql(body))
        except Unsupported as error:
            raise Unsupported(
                f"Vectorizer {read_version(self._client)} at {self._client.url} cannot be asked for records by id "
                f"(neither POST /qdrant/collections/…/points nor GraphQL passes), which {name!r} needs because it "
                "changes while it is read: capture it while nobody writes to it, or let the proxy pass one of the two"
            ) from error
        texts = [text.encode() for text in found.values() if text != "null"]
        return records_of(texts, f"records of {name!r} by id")
