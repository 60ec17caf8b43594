"""Vector components between JSON text and float32, exactly, both ways.

The server writes the shortest digits that give the same float32. Read as doubles and rounded they give it back, except
where a double lies just between two float32 (7.038531e-26 is one); such a row is parsed again straight into float32.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Never

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import simdjson

from backup_engine.errors import UnexpectedAnswer

Vectors = npt.NDArray[np.float32]

_LOW_BITS = np.uint64((1 << 29) - 1)  # of a double's fraction, beyond a float32's
_BETWEEN = np.uint64(1 << 28)
_SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)


class ComponentParser:
    """Parses vectors; keeps its buffers from one call to the next."""

    def __init__(self) -> None:
        self._parser = simdjson.Parser()

    def parse(self, texts: Sequence[bytes], dimension: int) -> Vectors:
        """Read what stands between the brackets of JSON arrays of numbers and nulls (which become NaN).

        :return: shape (len(texts), dimension)
        :raises UnexpectedAnswer: one of them is something else, or of another length
        """
        if not texts:
            return np.empty((0, dimension), np.float32)
        doubles = self._doubles(b"[[" + b"],[".join(texts) + b"]]", dimension)
        with np.errstate(over="ignore"):
            vectors = doubles.astype(np.float32)
        for row in np.flatnonzero(_doubtful(doubles)).tolist():
            vectors[row] = _straight(texts[row], dimension)
        return vectors

    def _doubles(self, text: bytes, dimension: int) -> npt.NDArray[np.float64]:
        rows: Any = None
        try:
            rows = self._parser.parse(text)
            if any(len(row) != dimension for row in rows):
                raise UnexpectedAnswer(f"a vector does not have the collection's {dimension} components")
            return np.frombuffer(rows.as_buffer(of_type="d"), np.float64).reshape(-1, dimension)
        except (TypeError, ValueError):
            return _patiently(text, dimension)
        finally:
            rows = None  # the parser cannot be used again while something still points into it


def _patiently(text: bytes, dimension: int) -> npt.NDArray[np.float64]:
    """Read what the fast parser refuses: nulls among the numbers."""
    try:
        rows = json.loads(text, parse_int=float, parse_constant=_refuse)
        numbers = {type(number) for row in rows for number in row}
        if numbers <= {float, type(None)} and {len(row) for row in rows} == {dimension}:
            return np.array(rows, np.float64)
    except (TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"vectors of {dimension} numbers were expected, found {text[:80]!r}") from error
    raise UnexpectedAnswer(f"vectors of {dimension} numbers were expected, found {text[:80]!r}")


def _refuse(word: str) -> Never:
    raise ValueError(f"{word} is no JSON number")


def _doubtful(doubles: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Mark rows in which rounding twice may not be rounding once."""
    doubt: Any = (doubles.view(np.uint64) & _LOW_BITS) == _BETWEEN
    size = np.abs(doubles)
    if not size.min(initial=np.inf) >= _SMALLEST_NORMAL:  # NaN is not
        doubt = np.logical_or(doubt, np.logical_and(size < _SMALLEST_NORMAL, size > 0))
    if not doubt.any():
        return np.zeros(len(doubles), np.bool_)
    rows: npt.NDArray[np.bool_] = doubt.any(axis=1)
    return rows


def _straight(text: bytes, dimension: int) -> Vectors:
    words = [None if word == b"null" else word.decode() for word in map(bytes.strip, text.split(b","))]
    numbers: Vectors = pa.array(words, pa.string()).cast(pa.float32()).to_numpy(zero_copy_only=False)
    return numbers.reshape(dimension)


def component_texts(vectors: Vectors) -> list[str]:
    """Write each vector as the inside of a JSON array, in the fewest digits that give the same float32.

    The server reads doubles and rounds them, so where that would miss, the double is written out instead.

    :param vectors: shape (rows, dimension), all finite
    """
    rows, dimension = vectors.shape
    flat = np.ascontiguousarray(vectors, np.float32).reshape(-1)
    words = pc.cast(pa.array(flat), pa.string())
    words = pc.if_else(pc.equal(words, "-0"), "-0.0", words)  # a whole number has no negative zero
    read_back = pc.cast(words, pa.float64()).to_numpy().astype(np.float32)
    missed = read_back.view(np.uint32) != flat.view(np.uint32)
    if missed.any():
        exact = pc.cast(pa.array(flat.astype(np.float64)), pa.string())
        words = pc.if_else(pa.array(missed), exact, words)
    offsets = pa.array(np.arange(0, rows * dimension + 1, dimension, dtype=np.int32))
    joined: list[str] = pc.binary_join(pa.ListArray.from_arrays(offsets, words), ",").to_pylist()
    return joined
