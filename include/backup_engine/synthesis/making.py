"""Make a synthetic full. Interrupted at any instruction it goes on where it was, whoever calls it again, and however
many do so at once: there is one full at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from backup_engine.archive.collection import CollectionWriter
from backup_engine.archive.manifest import CollectionSummary, Folder, PrivateCollection, Sidecar, Standing
from backup_engine.backup import Backup
from backup_engine.capture import staging
from backup_engine.capture.made import backup_of_run
from backup_engine.capture.results import CollectionResult, Fragment
from backup_engine.catalog import Catalog
from backup_engine.commit.freezing import FrozenCommit
from backup_engine.commit.joining import join_backup
from backup_engine.commit.placing import reserve_place
from backup_engine.errors import DamagedArchive, ObjectExists, ObjectNotFound, StoreDenied
from backup_engine.model import Clock, Document, Moment, Progress, ProgressEvent, silent
from backup_engine.restore_point import RestorePoint
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity
from backup_engine.synthesis.deciding import (
    check_equal,
    check_incremental,
    check_sound,
    commit_of,
    details_of,
    manifest_of,
    run_of,
    stored_whole,
)


class Synthesized(Document):
    """A synthetic full, and what it stands for.

    :param of: the incremental whose state it is
    :param bytes: size of the archive
    :param already: an earlier call had made it
    :param left_over: why staging may not be swept; None when it was
    """

    name: str
    folder: Folder
    of: str
    captured_at: Moment
    collections: int
    vectors: int
    bytes: int
    already: bool = False
    left_over: str | None = None


def synthesize(
    store: Store,
    point: str,
    clock: Clock,
    token: str,
    *,
    progress: Progress = silent,
    temporary: Path | None = None,
) -> Synthesized:
    """Store an incremental's state whole, from its chain, or find where that was done.

    :param point: the incremental, as ``Catalog.find`` takes it
    :param token: a word that no other call has
    :param temporary: where digests lie meanwhile (64 bytes a record); None for the system's place
    :raises UnknownBackup: there is no such backup
    :raises InvalidInput: it is a full
    :raises RestoreRefused: it is not good, or not of the whole scope
    :raises BrokenChain: something that it hangs on is missing or damaged
    :raises DamagedArchive: its chain does not come to its state; nothing is committed
    """
    read_identity(store)
    catalog = Catalog(store, clock)
    backup = catalog.find(point)
    check_incremental(backup)
    work = _Work(store, catalog, backup, token, clock, progress, temporary)
    found = backup_of_run(store, work.run)
    sidecar = found or work.make()
    return _told(sidecar, already=found is not None, left_over=work.sweep())


@dataclass(frozen=True, slots=True)
class _Work:
    store: Store
    catalog: Catalog
    backup: Backup
    token: str
    clock: Clock
    progress: Progress
    temporary: Path | None

    @property
    def run(self) -> str:
        return run_of(self.backup)

    def make(self) -> Sidecar:
        """Make it, unless another worker does so meanwhile and sweeps what this one works from."""
        try:
            return self._make()
        except (ObjectNotFound, DamagedArchive):
            made = backup_of_run(self.store, self.run)
            if made is None:
                raise
            return made

    def sweep(self) -> str | None:
        try:
            staging.sweep(self.store, self.run)
        except StoreDenied as error:  # the backup is there, and trying again would not help
            return str(error)
        return None

    def _make(self) -> Sidecar:
        check_sound(self.backup)
        source = self.backup.manifest
        point = self.catalog.open_point(self.backup, temporary=self.temporary)
        commit = self._frozen()
        results = tuple(self._collection(point, summary, private) for summary, private in source.each())
        history = (one.outline for one in self.catalog.backups())
        place = reserve_place(self.store, self.run, commit, history)
        fragments = [one.fragment for one in results if one.fragment]
        join_backup(self.store, manifest_of(source, self.run, commit, place, results), fragments)
        made = backup_of_run(self.store, self.run)
        if made is None:
            raise DamagedArchive(
                f"{self.store.url}: the manifest of {place.name} was written, and is not there; check the store"
            )
        return made

    def _frozen(self) -> FrozenCommit:
        """Give what the first attempt decided."""
        key, commit = staging.frozen_key(self.run), commit_of(self.backup)
        with suppress(ObjectExists):
            staging.keep(self.store, key, commit)
            return commit
        return staging.load(self.store, key, FrozenCommit)

    def _collection(
        self, point: RestorePoint, summary: CollectionSummary, private: PrivateCollection
    ) -> CollectionResult:
        """Write a collection, or find it written: what an attempt finished is not made again."""
        key = f"{self._folder}{summary.key}.json"
        with suppress(ObjectNotFound):
            return staging.load(self.store, key, CollectionResult)
        result = self._write(point, summary, private)
        with suppress(ObjectExists):
            staging.keep(self.store, key, result)
            return result
        return staging.load(self.store, key, CollectionResult)

    def _write(self, point: RestorePoint, summary: CollectionSummary, private: PrivateCollection) -> CollectionResult:
        if summary.standing is Standing.UNREADABLE:
            return CollectionResult(summary=summary, private=private, fragment=None)
        configuration = point.configuration(summary.key)
        writer = CollectionWriter(
            summary.key, private.name, configuration, self.backup.started_at, temporary=self.temporary
        )
        key = f"{self._folder}{summary.key}.{self.token}.fragment"
        info = self.store.create(key, writer.fragments(self._read(point, summary, private.name)))
        check_equal(self.backup.name, summary, writer.written)
        fragment = Fragment(key=key, bytes=info.size, stored=writer.written.stored)
        return CollectionResult(
            summary=stored_whole(summary, writer.written),
            private=details_of(private, writer.written),
            fragment=fragment,
        )

    def _read(self, point: RestorePoint, summary: CollectionSummary, name: str) -> Iterator[pa.RecordBatch]:
        began, done, size = self.clock(), 0, 0
        for part in point.parts(summary.key):
            yield part.batch
            done, size = done + part.batch.num_rows, size + int(part.batch.nbytes)
            seconds = max(0.0, (self.clock() - began).total_seconds())
            self.progress(
                ProgressEvent(
                    step="synthesize", subject=name, done=done, total=summary.vectors, bytes=size, seconds=seconds
                )
            )

    @property
    def _folder(self) -> str:
        return f"{staging.run_prefix(self.run)}synthesis/"


def _told(sidecar: Sidecar, *, already: bool, left_over: str | None) -> Synthesized:
    clear = sidecar.manifest.clear
    return Synthesized(
        name=clear.name,
        folder=clear.folder,
        of=str(clear.synthesized_from),
        captured_at=clear.captured_at,
        collections=len(clear.collections),
        vectors=clear.vectors,
        bytes=sidecar.archive.bytes,
        already=already,
        left_over=left_over,
    )
