"""A collection's state as its digests tell it, on disk, to be asked by id.

32 bytes a record on disk. Memory: what the system keeps of the two files, and gives away when it needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, Hashes, rows_of

Positions = npt.NDArray[np.int64]
"""Rows of an index; -1: not in it."""

Mask = npt.NDArray[np.bool_]

_HASH = np.dtype(f"S{HASH_BYTES}")


class StateIndex:
    """The rows of a state, sorted by the hash of the id.

    :param chunks: rows of (id_hash, digest), sorted, as digests.parquet has them
    :param directory: an empty one of its own; whoever made it removes it
    """

    def __init__(self, chunks: Iterable[pa.RecordBatch], directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        places = directory / "hashes", directory / "digests"
        self.rows = _write(chunks, *places)
        self._hashes, self._digests = (_mapped(place, self.rows) for place in places)

    def find(self, hashes: Hashes) -> Positions:
        """Tell in which row each of these ids is; shape as ``hashes``."""
        if not self.rows:
            return np.full(len(hashes), -1, np.int64)
        order = np.argsort(hashes)
        at = np.empty(len(hashes), np.int64)
        at[order] = np.searchsorted(self._hashes, hashes[order])
        inside = np.minimum(at, self.rows - 1)
        return np.where((at < self.rows) & (self._hashes[inside] == hashes), inside, -1)

    def equal(self, positions: Positions, digests: Hashes) -> Mask:
        """Tell which of these records are in the state exactly so; False where the position is -1."""
        if not self.rows:
            return np.zeros(len(positions), np.bool_)
        there: Mask = (positions >= 0) & (self._digests[np.maximum(positions, 0)] == digests)
        return there

    def hashes_at(self, positions: Positions) -> Hashes:
        """Give the id hashes of rows."""
        return np.asarray(self._hashes[positions])

    def digests_at(self, positions: Positions) -> Hashes:
        """Give the digests of rows."""
        return np.asarray(self._digests[positions])


def _write(chunks: Iterable[pa.RecordBatch], hashes: Path, digests: Path) -> int:
    rows = 0
    with hashes.open("wb") as left, digests.open("wb") as right:
        for halves in _halves(chunks):
            left.write(np.ascontiguousarray(halves[:, 0]).data)
            right.write(np.ascontiguousarray(halves[:, 1]).data)
            rows += len(halves)
    return rows


def _halves(chunks: Iterable[pa.RecordBatch]) -> Iterator[Hashes]:
    return (rows_of(chunk).view(_HASH).reshape(-1, 2) for chunk in chunks if chunk.num_rows)


def _mapped(place: Path, rows: int) -> Hashes:
    return np.memmap(place, _HASH, "r") if rows else np.empty(0, _HASH)
