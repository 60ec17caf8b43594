"""What a backup hangs on, as far as verifying it needs that: its bases' manifests and digests, never their records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from backup_engine.archive.manifest import Base, Clear, CollectionSummary, Content, Sidecar, Standing, archive_key
from backup_engine.archive.reading import ArchiveReader, StoredObject, load_sidecar
from backup_engine.errors import BrokenChain, DamagedArchive, HostileArchive, ObjectNotFound, UnknownFormat
from backup_engine.storage.contract import Store

_UNREADABLE = (DamagedArchive, HostileArchive, UnknownFormat, ObjectNotFound)


class Bases:
    """The backups that the collections of one backup directly hang on, in the same store.

    :param temporary: where digests lie while they are read; None for the system's place
    """

    def __init__(self, store: Store, backup: Clear, temporary: Path | None) -> None:
        self._store = store
        self._backup = backup
        self._temporary = temporary
        self._opened: dict[str, _Opened] = {}

    def check(self, summary: CollectionSummary) -> None:
        """Make sure, by its manifest, that what a collection hangs on is there and is what was meant.

        :raises BrokenChain: it is not
        """
        base = _base_of(summary)
        opened = self._open(base)
        clear = opened.sidecar.manifest.clear
        if clear.run_key != base.run_key or clear.captured_at > self._backup.captured_at:
            raise BrokenChain(f"it hangs on a {base.name} of another run; the one that is there does not fit it")
        there = opened.collections.get(base.key)
        if there is None or there.content is Content.SAME or there.standing is Standing.UNREADABLE:
            raise BrokenChain(f"it hangs on collection {base.key} of {base.name}, which stores nothing under that key")
        if there.state_digest != base.state_digest:
            raise BrokenChain(
                f"it hangs on the state {base.state_digest} of collection {base.key} of {base.name}; what is there has "
                f"{there.state_digest}"
            )
        if (there.dimension, there.configuration_sha256) != (summary.dimension, summary.configuration_sha256):
            raise BrokenChain(f"it hangs on collection {base.key} of {base.name}, which is configured otherwise")

    def digests(self, summary: CollectionSummary) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest) of the state that a collection hangs on, sorted.

        :raises BrokenChain: they cannot be read
        """
        base = _base_of(summary)
        opened = self._open(base)
        try:
            if opened.reader is None:
                source = StoredObject(self._store, archive_key(base.folder, base.name))
                opened.reader = ArchiveReader(source, opened.sidecar, temporary=self._temporary)
            yield from opened.reader.digests(base.key)
        except _UNREADABLE as error:
            raise BrokenChain(f"the state that it hangs on cannot be read: {error}") from error

    def _open(self, base: Base) -> _Opened:
        if base.name not in self._opened:
            try:
                self._opened[base.name] = _Opened(load_sidecar(self._store, base.folder, base.name))
            except ObjectNotFound as error:
                raise BrokenChain(f"it hangs on {base.folder.value}/{base.name}, which is not there") from error
            except _UNREADABLE as error:
                raise BrokenChain(f"it hangs on {base.name}, whose manifest cannot be read: {error}") from error
        return self._opened[base.name]


class _Opened:
    """A base as far as it was needed: its archive is opened once, whatever number of collections hang on it."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.collections = {one.key: one for one in sidecar.manifest.clear.collections}
        self.reader: ArchiveReader | None = None


def _base_of(summary: CollectionSummary) -> Base:
    if summary.base is None:
        raise BrokenChain(f"collection {summary.key} says neither what is stored of it here nor where the rest is")
    return summary.base
