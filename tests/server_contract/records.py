"""Records that a server must keep, and looking at what it kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from backup_engine.archive.batches import make_batch, schema, vectors_of
from backup_engine.model import CollectionConfiguration, CollectionState, Hnsw, Metric, Quantization
from backup_engine.ports import Server

UNQUANTISED = 512
"""The dimension in which a default server can make unquantised collections."""

PAYLOADS = [
    None,
    "{}",
    '{"a":1}',
    '{"nested":{"empty":{},"list":[1,2.5,null,true,"x"]}}',
    "[]",
    '["a",1]',
    '"text"',
    '" edge  "',
    "12",
    "-0.5",
    "true",
    '{"big":18446744073709551615,"small":-9223372036854775808}',
    '{"emoji":"😀","line":"a\\r\\nb","tab":"\\t"}',
]

IDS = ["plain", "with blank", "a#b#c", "x" * 300, "😀", "tab\there", "../..", "a%2Fb", '"quoted"', "0", "-1"]


def settings(
    dimension: int = 4, metric: Metric = Metric.COSINE, quantization: Quantization = Quantization.SQ8
) -> CollectionConfiguration:
    return CollectionConfiguration(dimension=dimension, metric=metric, quantization=quantization, hnsw=Hnsw())


def batch(ids: list[str], payloads: list[str | None] | None = None, *, dimension: int = 4, seed: int = 1):
    vectors = np.random.default_rng(seed).standard_normal((len(ids), dimension)).astype(np.float32)
    return make_batch(ids, vectors, payloads or [None] * len(ids))


def numbered(count: int, *, first: int = 0, dimension: int = 4):
    ids = [f"r{number}" for number in range(first, first + count)]
    return batch(ids, [f'{{"number":{number}}}' for number in range(count)], dimension=dimension, seed=first)


def state_of(server: Server, name: str) -> CollectionState:
    return next(state for state in server.collections() if state.name == name)


def listed(server: Server) -> set[str]:
    return {state.name for state in server.collections()}


def read(server: Server, name: str, *, single_page: bool = False):
    """All records of a collection as one batch."""
    state = state_of(server, name)
    batches = list(server.read(state, single_page=single_page).batches)
    for one in batches:
        assert one.schema.equals(schema(state.dimension))
    if not batches:
        return make_batch([], np.empty((0, state.dimension), np.float32), [])
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def ids_of(records) -> list[str]:
    return records["id"].to_pylist()


def by_id(records) -> dict[str, tuple[bytes, str | None]]:
    rows = zip(ids_of(records), vectors_of(records), records["payload"].to_pylist(), strict=True)
    return {key: (vector.tobytes(), payload) for key, vector, payload in rows}
