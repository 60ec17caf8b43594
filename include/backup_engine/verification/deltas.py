"""Whether what an incremental says of a collection follows from what it hangs on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from backup_engine.archive.deleted_file import deleted_hashes
from backup_engine.archive.digests import DigestSet, Hashes, hashes_of, rows_of
from backup_engine.archive.manifest import CollectionSummary
from backup_engine.archive.reading import ArchiveReader
from backup_engine.diff.states import changed_rows
from backup_engine.errors import BrokenChain, DamagedArchive
from backup_engine.verification.bases import Bases
from backup_engine.verification.rows import compare_rows


def verify_same(bases: Bases, summary: CollectionSummary) -> int:
    """Make sure that the state a pointer names is there, by its digests, every one of them.

    :returns: records compared
    :raises BrokenChain: it is not
    """
    bases.check(summary)
    counted = _Counted(bases.digests(summary))
    for _ in counted:
        pass
    try:
        counted.must_be(summary, "the digests it points to")
    except DamagedArchive as error:
        raise BrokenChain(str(error)) from error
    return counted.rows


def verify_delta(reader: ArchiveReader, bases: Bases, summary: CollectionSummary, upserts: DigestSet) -> int:
    """Make sure that base, parts and deletions together are the state, record by record; memory is bounded but for
    16 bytes a deletion.

    :param upserts: what the parts hold
    :returns: records of the state that are not in the parts
    :raises DamagedArchive: they are not
    :raises BrokenChain: there is no such base, or its digests cannot be read
    """
    bases.check(summary)
    state = _Counted(reader.digests(summary.key))
    gone: list[Hashes] = []

    def changed() -> Iterator[Hashes]:
        for piece in changed_rows(bases.digests(summary), iter(state)):
            gone.append(piece.gone)
            yield piece.after

    compare_rows(changed(), map(rows_of, upserts.chunks()), "digests.parquet", "its base and the parts")
    state.must_be(summary, "digests.parquet")
    listed = map(deleted_hashes, reader.deleted(summary.key))
    compare_rows(listed, gone, "deleted.parquet", "its base and digests.parquet")
    return state.rows - upserts.count


class _Counted:
    """Digests as they stream, with their count and their digest."""

    def __init__(self, chunks: Iterable[pa.RecordBatch]) -> None:
        self._chunks = chunks
        self._hasher = hashlib.blake2b(digest_size=32)
        self._last: Hashes = np.empty(0, "S16")
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for chunk in self._chunks:
            hashes = np.concatenate([self._last, hashes_of(chunk)])
            if (hashes[1:] == hashes[:-1]).any():
                raise DamagedArchive("digests.parquet lists an id twice")
            self._last = hashes[-1:]
            self._hasher.update(rows_of(chunk).tobytes())
            self.rows += chunk.num_rows
            yield chunk

    def must_be(self, summary: CollectionSummary, what: str) -> None:
        """Compare with what the manifest says, once all of it has passed."""
        found = self._hasher.hexdigest()
        if (self.rows, found) != (summary.vectors, summary.state_digest):
            raise DamagedArchive(
                f"{what}: {self.rows:,} records with state digest {found}; the manifest says {summary.vectors:,} with "
                f"{summary.state_digest}"
            )
