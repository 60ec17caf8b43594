"""The two sides of a comparison: a collection in a restore point, or on a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.digests import DigestSet, Hashes, id_hashes, record_digests
from backup_engine.archive.state_index import StateIndex
from backup_engine.diff.rows import WantedRows
from backup_engine.errors import DamagedArchive
from backup_engine.restore_point import RestorePoint


class State(Protocol):
    """One collection at one time. Both methods may be called more than once."""

    def digests(self) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest), sorted."""

    def records(self, wanted: WantedRows) -> Iterator[pa.RecordBatch]:
        """Give the wanted records, each once.

        :raises DamagedArchive: some are not there
        """


class StoredState:
    """A collection in a restore point. Records are looked for in what was stored last first: it is small."""

    def __init__(self, point: RestorePoint, key: str) -> None:
        self._point = point
        self._key = key

    def digests(self) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest), sorted."""
        return self._point.digests(self._key)

    def records(self, wanted: WantedRows) -> Iterator[pa.RecordBatch]:
        """Give the wanted records, reading no further than the last of them.

        :raises DamagedArchive: the chain does not hold them all
        """
        if not len(wanted):
            return
        for reader, key in reversed(self._point.links(self._key)):
            for part in reader.parts(key):
                yield from _filtered(part.batch, wanted)
                if not wanted.lacking:
                    return
        lacking = wording.count(wanted.lacking, "record")
        raise DamagedArchive(f"{self._point.name}: the chain of {self._key} lacks {lacking} that its digests list")


class LiveState:
    """A collection on a server, read once. What is not exactly so on the other side is kept on disk meanwhile.

    :param batches: all its records, as they are read
    :param other: digests of the other side, sorted
    :param directory: where to keep things: 32 bytes for each record, and the records that differ
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], other: Iterable[pa.RecordBatch], directory: Path) -> None:
        self._stack = ExitStack()
        self._digests = self._stack.enter_context(DigestSet(temporary=directory))
        self._kept = directory / "kept"
        try:
            self._read(batches, StateIndex(other, directory / "other"))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        """Give the state; what it holds on disk goes when the block is left."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Let go of it."""
        self._stack.close()

    @property
    def rows(self) -> int:
        """Records that were read."""
        return self._digests.count

    @property
    def duplicates(self) -> int:
        """How many of them have an id that another one has already."""
        return self._digests.duplicates

    def digests(self) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest), sorted."""
        return self._digests.chunks()

    def records(self, wanted: WantedRows) -> Iterator[pa.RecordBatch]:
        """Give the wanted records; of those that are exactly so on the other side there are none here."""
        if not self._kept.exists():
            return
        with pa.OSFile(str(self._kept), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield from _filtered(batch, wanted)

    def _read(self, batches: Iterable[pa.RecordBatch], other: StateIndex) -> None:
        with ExitStack() as stack:
            writer: pa.RecordBatchStreamWriter | None = None
            for batch in batches:
                hashes, digests = id_hashes(batch), record_digests(batch)
                self._digests.add_rows(hashes, digests)
                fresh = batch.filter(pa.array(_unknown(other, hashes, digests)))
                if writer is None and fresh.num_rows:
                    file = stack.enter_context(pa.OSFile(str(self._kept), "wb"))
                    writer = stack.enter_context(pa.ipc.new_stream(file, batch.schema))
                if writer is not None and fresh.num_rows:
                    writer.write_batch(fresh)


def _unknown(other: StateIndex, hashes: Hashes, digests: Hashes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return ~other.equal(other.find(hashes), digests)


def _filtered(batch: pa.RecordBatch, wanted: WantedRows) -> Iterator[pa.RecordBatch]:
    found = wanted.find(batch)
    if found.any():
        yield batch.filter(pa.array(found))
