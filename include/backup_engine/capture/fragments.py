"""Fragments of one collection: each reading into one of its own, of which one is joined in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import pyarrow as pa

from backup_engine.archive.batches import batch_bytes
from backup_engine.archive.collection import CollectionWriter, WrittenCollection
from backup_engine.archive.delta import DeltaWriter
from backup_engine.archive.digests import Hashes
from backup_engine.archive.entries import unseal
from backup_engine.archive.limits import is_part
from backup_engine.archive.parts import decode_part
from backup_engine.capture import staging
from backup_engine.capture.comparing import Comparison
from backup_engine.capture.desk import Desk
from backup_engine.capture.plan import PlannedCollection
from backup_engine.capture.results import Fragment
from backup_engine.errors import StoreDenied, UnexpectedAnswer
from backup_engine.model import CollectionConfiguration, ProgressEvent


class Written(NamedTuple):
    """One fragment and what it holds."""

    fragment: Fragment
    holds: WrittenCollection


class FragmentWriter:
    """Writes the fragments of one collection.

    :param numbers: of its fragments, never one twice
    :param comparison: with what its deltas build on; None: it is stored whole
    """

    def __init__(
        self,
        planned: PlannedCollection,
        configuration: CollectionConfiguration,
        desk: Desk,
        numbers: Iterator[int],
        comparison: Comparison | None = None,
    ) -> None:
        self._planned = planned
        self._comparison = comparison
        self._configuration = configuration
        self._desk = desk
        self._numbers = numbers
        self._keys: list[str] = []

    def write(self, batches: Iterable[pa.RecordBatch], known: Iterable[Hashes] = ()) -> Written:
        """Write a fragment as the batches come; when they break off, none is left.

        :param known: ids of records that belong to it too, as the state has them that it is compared with
        """
        desk = self._desk
        key = staging.fragment_key(desk.plan_key, self._planned.key, desk.token, next(self._numbers))
        writer = self._new_writer()
        given = batches if self._comparison is None else self._comparison.passing(batches, known)
        info = desk.store.create(key, writer.fragments(given))
        self._keys.append(key)
        return Written(Fragment(key=key, bytes=info.size, stored=writer.written.stored), writer.written)

    def _new_writer(self) -> CollectionWriter | DeltaWriter:
        desk, described = self._desk, (self._planned.key, self._planned.state.name, self._configuration)
        if self._comparison is None:
            return CollectionWriter(*described, desk.plan.started_at, temporary=desk.temporary)
        base, gone = self._comparison.index, self._comparison.gone
        return DeltaWriter(*described, desk.plan.started_at, base=base, gone=gone, temporary=desk.temporary)

    def read_again(self, written: Written) -> Iterator[pa.RecordBatch]:
        """Give the records that a fragment stores, in the order they were written."""
        for entry, place in zip(written.holds.entries, written.fragment.stored, strict=True):
            if is_part(entry.name):
                key = written.fragment.key
                stored = b"".join(self._desk.store.read(key, offset=place.offset, length=place.bytes))
                yield decode_part(unseal(stored, entry, key), self._configuration.dimension, key).batch

    def remove_all_but(self, kept: Fragment | None) -> None:
        """Make room: readings that were not kept are not needed any more.

        Where nothing may be deleted they stay, and the commit says so.
        """
        left = [] if kept is None else [kept.key]
        others = [key for key in self._keys if key not in left]
        if others:
            with suppress(StoreDenied):
                self._desk.store.delete(others)
        self._keys = left

    def checked(self, batches: Iterable[pa.RecordBatch], total: int) -> Iterator[pa.RecordBatch]:
        """Pass a reading through, telling how far it is.

        :param total: records to expect
        :raises UnexpectedAnswer: vectors of another dimension come than the configuration has
        """
        started, done, size = self._desk.clock(), 0, 0
        for batch in batches:
            self._check_dimension(batch)
            yield batch
            done, size = done + batch.num_rows, size + batch_bytes(batch)
            self._desk.progress(
                ProgressEvent(
                    step="export",
                    subject=self._planned.state.name,
                    done=done,
                    total=total,
                    bytes=size,
                    seconds=max(0.0, (self._desk.clock() - started).total_seconds()),
                )
            )

    def _check_dimension(self, batch: pa.RecordBatch) -> None:
        given, expected = batch.schema.field("vector").type.list_size, self._configuration.dimension
        if given != expected:
            name = self._planned.state.name
            raise UnexpectedAnswer(f"{name!r} has {expected} dimensions, and vectors of {given} came; read it again")
