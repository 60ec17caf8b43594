"""The archives that a capture builds on: what they say of a collection, its digests, and the ids behind hashes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from backup_engine.archive.digests import Hashes, id_hashes
from backup_engine.archive.manifest import Base, CollectionSummary, PrivateCollection, archive_key
from backup_engine.archive.reading import ArchiveReader, StoredObject, load_sidecar
from backup_engine.chain import LONGEST
from backup_engine.errors import BackupError, DamagedArchive, HostileArchive, ObjectNotFound, UnknownFormat
from backup_engine.storage.contract import Store

_LOST = (ObjectNotFound, DamagedArchive, HostileArchive, UnknownFormat)


class LostBase(Exception):
    """What a collection was to be compared with cannot be read (any more): it is stored whole."""


class Held(NamedTuple):
    """A collection as the archive that stores its state holds it."""

    reader: ArchiveReader
    summary: CollectionSummary
    private: PrivateCollection


class _Opened(NamedTuple):
    reader: ArchiveReader
    collections: dict[str, tuple[CollectionSummary, PrivateCollection]]


class BaseArchives:
    """Archives of one store, each opened once.

    :param temporary: where digests lie while they are read; None for the system's place
    """

    def __init__(self, store: Store, temporary: Path | None = None) -> None:
        self._store = store
        self._temporary = temporary
        self._opened: dict[str, _Opened] = {}

    def held(self, base: Base) -> Held:
        """Open what a base names.

        :raises LostBase: it is not there, or not what was meant
        """
        with _losing(base):
            opened = self._open(base)
        found = opened.collections.get(base.key)
        run_key = opened.reader.manifest.clear.run_key
        if found is None or (run_key, found[0].state_digest) != (base.run_key, base.state_digest):
            raise LostBase(f"{base.name} is another backup than it was when this capture was planned")
        return Held(opened.reader, *found)

    def digests(self, base: Base) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest) of the state, sorted.

        :raises LostBase: they cannot be read
        """
        held = self.held(base)
        with _losing(base):
            yield from held.reader.digests(base.key)

    def ids(self, base: Base, hashes: Hashes) -> list[str]:
        """Give the ids of records of the state, as long as ``hashes`` and in that order; what is newest is read first.

        :raises LostBase: what is stored does not have all of them, or cannot be read
        """
        if not len(hashes):
            return []
        order = np.argsort(hashes)
        wanted, found = hashes[order], np.full(len(hashes), None, object)
        left = len(hashes)
        for batch in self._stored(base):
            if not left:
                break
            left -= _fill(found, wanted, batch)
        if left:
            raise LostBase(f"{left:,} records of {base.name} are in none of the archives it hangs on")
        texts = np.empty(len(hashes), object)
        texts[order] = found
        given: list[str] = texts.tolist()
        return given

    def _stored(self, base: Base) -> Iterator[pa.RecordBatch]:
        """Give the batches of the whole chain, the newest link first."""
        link: Base | None = base
        for _ in range(LONGEST):
            if link is None:
                return
            held = self.held(link)
            with _losing(link):
                yield from (part.batch for part in held.reader.parts(link.key))
            link = held.summary.base

    def _open(self, base: Base) -> _Opened:
        if base.name not in self._opened:
            sidecar = load_sidecar(self._store, base.folder, base.name)
            source = StoredObject(self._store, archive_key(base.folder, base.name))
            reader = ArchiveReader(source, sidecar, temporary=self._temporary)
            collections = {pair[0].key: pair for pair in sidecar.manifest.each()}
            self._opened[base.name] = _Opened(reader, collections)
        return self._opened[base.name]


def _fill(found: np.ndarray[tuple[int], np.dtype[np.object_]], wanted: Hashes, batch: pa.RecordBatch) -> int:
    """Note the ids of a batch that are wanted; tell how many were new."""
    hashes = id_hashes(batch)
    at = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    rows = np.flatnonzero(wanted[at] == hashes)
    rows = rows[[found[place] is None for place in at[rows]]]
    places, first = np.unique(at[rows], return_index=True)
    found[places] = batch.column("id").take(pa.array(rows[first])).to_pylist()
    return len(places)


@contextmanager
def _losing(base: Base) -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        raise LostBase(_why(base, error)) from error


def _why(base: Base, error: BackupError) -> str:
    return f"{base.name} cannot be read: {error}"
