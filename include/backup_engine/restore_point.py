"""A restore point: a backup together with its chain, read as if it were one archive.

A record belongs to the state if its row is among the state's digests, whichever link it lies in; so a deletion is
honoured without being read, and what a restore is given is proved to be the state while it streams.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.digests import id_hashes, record_digests
from backup_engine.archive.manifest import Manifest, Sidecar, Standing, archive_key
from backup_engine.archive.parts import Part
from backup_engine.archive.reading import ArchiveReader, StoredObject
from backup_engine.archive.state_index import Mask, Positions, StateIndex
from backup_engine.backup import Backup
from backup_engine.chain import Backups, chain_of
from backup_engine.errors import DamagedArchive, UnknownCollection
from backup_engine.model import CollectionConfiguration
from backup_engine.storage.contract import Store


class StoredLink(NamedTuple):
    """One archive of a chain, and the collection's key in it."""

    reader: ArchiveReader
    key: str


Chains = Mapping[str, tuple[StoredLink, ...]]
"""By the collection's key in the restore point: its links, the oldest first."""


class RestorePoint:
    """A state that can be restored. Every byte is checked before it is used.

    :param temporary: where digests lie while collections are put together (32 bytes a record); None for the system's
        place
    """

    def __init__(self, manifest: Manifest, chains: Chains, *, temporary: Path | None = None) -> None:
        self.manifest = manifest
        self._chains = chains
        self._temporary = temporary

    @property
    def name(self) -> str:
        """The backup's."""
        return self.manifest.clear.name

    def links(self, key: str) -> tuple[StoredLink, ...]:
        """Give the archives that a collection lies in, the oldest first.

        :raises UnknownCollection: the backup holds none under this key
        """
        if key not in self._chains:
            raise UnknownCollection(
                f"{self.name} holds no collection {key!r} that can be read; it holds {wording.listing(self._chains)}"
            )
        return self._chains[key]

    def configuration(self, key: str) -> CollectionConfiguration:
        """Give the collection's configuration."""
        reader, there = self.links(key)[-1]
        return reader.configuration(there)

    def digests(self, key: str) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest) of the collection's state, sorted."""
        reader, there = self.links(key)[-1]
        return reader.digests(there)

    def parts(self, key: str) -> Iterator[Part]:
        """Give every record of the collection's state once: those stored first come first.

        :raises DamagedArchive: the chain does not give all of the state
        """
        links = self.links(key)
        if len(links) == 1:
            yield from links[0].reader.parts(links[0].key)
            return
        with tempfile.TemporaryDirectory(prefix="state-", dir=self._temporary) as directory:
            yield from _merged(links, StateIndex(self.digests(key), Path(directory)), f"{self.name}: {key}")

    @contextmanager
    def at_hand(self, directory: Path | None) -> Iterator[RestorePoint]:
        """Give the same point for as long as it is read several times: what comes from afar is fetched once."""
        with ExitStack() as stack:
            readers = {id(link.reader): link.reader for links in self._chains.values() for link in links}
            near = {number: stack.enter_context(reader.at_hand(directory)) for number, reader in readers.items()}
            chains = {
                key: tuple(StoredLink(near[id(link.reader)], link.key) for link in links)
                for key, links in self._chains.items()
            }
            yield RestorePoint(self.manifest, chains, temporary=self._temporary)


def open_restore_point(
    store: Store,
    backup: Backup,
    backups: Backups,
    *,
    keys: Collection[str] | None = None,
    temporary: Path | None = None,
) -> RestorePoint:
    """Open a backup of a store with all that it hangs on.

    :param backups: those of the store, by name
    :param keys: of the collections that will be read; None: all
    :raises BrokenChain: one of them is missing, damaged, or another than it should be
    """
    readers: dict[str, ArchiveReader] = {}

    def reader_of(one: Backup) -> ArchiveReader:
        if one.name not in readers:
            source = StoredObject(store, archive_key(one.folder, one.name))
            sidecar = Sidecar(manifest=one.manifest, archive=one.archive)
            readers[one.name] = ArchiveReader(source, sidecar, temporary=temporary)
        return readers[one.name]

    chains = {
        summary.key: tuple(
            StoredLink(reader_of(link.backup), link.summary.key) for link in chain_of(backup, summary.key, backups)
        )
        for summary in backup.manifest.clear.collections
        if summary.standing is not Standing.UNREADABLE and (keys is None or summary.key in keys)
    }
    return RestorePoint(backup.manifest, chains, temporary=temporary)


def lone_restore_point(reader: ArchiveReader, *, temporary: Path | None = None) -> RestorePoint:
    """Take an archive that needs no other, a full, for the restore point it is."""
    keys = [one.key for one in reader.manifest.clear.collections if one.standing is not Standing.UNREADABLE]
    return RestorePoint(reader.manifest, {key: (StoredLink(reader, key),) for key in keys}, temporary=temporary)


def _merged(links: Sequence[StoredLink], state: StateIndex, where: str) -> Iterator[Part]:
    if not state.rows:
        return
    given = np.zeros(state.rows, np.bool_)
    for reader, key in links:
        for part in reader.parts(key):
            at = state.find(id_hashes(part.batch))
            wanted = state.equal(at, record_digests(part.batch))
            wanted &= ~given[at] & _first(at)
            given[at[wanted]] = True
            if wanted.any():
                yield part.filtered(wanted)
    if not given.all():
        lacking = wording.count(int((~given).sum()), "record")
        raise DamagedArchive(f"{where}: its chain of {len(links)} archives lacks {lacking} of {state.rows:,}")


def _first(positions: Positions) -> Mask:
    """Mark where each of these comes first."""
    first = np.zeros(len(positions), np.bool_)
    first[np.unique(positions, return_index=True)[1]] = True
    return first
