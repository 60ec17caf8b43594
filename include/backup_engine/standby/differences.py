"""What makes one state of a collection of another: records to write, ids to delete. Kept on disk, 32 bytes each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backup_engine import wording
from backup_engine.archive.deleted_file import deleted_hashes
from backup_engine.archive.digests import ROW_BYTES, Hashes
from backup_engine.archive.parts import Part
from backup_engine.diff.rows import WantedRows
from backup_engine.diff.sides import StoredState
from backup_engine.diff.states import among, changed_rows, id_part
from backup_engine.errors import DamagedArchive
from backup_engine.restore_point import RestorePoint

_ROW = np.dtype(f"S{ROW_BYTES}")


class Stored(NamedTuple):
    """A collection in a restore point."""

    point: RestorePoint
    key: str


class Difference:
    """From the state before to the state after.

    :param directory: an empty one of its own; whoever made it removes it
    """

    def __init__(self, before: Stored, after: Stored, directory: Path) -> None:
        self._before, self._after = before, after
        self._directory = directory
        self._gone = directory / "gone"
        self._wanted = WantedRows(directory / "wanted")
        with self._gone.open("wb") as file:
            for piece in changed_rows(before.point.digests(before.key), after.point.digests(after.key)):
                self._wanted.add(piece.after)
                rows = piece.before[among(id_part(piece.before), piece.gone)]
                file.write(np.ascontiguousarray(rows).data)
        self.deletions = self._gone.stat().st_size // ROW_BYTES

    @property
    def upserts(self) -> int:
        """Records to write."""
        return len(self._wanted)

    def parts(self) -> Iterator[Part]:
        """Give the records to write, those stored last first; once.

        :raises DamagedArchive: the chain does not hold them all
        """
        if not self.upserts:
            return
        for reader, key in reversed(self._after.point.links(self._after.key)):
            for part in reader.parts(key):
                found = self._wanted.find(part.batch)
                if found.any():
                    yield part.filtered(found)
                if not self._wanted.lacking:
                    return
        lacking = wording.count(self._wanted.lacking, "record")
        raise DamagedArchive(f"{self._after.point.name}: the chain of {self._after.key} lacks {lacking} of its state")

    def ids(self) -> Iterator[list[str]]:
        """Give the ids to delete: as the deltas in between name them, the others out of the chain of the state before.

        :raises DamagedArchive: neither knows one of them
        """
        if not self.deletions:
            return
        rows: Hashes = np.memmap(self._gone, _ROW, "r")
        found = np.zeros(len(rows), np.bool_)
        yield from self._named(id_part(rows), found)
        if not found.all():
            rest = WantedRows(self._directory / "rest")
            rest.add(np.asarray(rows[~found]))
            for batch in StoredState(*self._before).records(rest):
                yield batch.column("id").to_pylist()

    def _named(self, gone: Hashes, found: npt.NDArray[np.bool_]) -> Iterator[list[str]]:
        """Look into the lists of what deltas took away, as far as ids are known there."""
        for reader, key in reversed(self._after.point.links(self._after.key)):
            for batch in reader.deleted(key):
                hashes = deleted_hashes(batch)
                at = np.minimum(np.searchsorted(gone, hashes), len(gone) - 1)
                known = batch.column("id").is_valid().to_numpy(zero_copy_only=False)
                wanted = (gone[at] == hashes) & ~found[at] & known
                found[at[wanted]] = True
                yield [text for text, meant in zip(batch.column("id").to_pylist(), wanted, strict=True) if meant]
