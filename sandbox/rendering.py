"""Pages of records as JSON text, fast enough for a collection in one answer."""

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sandbox.quantisation import Floats

# Small enough for the caches, and far from the 2 GiB of text that one column takes.
VALUES_AT_ONCE = 1 << 18


class RawJson:
    """A piece of an answer that is JSON text already."""

    def __init__(self, text: str) -> None:
        self.text = text


def encode(value: object) -> str:
    """Write compact JSON; takes `RawJson` anywhere in it."""
    return "".join(parts(value))


def parts(value: object) -> Iterator[str]:
    """Write the same piece by piece, without ever joining what is large."""
    if isinstance(value, RawJson):
        yield value.text
    elif isinstance(value, dict):
        yield from _enclosed("{", ((f"{json.dumps(key)}:", item) for key, item in value.items()), "}")
    elif isinstance(value, list | tuple):
        yield from _enclosed("[", (("", item) for item in value), "]")
    else:
        yield json.dumps(value, ensure_ascii=False)


def shortest(vectors: Floats) -> list[str]:
    """Write one JSON array a vector, shortest digits that give the float32 back: the Qdrant dialect."""
    return [text for block in _blocks(vectors) for text in _arrays(block)]


def widened(vectors: Floats) -> list[str]:
    """Write one JSON array a vector, each float32 as the float64 it equals: list, GraphQL and backups."""
    return [text for block in _blocks(vectors) for text in _arrays(block.astype(np.float64))]


def joined(pieces: Iterable[str]) -> RawJson:
    """Join pieces of JSON text to an array."""
    return RawJson("[" + ",".join(pieces) + "]")


def _enclosed(opening: str, items: Iterable[tuple[str, object]], closing: str) -> Iterator[str]:
    separator = opening
    for label, item in items:
        yield separator + label
        yield from parts(item)
        separator = ","
    yield closing if separator == "," else opening + closing


def _blocks(vectors: Floats) -> Iterator[Floats]:
    rows = max(1, VALUES_AT_ONCE // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), rows):
        yield vectors[start : start + rows]


def _arrays(vectors: NDArray[np.floating]) -> list[str]:
    rows, dimension = vectors.shape
    if not dimension:
        return ["[]"] * rows
    offsets = pa.array(np.arange(0, vectors.size + 1, dimension, dtype=np.int32))
    lists = pa.ListArray.from_arrays(offsets, _numbers(vectors.reshape(-1)))
    return [f"[{text}]" for text in pc.binary_join(lists, ",").to_pylist()]


def _numbers(values: NDArray[np.floating]) -> pa.Array:
    texts = pc.cast(pa.array(values), pa.string())
    finite = np.isfinite(values)
    if not finite.all():
        texts = pc.replace_with_mask(texts, pa.array(~finite), pa.scalar("null"))
    whole = finite & (values == np.trunc(values))
    if whole.any():
        mask = pa.array(whole)
        texts = pc.replace_with_mask(texts, mask, _with_point(pc.filter(texts, mask)))
    return texts


def _with_point(texts: pa.Array) -> pa.Array:
    """Write `1` as `1.0`, as the server does; what has an exponent needs no point."""
    bare = pc.invert(pc.match_substring(texts, "e"))
    return pc.if_else(bare, pc.binary_join_element_wise(texts, "0", "."), texts)
