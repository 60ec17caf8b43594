"""What changed in records that both states have: the vector, and how far, or only the payload."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backup_engine.archive.batches import Vectors, vectors_of
from backup_engine.diff.report import SHIFTS, ShiftRange

Mask = npt.NDArray[np.bool_]

_BLOCK_BYTES = 2 << 20  # of floats worked on at once, in double precision


class Changes:
    """Counts of what changed, and the first ids of each kind.

    :param most: ids of a kind
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ranges = np.zeros(len(SHIFTS), np.int64)
        self.re_embedded = self.payload_too = self.payload_only = self.unmeasured = 0
        self.ids_re_embedded: list[str] = []
        self.ids_payload_only: list[str] = []

    @property
    def shifts(self) -> tuple[ShiftRange, ...]:
        """How far the vectors moved; empty where none did."""
        if not self._ranges.any():
            return ()
        return tuple(ShiftRange(up_to=end, records=int(n)) for end, n in zip(SHIFTS, self._ranges, strict=True))

    def note(self, before: Iterable[pa.RecordBatch], after: Iterable[pa.RecordBatch]) -> None:
        """Take in records of both states, small enough for memory; those of one id belong together."""
        old, new = [*before], [*after]
        if not (old and new):
            return
        first, second = pa.concat_batches(old), pa.concat_batches(new)
        at = pc.index_in(first.column("id"), value_set=second.column("id"))
        self._judge(first.filter(pc.is_valid(at)), second.take(at.drop_null()))

    def _judge(self, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
        old, new = vectors_of(before), vectors_of(after)
        moved = np.any(old.view(np.uint32) != new.view(np.uint32), axis=1)
        others = _other_payloads(before.column("payload"), after.column("payload"))
        self.re_embedded += int(moved.sum())
        self.payload_too += int((moved & others).sum())
        self.payload_only += int((~moved).sum())
        self._measure(old[moved], new[moved])
        self._remember(self.ids_re_embedded, after, moved)
        self._remember(self.ids_payload_only, after, ~moved)

    def _measure(self, old: Vectors, new: Vectors) -> None:
        rows = max(1, _BLOCK_BYTES // (8 * max(1, old.shape[1])))
        for start in range(0, len(old), rows):
            shifts = cosine_shifts(old[start : start + rows], new[start : start + rows])
            known = shifts[~np.isnan(shifts)]
            self.unmeasured += len(shifts) - len(known)
            self._ranges += np.bincount(np.searchsorted(SHIFTS, known), minlength=len(SHIFTS))

    def _remember(self, ids: list[str], batch: pa.RecordBatch, wanted: Mask) -> None:
        room = self._most - len(ids)
        if room > 0:
            ids += [batch.column("id")[int(row)].as_py() for row in np.flatnonzero(wanted)[:room]]


def cosine_shifts(old: Vectors, new: Vectors) -> npt.NDArray[np.float64]:
    """Tell how far vectors moved: 1 minus the cosine, 0 to 2; NaN where one has no direction. Shape (rows,)."""
    a, b = old.astype(np.float64), new.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", a, a)) * np.sqrt(np.einsum("ij,ij->i", b, b))
    with np.errstate(all="ignore"):
        cosines = np.einsum("ij,ij->i", a, b) / np.where(lengths > 0, lengths, np.nan)
    shifts: npt.NDArray[np.float64] = np.clip(1 - cosines, 0, SHIFTS[-1])
    return shifts


def _other_payloads(before: pa.Array, after: pa.Array) -> Mask:
    same = pc.fill_null(pc.equal(before, after), False)
    neither = pc.and_(pc.is_null(before), pc.is_null(after))
    other: Mask = np.asarray(pc.invert(pc.or_(same, neither)))
    return other
