"""Rows of (id hash, digest) on disk, to find the records they stand for. 32 bytes a row on disk, one in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, ROW_BYTES, Hashes, id_hashes, record_digests

_HASH = np.dtype(f"S{HASH_BYTES}")
_ROW = np.dtype(f"S{ROW_BYTES}")


class WantedRows:
    """Records to look for: those of exactly this id, vector and payload.

    :param path: where the rows lie; whoever made the directory removes it
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._rows: Hashes | None = None
        self._found = np.zeros(0, np.bool_)

    def add(self, rows: Hashes) -> None:
        """Take in rows, which come after those before them in order; none after the first question."""
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(rows).data)
        self._count += len(rows)

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    @property
    def lacking(self) -> int:
        """How many were not found yet."""
        return self._count - int(self._found.sum())

    def find(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Mark the records of a batch that are wanted and did not come before; shape (rows,)."""
        held = self._held()
        wanted = np.zeros(batch.num_rows, np.bool_)
        if not len(held) or not batch.num_rows:
            return wanted
        rows = _rows(batch)
        at = np.minimum(np.searchsorted(held, rows), len(held) - 1)
        _, first = np.unique(rows, return_index=True)
        wanted[first] = (held[at[first]] == rows[first]) & ~self._found[at[first]]
        self._found[at[wanted]] = True
        return wanted

    def _held(self) -> Hashes:
        if self._rows is None:
            self._rows = np.memmap(self._path, _ROW, "r") if self._count else np.empty(0, _ROW)
            self._found = np.zeros(self._count, np.bool_)
        return self._rows


def _rows(batch: pa.RecordBatch) -> Hashes:
    rows = np.empty((batch.num_rows, 2), _HASH)
    rows[:, 0], rows[:, 1] = id_hashes(batch), record_digests(batch)
    return rows.reshape(-1).view(_ROW)
