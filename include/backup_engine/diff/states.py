"""What differs between two states of a collection, as their digests tell it. Memory: a few chunks of digests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, ROW_BYTES, Hashes, rows_of

_HASH = np.dtype(f"S{HASH_BYTES}")
_ROW = np.dtype(f"S{ROW_BYTES}")


class ChangedRows(NamedTuple):
    """A piece of the difference between two states. Id hashes have dtype S16, and each is in one of the first three;
    rows are hash and digest, dtype S32. All of it is sorted, and nothing comes twice.

    :param added: ids only in the second state
    :param changed: ids in both, with another vector or payload
    :param gone: ids only in the first state
    :param before: rows that only the first state has
    :param after: rows that only the second state has
    """

    added: Hashes
    changed: Hashes
    gone: Hashes
    before: Hashes
    after: Hashes

    @property
    def upserts(self) -> Hashes:
        """What has to be written to make the second state of the first, sorted."""
        return np.sort(np.concatenate([self.added, self.changed]))

    @property
    def any(self) -> bool:
        """Something differs."""
        return bool(len(self.before) or len(self.after))


def changed_rows(a: Iterator[pa.RecordBatch], b: Iterator[pa.RecordBatch]) -> Iterator[ChangedRows]:
    """Compare two states, piece by piece in the order of the hashes; pieces in which nothing differs are left out.

    :param a: chunks of (id_hash, digest) of the first state, sorted, as digests.parquet has them
    :param b: the same of the second
    """
    left, right = _Rows(a), _Rows(b)
    while left.fill() | right.fill():
        bound = min((rows.last for rows in (left, right) if not rows.ended), default=None)
        piece = _compared(left.take(bound), right.take(bound))
        if piece.any:
            yield piece


class _Rows:
    """Sorted rows of a state, of which the next ones are at hand: at least two ids, unless nothing follows."""

    def __init__(self, chunks: Iterator[pa.RecordBatch]) -> None:
        self._chunks = chunks
        self._rows = np.empty(0, _ROW)
        self.ended = False

    @property
    def last(self) -> bytes:
        """The greatest hash at hand, all of its bytes; rows with it may follow."""
        return self._rows[-1:].tobytes()[:HASH_BYTES]

    def fill(self) -> bool:
        """Have rows at hand; tell whether there are any."""
        while not self.ended and not self._several():
            chunk = next(self._chunks, None)
            self.ended = chunk is None
            if chunk is not None:
                self._rows = np.concatenate([self._rows, rows_of(chunk)])
        return len(self._rows) > 0

    def take(self, bound: bytes | None) -> Hashes:
        """Give the rows whose hash is below ``bound`` (all for None) and keep the rest."""
        end = len(self._rows) if bound is None else int(np.searchsorted(id_part(self._rows), _one(bound))[0])
        taken, self._rows = self._rows[:end], self._rows[end:]
        return taken

    def _several(self) -> bool:
        return len(self._rows) > 0 and bool((id_part(self._rows[:1]) != id_part(self._rows[-1:]))[0])


def _compared(a: Hashes, b: Hashes) -> ChangedRows:
    before, after = np.unique(a[~among(a, b)]), np.unique(b[~among(b, a)])
    stale, fresh = id_part(before), id_part(after)
    kept, known = among(stale, id_part(b)), among(fresh, id_part(a))
    changed = np.unique(np.concatenate([fresh[known], stale[kept]]))
    return ChangedRows(np.unique(fresh[~known]), changed, np.unique(stale[~kept]), before, after)


def among(wanted: Hashes, held: Hashes) -> npt.NDArray[np.bool_]:
    """Tell which are among the held ones, which are sorted; shape as ``wanted``."""
    if not len(held):
        return np.zeros(len(wanted), np.bool_)
    at = np.searchsorted(held, wanted)
    found: npt.NDArray[np.bool_] = (at < len(held)) & (held[np.minimum(at, len(held) - 1)] == wanted)
    return found


def id_part(rows: Hashes) -> Hashes:
    """Give the id hashes of rows."""
    return np.ascontiguousarray(rows).view(_HASH)[::2]


def _one(hash_: bytes) -> Hashes:
    return np.frombuffer(hash_, _HASH)
