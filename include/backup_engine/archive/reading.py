"""Read archives, trusting nothing: limits first, then hashes, and only then is anything decoded."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
from pydantic import ValidationError

from backup_engine.archive.canonical import canonical_json
from backup_engine.archive.deleted_file import read_deleted
from backup_engine.archive.digests_file import read_digests
from backup_engine.archive.documents import load_sidecar, parse_configuration, parse_manifest
from backup_engine.archive.entries import END, unseal, unseal_chunks, unseal_unlisted
from backup_engine.archive.limits import (
    MANIFEST_NAME,
    README_NAME,
    check_sidecar,
    is_configuration,
    is_deleted,
    is_digests,
    is_part,
    listed_entries,
)
from backup_engine.archive.manifest import CollectionSummary, Content, Manifest, Sidecar, StoredEntry
from backup_engine.archive.parts import Part, decode_part
from backup_engine.archive.scanning import scan
from backup_engine.archive.sources import AtHand, ByteSource, LocalFile, StoredObject, read_range, tee
from backup_engine.errors import DamagedArchive, UnknownCollection
from backup_engine.model import CollectionConfiguration
from backup_engine.wording import listing

__all__ = ["ArchiveReader", "ByteSource", "LocalFile", "StoredObject", "load_sidecar", "scan"]

_IN_MEMORY = 8 << 20


class ArchiveReader:
    """One archive and what is known about it. Every byte is checked against both hashes before it is used.

    :param temporary: where digests are kept while they are read; None for the system's place
    :raises HostileArchive: the sidecar claims what no honest archive has
    :raises DamagedArchive: truncated, or the sidecar of another archive
    """

    def __init__(self, source: ByteSource, sidecar: Sidecar, *, temporary: Path | None = None) -> None:
        check_sidecar(sidecar, source.size, source.name)
        self._source = source
        self._temporary = temporary
        self._stored = {entry.name: entry for entry in sidecar.archive.entries}
        self._listed = {entry.name: entry for entry in listed_entries(sidecar.manifest)}
        self._collections = {item.key: item for item in sidecar.manifest.clear.collections}
        self.sidecar = sidecar

    @property
    def manifest(self) -> Manifest:
        """The manifest, as the sidecar has it; ``check_frame`` compares it with the one in the archive."""
        return self.sidecar.manifest

    @property
    def name(self) -> str:
        """What the archive is called in messages."""
        return self._source.name

    @contextmanager
    def at_hand(self, directory: Path | None) -> Iterator[ArchiveReader]:
        """Give the same archive for as long as it is read several times: what comes from afar is fetched once.

        :param directory: where it lies meanwhile, as far as there is room; None for the system's place
        """
        if not isinstance(self._source, StoredObject) or not self._source.far:
            yield self
            return
        with tempfile.TemporaryDirectory(prefix="archive-", dir=directory) as made:
            yield ArchiveReader(AtHand(self._source, Path(made)), self.sidecar, temporary=self._temporary)

    def entry(self, name: str) -> bytes:
        """Give the content of one entry, whole.

        :raises DamagedArchive: it is not what was written; the message names archive and entry
        """
        stored = self._place(name)
        raw = read_range(self._source, stored.offset, stored.bytes)
        self._check_stored(stored, hashlib.sha256(raw).hexdigest())
        if name not in self._listed:
            return unseal_unlisted(raw, name, self.name)
        return unseal(raw, self._listed[name], self.name)

    def configuration(self, key: str) -> CollectionConfiguration:
        """Give the collection's configuration.

        :raises DamagedArchive: config.json and the manifest say different things
        """
        collection = self._collection(key)
        name = self._one(collection, is_configuration)
        where = f"{self.name}: {name}"
        value = parse_configuration(self.entry(name), where)
        digest = hashlib.sha256(canonical_json(value.get("configuration")).encode("utf-8")).hexdigest()
        try:
            found = CollectionConfiguration.model_validate(value.get("configuration"))
        except ValidationError as error:
            raise DamagedArchive(f"{where} holds no configuration ({error.error_count()} problems)") from error
        private = next(item for item in self.manifest.private.collections if item.key == key)
        listed = (private.name, private.configuration, collection.configuration_sha256)
        if (value.get("name"), found, digest) != listed or found.dimension != collection.dimension:
            raise DamagedArchive(f"{where} and the manifest describe different collections")
        return found

    def part_names(self, key: str) -> tuple[str, ...]:
        """Names of the collection's parts, in order."""
        return tuple(entry.name for entry in self._collection(key).entries if is_part(entry.name))

    def part(self, key: str, name: str) -> Part:
        """Give one part."""
        return decode_part(self.entry(name), self._collection(key).dimension, f"{self.name}: {name}")

    def parts(self, key: str) -> Iterator[Part]:
        """Give all parts that lie here, in order: of a delta, what is new or changed.

        :raises DamagedArchive: together they do not hold as many records as the manifest says
        """
        rows = 0
        for name in self.part_names(key):
            part = self.part(key, name)
            rows += part.batch.num_rows
            yield part
        expected = self._collection(key).stored
        if rows != expected:
            raise DamagedArchive(f"{self.name}: collection {key} holds {rows:,} vectors; {expected:,} were expected")

    def digests(self, key: str) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, digest), sorted.

        :raises DamagedArchive: they are not sorted, or not as many as there are vectors
        """
        collection = self._collection(key)
        name = self._one(collection, is_digests)
        with self._unsealed(name) as file:
            yield from read_digests(file, collection.vectors, f"{self.name}: {name}")

    def deleted(self, key: str) -> Iterator[pa.RecordBatch]:
        """Give the rows of (id_hash, id) that a delta takes away from its base, sorted by hash; an id may be null.

        Of a collection that is no delta, none.

        :raises DamagedArchive: they are not as many as the manifest says, not sorted, or an id is not the hashed one
        """
        collection = self._collection(key)
        if collection.content is not Content.DELTA:
            return
        name = self._one(collection, is_deleted)
        with self._unsealed(name) as file:
            yield from read_deleted(file, collection.deletions, f"{self.name}: {name}")

    @contextmanager
    def _unsealed(self, name: str) -> Iterator[BinaryIO]:
        """Have the content of an entry in a file, every byte of it checked."""
        stored = self._place(name)
        directory = None if self._temporary is None else str(self._temporary)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=directory) as file:
            hasher = hashlib.sha256()
            raw = tee(self._source.read(stored.offset, stored.bytes), hasher)
            for chunk in unseal_chunks(raw, self._listed[name], self.name):
                file.write(chunk)
            self._check_stored(stored, hasher.hexdigest())
            yield cast("BinaryIO", file)

    def check_frame(self) -> None:
        """Check what belongs to no collection: README.txt, the manifest inside, the end of the archive.

        :raises DamagedArchive: damaged, or the sidecar belongs to another archive
        """
        self.entry(README_NAME)
        inside = parse_manifest(self.entry(MANIFEST_NAME), f"{self.name}: {MANIFEST_NAME}")
        if inside != self.manifest:
            raise DamagedArchive(f"{self.name}: its {MANIFEST_NAME} and the one beside it are of different backups")
        if read_range(self._source, self._source.size - len(END), len(END)) != END:
            raise DamagedArchive(f"{self.name} does not end as archives end: tar's end blocks were expected")

    def _collection(self, key: str) -> CollectionSummary:
        if key not in self._collections:
            raise UnknownCollection(f"{self.name} holds no collection {key!r}; it holds {listing(self._collections)}")
        return self._collections[key]

    def _one(self, collection: CollectionSummary, wanted: Callable[[str], bool]) -> str:
        for entry in collection.entries:
            if wanted(entry.name):
                return entry.name
        if collection.base is not None:
            raise UnknownCollection(
                f"{self.name} holds nothing of collection {collection.key}: all of it lies in {collection.base.name}"
            )
        raise DamagedArchive(f"{self.name}: nothing of collection {collection.key} could be read when it was made")

    def _place(self, name: str) -> StoredEntry:
        if name not in self._stored:
            raise DamagedArchive(f"{self.name} holds no entry {name[:200]!r}")
        return self._stored[name]

    def _check_stored(self, stored: StoredEntry, found: str) -> None:
        if found != stored.sha256:
            raise DamagedArchive(
                f"{self.name}: {stored.name}: its stored bytes have SHA-256 {found}; {stored.sha256} was expected"
            )
