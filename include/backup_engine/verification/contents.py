"""Read everything an archive holds, and calculate again whatever its manifest says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from backup_engine import wording
from backup_engine.archive.batches import rows_with_null_components
from backup_engine.archive.digests import DigestSet, rows_of
from backup_engine.archive.limits import is_configuration, is_digests
from backup_engine.archive.manifest import CollectionSummary, Content, PrivateCollection, Standing
from backup_engine.archive.parts import Part
from backup_engine.archive.reading import ArchiveReader
from backup_engine.model import ProgressEvent
from backup_engine.verification.bases import Bases
from backup_engine.verification.check import Check
from backup_engine.verification.deltas import verify_delta, verify_same
from backup_engine.verification.rows import compare_rows

_DIGESTS = "digests.parquet", "the parts"


def verify_contents(check: Check, reader: ArchiveReader) -> None:
    """Verify every collection; what is damaged in one does not keep the others from being read.

    Of what it builds on, only the digests are read: whether the rest of that is right, its own verification says.
    """
    private = {item.key: item for item in reader.manifest.private.collections}
    stored = {entry.name: entry.bytes for entry in reader.sidecar.archive.entries}
    check.entries, check.bytes = len(stored), sum(stored.values())
    bases = Bases(check.store, reader.manifest.clear, check.temporary)
    for summary in reader.manifest.clear.collections:
        if summary.content is Content.SAME:
            with check.noting(collection=private[summary.key].name):
                check.vectors += verify_same(bases, summary)
        elif summary.standing is not Standing.UNREADABLE:
            _verify_collection(check, reader, bases, summary, private[summary.key])


def _verify_collection(
    check: Check, reader: ArchiveReader, bases: Bases, summary: CollectionSummary, private: PrivateCollection
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
            if summary.content is Content.DELTA:
                check.vectors += verify_delta(reader, bases, summary, digests)
            else:
                compare_rows(map(rows_of, reader.digests(summary.key)), map(rows_of, digests.chunks()), *_DIGESTS)


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
                    total=summary.stored,
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
        if self.digests.count != summary.stored:
            yield f"{self.digests.count:,} vectors; the manifest says {summary.stored:,}"
        if self.digests.duplicates:
            yield f"{wording.count(self.digests.duplicates, 'record')} under an id that another one has"
        if self.coded != summary.coded_parts:
            yield f"{self.coded:,} parts of codes; the manifest says {summary.coded_parts:,}"
        if summary.content is Content.WHOLE and self.digests.state_digest() != summary.state_digest:
            yield f"state digest {self.digests.state_digest()}; the manifest says {summary.state_digest}"
        if not self._irregular_as_listed(summary, private):
            yield f"{len(self.irregular):,} irregular records; the manifest lists {private.irregular_count:,} or others"

    def _irregular_as_listed(self, summary: CollectionSummary, private: PrivateCollection) -> bool:
        """Of a delta the manifest lists those of the whole state, of which the parts hold some."""
        if summary.content is Content.WHOLE:
            listed = tuple(self.irregular[: len(private.irregular)])
            return (len(self.irregular), listed) == (private.irregular_count, private.irregular)
        all_listed = private.irregular_count == len(private.irregular)
        known = not all_listed or set(self.irregular) <= set(private.irregular)
        return known and len(self.irregular) <= private.irregular_count
