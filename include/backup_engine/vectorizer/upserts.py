"""Records into a collection over GraphQL, in requests the server takes.

The server deletes the records of a request before it looks at the new ones, so what it would refuse is refused here,
before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.batches import vectors_of
from backup_engine.archive.canonical import canonical_text
from backup_engine.errors import CollectionNotFound, InvalidInput, TooLarge, UnexpectedAnswer
from backup_engine.vectorizer.answers import as_object
from backup_engine.vectorizer.client import VectorizerClient, graphql_data
from backup_engine.vectorizer.components import component_texts
from backup_engine.vectorizer.numbers import with_safe_numbers
from backup_engine.vectorizer.state import list_collections

_MUTATION = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success message affectedCount}}"
_SLICE_COMPONENTS = 1 << 20
"""Components turned into text at a time: about 12 MB."""


class Upserter:
    """Writes records to one server; remembers what it has learned about the server's limits."""

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client
        self._batch_bytes = client.settings.batch_bytes
        self._dimensions: dict[str, int] = {}

    def upsert(self, name: str, batch: pa.RecordBatch) -> None:
        """Write all records of the batch.

        :raises CollectionNotFound: the server does not list the collection
        :raises InvalidInput: the batch has another dimension, components that are no finite numbers, an id twice, or a
            payload that is no JSON; nothing was sent
        :raises TooLarge: a single record is larger than the server takes
        """
        if batch.num_rows == 0:
            return
        self._require_dimension(name, batch.schema.field("vector").type.list_size)
        require_sendable(name, batch)
        waiting: list[str] = []
        size = 0
        for record in record_texts(name, batch):
            if waiting and (size + len(record) > self._batch_bytes or len(waiting) >= self._most):
                self._send(name, waiting)
                waiting, size = [], 0
            waiting.append(record)
            size += len(record)
        self._send(name, waiting)

    def forget(self) -> None:
        """Look again before the next write: a collection was created, deleted or renamed."""
        self._dimensions = {}

    @property
    def _most(self) -> int:
        return self._client.settings.batch_records

    def _require_dimension(self, name: str, given: int) -> None:
        """Compare with the collection's; asked for once, and again when it differs (it may be another one by now)."""
        if self._dimensions.get(name) == given:
            return
        self._dimensions = {state.name: state.dimension for state in list_collections(self._client)}
        if name not in self._dimensions:
            raise CollectionNotFound(f"{self._client.url} does not list the collection {name!r}", status=404)
        if self._dimensions[name] != given:
            expected = self._dimensions.pop(name)
            raise InvalidInput(f"{name}: vectors of {given} components were given, the collection has {expected}")

    def _send(self, name: str, records: list[str]) -> None:
        body = _request(name, records)
        try:
            answer = self._client.send_graphql(body)
        except TooLarge as error:
            self._send_smaller(name, records, len(body), error)
            return
        outcome = as_object(graphql_data(answer).get("upsertVectors"), answer.what)
        if outcome.get("success") is not True or outcome.get("affectedCount") != len(records):
            sent = wording.count(len(records), "record")
            raise UnexpectedAnswer(f"{name}: the server was sent {sent} and answered {outcome}")

    def _send_smaller(self, name: str, records: list[str], size: int, error: TooLarge) -> None:
        if len(records) == 1:
            key = json.loads(records[0])["id"]
            raise TooLarge(
                f"{name}: record {key!r} alone makes a request of {size:,} bytes, more than this server, or a proxy "
                "before it, takes; raise its limit (max_request_size_mb) and resume",
                status=error.status,
            ) from error
        self._batch_bytes = max(1, min(self._batch_bytes, size) // 2)
        half = len(records) // 2
        self._send(name, records[:half])
        self._send(name, records[half:])


def require_sendable(name: str, batch: pa.RecordBatch) -> None:
    """Refuse a batch that the server would refuse after deleting, or that it could not give back. Pure.

    :raises InvalidInput: naming the records
    """
    keys = batch.column("id")
    finite = np.isfinite(vectors_of(batch)).all(axis=1)
    if not finite.all():
        refused = keys.filter(pa.array(~finite)).to_pylist()
        raise InvalidInput(
            f"{name}: {wording.count(len(refused), 'record')} with components that are no finite numbers, which the "
            f"server does not take: {_some(refused)}"
        )
    if len(keys.unique()) != len(keys):
        counts = keys.value_counts()
        twice = [entry["values"] for entry in counts.to_pylist() if entry["counts"] > 1]
        raise InvalidInput(f"{name}: ids stand twice in one batch: {_some(twice)}")


def record_texts(name: str, batch: pa.RecordBatch) -> Iterator[str]:
    """Write each record as GraphQL input; a record without payload has none. Pure.

    :raises InvalidInput: a payload is no JSON
    """
    rows = max(1, _SLICE_COMPONENTS // max(1, batch.schema.field("vector").type.list_size))
    for at in range(0, batch.num_rows, rows):
        piece = batch.slice(at, rows)
        columns = (
            piece.column("id").to_pylist(),
            component_texts(vectors_of(piece)),
            piece.column("payload").to_pylist(),
        )
        for key, components, payload in zip(*columns, strict=True):
            rest = "" if payload is None else f',"payload":{_checked(name, key, payload)}'
            yield f'{{"id":{json.dumps(key)},"data":[{components}]{rest}}}'


def _checked(name: str, key: str, payload: str) -> str:
    """Let nothing but one JSON value through: this text goes into a request as it is."""
    try:
        return with_safe_numbers(canonical_text(payload))
    except UnexpectedAnswer as error:
        raise InvalidInput(f"{name}: the payload of record {key!r} is no JSON: {payload[:80]!r}") from error


def _request(name: str, records: Iterable[str]) -> bytes:
    vectors = ",".join(records)
    given = f'{{"collection":{json.dumps(name)},"vectors":[{vectors}]}}'
    return f'{{"query":{json.dumps(_MUTATION)},"variables":{{"i":{given}}}}}'.encode()


def _some(keys: list[str]) -> str:
    return wording.listing(repr(key[:80]) for key in keys)
