"""Pages of records as JSON text, fast enough for a collection in one answer.

Numbers are written by orjson, whose digits and exponents are those of the server's own library.
"""

import json
from collections.abc import Iterable, Iterator

import numpy as np
import orjson

from sandbox.quantisation import Floats

# Small enough for the caches.
BYTES_AT_ONCE = 1 << 20


class RawJson:
    """A part of an answer that is JSON text already, in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces


def encode(value: object) -> bytes:
    """Write compact JSON; takes `RawJson` anywhere in it."""
    return b"".join(parts(value))


def parts(value: object) -> Iterator[bytes]:
    """Write the same piece by piece, without ever joining what is large."""
    if isinstance(value, RawJson):
        yield from value.pieces
    elif isinstance(value, dict):
        yield from _enclosed(b"{", ((scalar(key) + b":", item) for key, item in value.items()), b"}")
    elif isinstance(value, list | tuple):
        yield from _enclosed(b"[", ((b"", item) for item in value), b"]")
    else:
        yield scalar(value)


def scalar(value: object) -> bytes:
    """Write a string, a number, a truth or nothing."""
    return orjson.dumps(value) if isinstance(value, str) else json.dumps(value).encode()


def raw(payload: str | None) -> RawJson | None:
    """Take a payload text as it is; None stays None."""
    return None if payload is None else RawJson(payload.encode())


def shortest(vectors: Floats) -> Iterator[bytes]:
    """Write one JSON array a vector, shortest digits that give the float32 back: the Qdrant dialect."""
    for row in np.ascontiguousarray(vectors):
        yield orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)


def widened(vectors: Floats) -> Iterator[bytes]:
    """Write one JSON array a vector, each float32 as the float64 it equals: list, GraphQL and backups."""
    for row in vectors:
        yield orjson.dumps(row.astype(np.float64), option=orjson.OPT_SERIALIZE_NUMPY)


def joined(items: Iterable[bytes]) -> RawJson:
    """Join JSON texts to an array."""
    return RawJson(b"[", *_batches(items), b"]")


def _batches(items: Iterable[bytes]) -> Iterator[bytes]:
    """Join while the memory is still in the caches."""
    batch: list[bytes] = []
    separator, size = b"", 0
    for item in items:
        batch.append(item)
        size += len(item)
        if size >= BYTES_AT_ONCE:
            yield separator + b",".join(batch)
            batch, separator, size = [], b",", 0
    if batch:
        yield separator + b",".join(batch)


def _enclosed(opening: bytes, items: Iterable[tuple[bytes, object]], closing: bytes) -> Iterator[bytes]:
    separator = opening
    for label, item in items:
        yield separator + label
        yield from parts(item)
        separator = b","
    yield closing if separator == b"," else opening + closing
