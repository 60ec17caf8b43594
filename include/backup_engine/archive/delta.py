"""Write what changed of one collection since a state as a fragment: records that are new or otherwise, ids that are
gone, and the digests of all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.collection import (
    WrittenCollection,
    configuration_document,
    configuration_sha256,
    written_collection,
)
from backup_engine.archive.deleted_file import write_deleted
from backup_engine.archive.digests import DigestSet, Hashes, id_hashes, record_digests
from backup_engine.archive.fragment_entries import FragmentEntries
from backup_engine.archive.state_index import Mask, StateIndex
from backup_engine.model import CollectionConfiguration


class Gone(NamedTuple):
    """What became of records of the base that a reading did not give.

    :param hashes: id hashes of those that are deleted
    :param ids: their ids, in the same order; None where the id is not known
    :param alive: id hashes of those that the server has all the same: they stay as the base has them
    """

    hashes: Hashes
    ids: Sequence[str | None]
    alive: Hashes


class DeltaWriter:
    """Writes one collection as a delta, once; memory stays at a few parts, and a byte a record of the base.

    :param key: "c0001", unique in the backup
    :param modified_at: the time tar shows for the files
    :param base: the state that the delta builds on
    :param gone: tells what became of these records of the base; asked once, when everything was read
    :param digests: the set to fill with the new state, for a caller who wants to ask it afterwards
    :param temporary: where digests are spilled to; None for the system's place
    """

    def __init__(
        self,
        key: str,
        name: str,
        configuration: CollectionConfiguration,
        modified_at: datetime,
        *,
        base: StateIndex,
        gone: Callable[[Hashes], Gone],
        digests: DigestSet | None = None,
        temporary: Path | None = None,
    ) -> None:
        self._key = key
        self._config = configuration_document(name, configuration)
        self._configuration_sha256 = configuration_sha256(configuration)
        self._entries = FragmentEntries(key, name, modified_at, temporary)
        self._base = base
        self._gone = gone
        self._digests = digests
        self._temporary = temporary
        self.written: WrittenCollection
        """What was written; there once ``fragments`` is exhausted."""

    def fragments(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """Give the fragment piece by piece: config.json, the parts, deleted.parquet, digests.parquet.

        :param batches: every record of the collection, in any order
        :raises CaptureRefused: a record is larger than any backup holds
        :raises ValueError: ``gone`` did not decide about each record that it was asked for once
        """
        with ExitStack() as stack:
            digests = self._digests or stack.enter_context(DigestSet(temporary=self._temporary))
            seen = np.zeros(self._base.rows, np.bool_)
            yield from self._entries.sealed("config.json", len(self._config), [self._config])
            yield from self._entries.parts(self._changed(batches, digests, seen))
            gone = self._left(np.flatnonzero(~seen), digests)
            yield from self._deleted(gone)
            yield from self._entries.digests(digests)
            self.written = written_collection(
                self._key, self._entries, digests, self._configuration_sha256, len(gone.hashes)
            )

    def _changed(self, batches: Iterable[pa.RecordBatch], digests: DigestSet, seen: Mask) -> Iterator[pa.RecordBatch]:
        """Pass on what the base has not or has otherwise, and note all of it."""
        for batch in batches:
            hashes, content = id_hashes(batch), record_digests(batch)
            digests.add_rows(hashes, content)
            at = self._base.find(hashes)
            seen[at[at >= 0]] = True
            same = self._base.equal(at, content)
            if not same.all():
                yield batch.filter(pa.array(~same)) if same.any() else batch

    def _left(self, rows: npt.NDArray[np.intp], digests: DigestSet) -> Gone:
        """Decide about the records of the base that did not come."""
        if not len(rows):
            nothing = self._base.hashes_at(rows)
            return Gone(nothing, (), nothing)
        asked = self._base.hashes_at(rows)
        gone = self._gone(asked)
        answered = np.sort(np.concatenate([gone.hashes, gone.alive]))
        if len(gone.ids) != len(gone.hashes) or len(answered) != len(asked) or (answered != asked).any():
            raise ValueError(f"{len(asked):,} records were asked for; others, or not all of them, were decided about")
        digests.add_rows(gone.alive, self._base.digests_at(self._base.find(gone.alive)))
        return gone

    def _deleted(self, gone: Gone) -> Iterator[bytes]:
        with self._entries.temporary_file() as file:
            write_deleted(gone.hashes, gone.ids, file)
            yield from self._entries.file("deleted.parquet", file)
