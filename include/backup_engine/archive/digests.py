"""Digests: what a collection's state is, in 32 bytes a record, without the records.

Per record a 128-bit BLAKE2b hash of the id (UTF-8) and a 128-bit BLAKE2b digest of: dimension (u32, little endian),
components (f32, little endian), one byte (1: there is a payload, 0: none), payload text (UTF-8). Rows sorted by id hash
tell of two states what is equal, new, changed and gone, range by range.
"""

from __future__ import annotations

import errno
import hashlib
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.batches import vectors_of
from backup_engine.errors import StoreFull
from backup_engine.wording import size

HASH_BYTES = 16
ROW_BYTES = 2 * HASH_BYTES
CHUNK_ROWS = 65_536
"""Rows a chunk has at most."""

Hashes = npt.NDArray[np.bytes_]
"""Array of dtype S16. numpy strips trailing zeros from a single item, so compare arrays, never items as bytes."""

SCHEMA = pa.schema([
    pa.field("id_hash", pa.binary(HASH_BYTES), nullable=False),
    pa.field("digest", pa.binary(HASH_BYTES), nullable=False),
])
"""Columns of digests.parquet."""

_HASH = np.dtype(f"S{HASH_BYTES}")
_ROW = np.dtype(f"S{ROW_BYTES}")
_BLOCK_ROWS = 1 << 10
_RUN_ROWS = 1 << 18
_MERGE_ROWS = 1 << 18  # rows held at once while runs are merged
_LEAST_BLOCK = 64


def id_hashes(batch: pa.RecordBatch, key: bytes = b"") -> Hashes:
    """Hash the ids of a batch; shape (rows,).

    :param key: of the keyed hash, at most 64 bytes; none when backups are not encrypted
    """
    texts = batch.column("id").cast(pa.binary()).to_pylist()
    return np.frombuffer(b"".join([hashlib.blake2b(t, digest_size=HASH_BYTES, key=key).digest() for t in texts]), _HASH)


def record_digests(batch: pa.RecordBatch, key: bytes = b"") -> Hashes:
    """Digest vector and payload of each record of a batch; shape (rows,)."""
    payloads = batch.column("payload").cast(pa.binary()).to_pylist()
    vectors = np.ascontiguousarray(vectors_of(batch), "<f4")
    width = vectors.shape[1] * 4
    dimension = struct.pack("<I", vectors.shape[1])
    digests = []
    for start in range(0, len(vectors), _BLOCK_ROWS):
        raw = vectors[start : start + _BLOCK_ROWS].tobytes()
        for at, payload in enumerate(payloads[start : start + _BLOCK_ROWS]):
            tail = b"\x00" if payload is None else b"\x01" + payload
            record = dimension + raw[at * width : (at + 1) * width] + tail
            digests.append(hashlib.blake2b(record, digest_size=HASH_BYTES, key=key).digest())
    return np.frombuffer(b"".join(digests), _HASH)


class DigestSet:
    """The digests of a collection of any size in bounded memory: sorted runs, spilled to disk, merged when read.

    :param key: of the keyed hash; none when backups are not encrypted
    :param temporary: where to spill (32 bytes a record); None for the system's place
    :param rows_in_memory: records after which a run is spilled
    """

    def __init__(self, key: bytes = b"", temporary: Path | None = None, *, rows_in_memory: int = _RUN_ROWS) -> None:
        self._key = key
        self._rows_in_memory = rows_in_memory
        self._temporary = temporary
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._spilled: list[tuple[Path, int]] = []
        self._recent: list[Hashes] = []
        self._recent_rows = 0
        self._totals: tuple[str, int] | None = None
        self.count = 0

    def __enter__(self) -> Self:
        """Give the set; it is closed when the block is left."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close the set."""
        self.close()

    def close(self) -> None:
        """Remove what was spilled; the set is empty afterwards."""
        self._spilled, self._recent, self._recent_rows, self.count, self._totals = [], [], 0, 0, None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the records of a batch."""
        self.add_rows(id_hashes(batch, self._key), record_digests(batch, self._key))

    def add_rows(self, hashes: Hashes, digests: Hashes) -> None:
        """Take in rows that were calculated elsewhere."""
        rows = np.empty((len(hashes), 2), _HASH)
        rows[:, 0], rows[:, 1] = hashes, digests
        self._recent.append(rows.reshape(-1).view(_ROW))
        self._recent_rows += len(rows)
        self.count += len(rows)
        self._totals = None
        if self._recent_rows >= self._rows_in_memory:
            self._spill()

    @property
    def duplicates(self) -> int:
        """How many records have an id that an earlier one has already."""
        return self._read_totals()[1]

    def state_digest(self) -> str:
        """BLAKE2b-256, hex, over all rows in order: equal for equal states, in whatever order they were read."""
        return self._read_totals()[0]

    def contains(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Tell which of these id hashes are in the set; shape as ``hashes``."""
        order = np.argsort(hashes)
        smallest = np.zeros(len(hashes), _ROW)
        smallest[:] = hashes[order]
        found = np.zeros(len(hashes), np.bool_)
        for block in self._sorted_blocks():
            at = np.searchsorted(block, smallest)
            near = block[np.minimum(at, len(block) - 1)]
            found[order] |= (at < len(block)) & (_hashes_of(near) == hashes[order])
        return found

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Rows of (id_hash, digest), sorted by both, in batches of ``CHUNK_ROWS`` (the last may be shorter)."""
        waiting = np.empty(0, _ROW)
        for rows in self._merged():
            waiting = np.concatenate([waiting, rows])
            full = len(waiting) - len(waiting) % CHUNK_ROWS
            for start in range(0, full, CHUNK_ROWS):
                yield _as_batch(waiting[start : start + CHUNK_ROWS])
            waiting = waiting[full:]
        if len(waiting):
            yield _as_batch(waiting)

    def _read_totals(self) -> tuple[str, int]:
        if self._totals is None:
            hasher, duplicates, last = hashlib.blake2b(digest_size=32), 0, np.empty(0, _HASH)
            for rows in self._merged():
                hasher.update(rows.tobytes())
                hashes = np.concatenate([last, _hashes_of(rows)])
                duplicates += int((hashes[1:] == hashes[:-1]).sum())
                last = hashes[-1:]
            self._totals = hasher.hexdigest(), duplicates
        return self._totals

    def _settle(self) -> Hashes:
        """Sort what is in memory, cheaply if most of it is sorted already."""
        if len(self._recent) > 1 or self._recent_rows:
            self._recent = [np.sort(np.concatenate(self._recent), kind="stable")]
            return self._recent[0]
        return np.empty(0, _ROW)

    def _spill(self) -> None:
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="digests-", dir=self._temporary)
        path = Path(self._directory.name) / f"run-{len(self._spilled):05d}"
        _write(path, self._settle())
        self._spilled.append((path, self._recent_rows))
        self._recent, self._recent_rows = [], 0

    def _sorted_blocks(self) -> Iterator[Hashes]:
        for path, _ in self._spilled:
            yield np.fromfile(path, _ROW)
        recent = self._settle()
        if len(recent):
            yield recent

    def _merged(self) -> Iterator[Hashes]:
        """All rows in order, in pieces of bounded size: of every run a block, up to the lowest of their last rows."""
        runs = [_Run(path, rows) for path, rows in self._spilled]
        recent = self._settle()
        if not runs:
            yield from ([recent] if len(recent) else [])
            return
        runs.append(_Run(recent, len(recent)))
        block = max(_LEAST_BLOCK, min(self._rows_in_memory, _MERGE_ROWS) // len(runs))
        while runs := [run for run in runs if run.fill(block)]:
            bound = min((run.last for run in runs if not run.exhausted), default=None)
            yield np.sort(np.concatenate([run.take(bound) for run in runs]), kind="stable")


class _Run:
    """Sorted rows, in memory or in a file, of which a block is at hand."""

    def __init__(self, source: Path | Hashes, rows: int) -> None:
        self._source = source
        self._rows = rows
        self._next = 0
        self._block = np.empty(0, _ROW)

    @property
    def exhausted(self) -> bool:
        """Nothing comes after the block at hand."""
        return self._next == self._rows

    @property
    def last(self) -> bytes:
        return self._block[-1:].tobytes()

    def fill(self, rows: int) -> bool:
        """Have a block at hand; tell whether there is any row."""
        wanted = min(rows - len(self._block), self._rows - self._next)
        if wanted > 0 and len(self._block) < rows // 2:
            self._block = np.concatenate([self._block, self._read(wanted)])
            self._next += wanted
        return len(self._block) > 0

    def take(self, bound: bytes | None) -> Hashes:
        """Give the rows up to ``bound`` (all for None) and keep the rest."""
        end = len(self._block) if bound is None else int(np.searchsorted(self._block, _one(bound), side="right")[0])
        taken, self._block = self._block[:end], self._block[end:]
        return taken

    def _read(self, rows: int) -> Hashes:
        if isinstance(self._source, Path):
            return np.fromfile(self._source, _ROW, rows, offset=self._next * ROW_BYTES)
        return self._source[self._next : self._next + rows]


def rows_of(batch: pa.RecordBatch) -> Hashes:
    """Give the rows of a chunk as one array of dtype S32: hash, then digest."""
    rows = np.empty((batch.num_rows, 2), _HASH)
    for number, name in enumerate(SCHEMA.names):
        column = batch.column(name)
        start = column.offset * HASH_BYTES
        rows[:, number] = np.frombuffer(column.buffers()[1], _HASH, len(column), start)
    return rows.reshape(-1).view(_ROW)


def hashes_of(batch: pa.RecordBatch) -> Hashes:
    """Give the id hashes of a chunk, dtype S16."""
    return _hashes_of(rows_of(batch))


def _write(path: Path, rows: Hashes) -> None:
    try:
        path.write_bytes(rows.data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise StoreFull(
            f"no room in {path.parent} for {size(rows.nbytes)} of digests: free some, or choose another directory"
        ) from error


def _one(row: bytes) -> Hashes:
    return np.frombuffer(row, _ROW)


def _hashes_of(rows: Hashes) -> Hashes:
    return np.ascontiguousarray(rows).view(_HASH)[::2]


def _as_batch(rows: Hashes) -> pa.RecordBatch:
    halves = np.ascontiguousarray(rows).view(_HASH).reshape(-1, 2)
    columns = [_as_binary(np.ascontiguousarray(half)) for half in (halves[:, 0], halves[:, 1])]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _as_binary(hashes: Hashes) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(HASH_BYTES), len(hashes), [None, pa.py_buffer(hashes)])
