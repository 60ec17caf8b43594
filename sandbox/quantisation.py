"""Vectors as the server keeps them: per vector 8-bit codes, one bit a component, or floats."""

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

SMALLEST = 64
ROWS_AT_ONCE = 256

Kept = TypeVar("Kept", bound=np.generic)


class Shelf(Protocol):
    """Room for vectors by row number; rows are written before they are read."""

    bytes_per_vector: int

    def reserve(self, rows: int) -> None:
        """Make sure that rows below `rows` can be written."""

    def write(self, rows: Rows, vectors: Floats) -> None:
        """Keep the vectors (n x dimension) at these rows; the last of a repeated row wins."""

    def read(self, rows: Rows) -> Floats:
        """Give back n x dimension what a reader of the server gets."""


class CodeShelf:
    """SQ8: codes with the vector's own lowest and highest value, all arithmetic in float32."""

    def __init__(self, dimension: int) -> None:
        self.bytes_per_vector = dimension + 8
        self._codes = np.zeros((0, dimension), np.uint8)
        self._low = np.zeros(0, np.float32)
        self._high = np.zeros(0, np.float32)

    def reserve(self, rows: int) -> None:
        """Make room."""
        self._codes = _grown(self._codes, rows)
        self._low = _grown(self._low, rows)
        self._high = _grown(self._high, rows)

    def write(self, rows: Rows, vectors: Floats) -> None:
        """Quantise; the quantiser truncates."""
        self._codes[rows], self._low[rows], self._high[rows] = quantise(vectors)

    def read(self, rows: Rows) -> Floats:
        """Dequantise, so many at a time that they stay in the caches."""
        vectors = np.empty((len(rows), self._codes.shape[1]), np.float32)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            vectors[start : start + ROWS_AT_ONCE] = dequantise(self._codes[some], self._low[some], self._high[some])
        return vectors


class BitShelf:
    """Binary: whether a component lies above the middle of its vector; reads give 1 and -1."""

    def __init__(self, dimension: int) -> None:
        self.bytes_per_vector = 0
        self._bits = np.zeros((0, dimension), np.bool_)

    def reserve(self, rows: int) -> None:
        """Make room."""
        self._bits = _grown(self._bits, rows)

    def write(self, rows: Rows, vectors: Floats) -> None:
        """Keep one bit a component."""
        low, high = _extremes(vectors)
        with np.errstate(invalid="ignore", over="ignore"):
            middle = ((low + high) / np.float32(2))[:, None]
            self._bits[rows] = vectors > middle

    def read(self, rows: Rows) -> Floats:
        """Give 1 and -1."""
        return np.where(self._bits[rows], np.float32(1), np.float32(-1))


class FloatShelf:
    """Full precision: no quantization, and product quantization, which keeps the floats too."""

    def __init__(self, dimension: int) -> None:
        self.bytes_per_vector = dimension * 4
        self._vectors = np.zeros((0, dimension), np.float32)

    def reserve(self, rows: int) -> None:
        """Make room."""
        self._vectors = _grown(self._vectors, rows)

    def write(self, rows: Rows, vectors: Floats) -> None:
        """Keep them as they are."""
        self._vectors[rows] = vectors

    def read(self, rows: Rows) -> Floats:
        """Give the floats as they were written."""
        return self._vectors[rows]


def shelf_for(quantization: str, dimension: int) -> Shelf:
    """Choose the shelf of a collection with this quantization."""
    shelves: dict[str, type[CodeShelf | BitShelf]] = {"sq8": CodeShelf, "binary": BitShelf}
    return shelves.get(quantization, FloatShelf)(dimension)


def quantise(vectors: Floats) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Codes, lowest and highest value of every vector, as `quantize_to_u8` of the server computes them."""
    low, high = _extremes(vectors)
    with np.errstate(all="ignore"):
        spread = (high - low)[:, None]
        scaled = ((vectors - low[:, None]) / spread) * np.float32(255)
        scaled = np.where(spread > 0, np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0.0)
        codes = np.clip(scaled, 0, 255).astype(np.uint8)
    return codes, low, high


def dequantise(codes: NDArray[np.uint8], low: Floats, high: Floats) -> Floats:
    """`(code / 255) * (high - low) + low`, each step rounded to float32."""
    with np.errstate(all="ignore"):
        spread = (high - low)[:, None]
        return (codes.astype(np.float32) / np.float32(255)) * spread + low[:, None]


def normalise(vectors: Floats) -> Floats:
    """Bring to unit length, for Cosine; a vector without a finite length above zero stays as it is."""
    with np.errstate(all="ignore"):
        lengths = np.sqrt(_sums_of_squares(vectors))
        usable = np.isfinite(lengths) & (lengths != 0)
        factors = np.where(usable, np.float32(1) / lengths, np.float32(1)).astype(np.float32)
        return vectors * factors[:, None]


def normalise_when_loaded(vectors: Floats) -> Floats:
    """Do what loading from disk does, whatever the metric: divide vectors off unit length by over 1e-6."""
    with np.errstate(all="ignore"):
        lengths = np.sqrt(_sums_of_squares(vectors))
        kept = (np.abs(lengths - np.float32(1)) <= np.float32(1e-6)) | (lengths == 0)
        divisors = np.where(kept, np.float32(1), lengths).astype(np.float32)
        return vectors / divisors[:, None]


def _sums_of_squares(vectors: Floats) -> Floats:
    """Add one component after the other, as the loader always does and the recorded server did on insertion.

    A server built for wider vector units adds in another order on insertion and may differ in the last bit.
    """
    sums = np.zeros(len(vectors), np.float32)
    for component in np.ascontiguousarray(vectors.T):
        sums += component * component
    return sums


def _extremes(vectors: Floats) -> tuple[Floats, Floats]:
    low = np.fmin.reduce(vectors, axis=1, initial=np.float32(np.inf))
    high = np.fmax.reduce(vectors, axis=1, initial=np.float32(-np.inf))
    return low, high


def _grown(array: NDArray[Kept], rows: int) -> NDArray[Kept]:
    if rows <= len(array):
        return array
    grown = np.zeros((max(rows, 2 * len(array), SMALLEST), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
