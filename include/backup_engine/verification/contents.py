"""Read everything an archive holds, and calculate again whatever its manifest says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.batches import rows_with_null_components
from backup_engine.archive.digests import DigestSet, Hashes, rows_of
from backup_engine.archive.limits import is_configuration, is_digests
from backup_engine.archive.manifest import CollectionSummary, PrivateCollection, Standing
from backup_engine.archive.parts import Part
from backup_engine.archive.reading import ArchiveReader
from backup_engine.errors import DamagedArchive
from backup_engine.model import ProgressEvent
from backup_engine.verification.check import Check


def verify_contents(check: Check, reader: ArchiveReader) -> None:
    """Verify every collection; what is damaged in one does not keep the others from being read."""
    private = {item.key: item for item in reader.manifest.private.collections}
    stored = {entry.name: entry.bytes for entry in reader.sidecar.archive.entries}
    check.entries, check.bytes = len(stored), sum(stored.values())
    for summary in reader.manifest.clear.collections:
        if summary.standing is not Standing.UNREADABLE:
            _verify_collection(check, reader, summary, private[summary.key])


def _verify_collection(
    check: Check, reader: ArchiveReader, summary: CollectionSummary, private: PrivateCollection
) -> None:
    problems = len(check.problems)
    with check.noting(collection=private.name, entry=_file(summary, is_configuration)):
        reader.configuration(summary.key)
    with DigestSet(temporary=check.temporary) as digests:
        tally = _Tally(digests)
        _read_parts(check, reader, summary, private.name, tally)
        check.vectors += digests.count
        if len(check.problems) > problems:  # one problem, and not also all that follows from it
            return
        for what in tally.differences(summary, private):
            check.blame(what, collection=private.name)
        with check.noting(collection=private.name, entry=_file(summary, is_digests)):
            _compare_digests(reader, summary.key, digests)


def _file(summary: CollectionSummary, wanted: Callable[[str], bool]) -> str | None:
    return next((entry.name for entry in summary.entries if wanted(entry.name)), None)


def _read_parts(check: Check, reader: ArchiveReader, summary: CollectionSummary, name: str, tally: _Tally) -> None:
    began, size = check.clock(), 0
    for entry in reader.part_names(summary.key):
        with check.noting(collection=name, entry=entry):
            part = reader.part(summary.key, entry)
            tally.add(part)
            size += part.batch.nbytes
            check.progress(
                ProgressEvent(
                    step="verify",
                    subject=name,
                    done=tally.digests.count,
                    total=summary.vectors,
                    bytes=size,
                    seconds=max(0.0, (check.clock() - began).total_seconds()),
                )
            )


@dataclass(slots=True)
class _Tally:
    """What the parts of a collection really hold."""

    digests: DigestSet
    coded: int = 0
    irregular: list[str] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Take in a part."""
        self.digests.add(part.batch)
        self.coded += part.codes is not None
        ids = part.batch.column("id")
        self.irregular += [ids[row].as_py() for row in np.flatnonzero(rows_with_null_components(part.batch)).tolist()]

    def differences(self, summary: CollectionSummary, private: PrivateCollection) -> Iterator[str]:
        """Compare it with what the manifest says."""
        if self.digests.count != summary.vectors:
            yield f"{self.digests.count:,} vectors; the manifest says {summary.vectors:,}"
        if self.digests.duplicates:
            yield f"{wording.count(self.digests.duplicates, 'record')} under an id that another one has"
        if self.digests.state_digest() != summary.state_digest:
            yield f"state digest {self.digests.state_digest()}; the manifest says {summary.state_digest}"
        if self.coded != summary.coded_parts:
            yield f"{self.coded:,} parts of codes; the manifest says {summary.coded_parts:,}"
        listed = tuple(self.irregular[: len(private.irregular)])
        if (len(self.irregular), listed) != (private.irregular_count, private.irregular):
            yield f"{len(self.irregular):,} irregular records; the manifest lists {private.irregular_count:,} or others"


def _compare_digests(reader: ArchiveReader, key: str, digests: DigestSet) -> None:
    """Compare stored and calculated digests piece by piece; both come sorted."""
    stored, calculated = _Rows(reader.digests(key)), _Rows(digests.chunks())
    row = 0
    while rows := min(stored.fill(), calculated.fill()):
        differing = np.flatnonzero(stored.take(rows) != calculated.take(rows))
        if len(differing):
            raise DamagedArchive(f"digests.parquet is not what the parts give, from row {row + int(differing[0]):,} on")
        row += rows
    if stored.fill() or calculated.fill():
        raise DamagedArchive(f"digests.parquet and the parts do not give equally many rows; {row:,} are equal")


class _Rows:
    """Sorted rows, some of them at hand."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._coming = (rows_of(batch) for batch in batches if batch.num_rows)
        self._held: Hashes = np.empty(0, "S1")

    def fill(self) -> int:
        """Have rows at hand if there are any; tell how many."""
        if not len(self._held):
            self._held = next(self._coming, self._held)
        return len(self._held)

    def take(self, rows: int) -> Hashes:
        """Give so many of them."""
        taken, self._held = self._held[:rows], self._held[rows:]
        return taken
