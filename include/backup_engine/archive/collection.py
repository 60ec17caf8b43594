"""Write one collection as a fragment: sealed entries, streamed as they are made, that later join others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from backup_engine.archive.canonical import canonical_json
from backup_engine.archive.digests import DigestSet
from backup_engine.archive.fragment_entries import LISTED_IRREGULAR, FragmentEntries, slug
from backup_engine.archive.manifest import Entry, StoredEntry
from backup_engine.model import CollectionConfiguration, Document

__all__ = ["LISTED_IRREGULAR", "CollectionWriter", "WrittenCollection", "configuration_document", "slug"]


class WrittenCollection(Document):
    """A collection as it lies in its fragment.

    :param entries: its files, in order
    :param stored: where they lie; offsets count from the start of the fragment
    :param vectors: records of its state
    :param bytes: of the fragment
    :param state_digest: BLAKE2b-256, hex, over the rows of digests.parquet
    :param configuration_sha256: of the canonical JSON of the configuration, without the name
    :param coded_parts: parts that hold SQ8 codes
    :param irregular: ids of records, among those written, with components the server gave as null (the first thousand)
    :param irregular_count: how many there are
    :param duplicates: records whose id an earlier one has already
    :param upserts: of a delta: records in the parts
    :param deletions: of a delta: records of the base that are gone
    """

    key: str
    entries: tuple[Entry, ...]
    stored: tuple[StoredEntry, ...]
    vectors: int
    bytes: int
    state_digest: str
    configuration_sha256: str
    coded_parts: int
    irregular: tuple[str, ...]
    irregular_count: int
    duplicates: int
    upserts: int = 0
    deletions: int = 0


class CollectionWriter:
    """Writes one collection, once; memory stays at a few parts whatever its size.

    :param key: "c0001", unique in the backup
    :param modified_at: the time tar shows for the files
    :param digests: the set to fill, for a caller who wants to ask it afterwards; by default one of its own
    :param temporary: where digests are spilled to; None for the system's place
    """

    def __init__(
        self,
        key: str,
        name: str,
        configuration: CollectionConfiguration,
        modified_at: datetime,
        *,
        digests: DigestSet | None = None,
        temporary: Path | None = None,
    ) -> None:
        self._key = key
        self._config = configuration_document(name, configuration)
        self._configuration_sha256 = configuration_sha256(configuration)
        self._entries = FragmentEntries(key, name, modified_at, temporary)
        self._digests = digests
        self._temporary = temporary
        self.written: WrittenCollection
        """What was written; there once ``fragments`` is exhausted."""

    def fragments(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """Give the fragment piece by piece: config.json, the parts, digests.parquet.

        :param batches: records in the order they are to be kept
        :raises CaptureRefused: a record is larger than any backup holds
        """
        with ExitStack() as stack:
            digests = self._digests or stack.enter_context(DigestSet(temporary=self._temporary))
            yield from self._entries.sealed("config.json", len(self._config), [self._config])
            yield from self._entries.parts(_noted(batches, digests))
            yield from self._entries.digests(digests)
            self.written = written_collection(self._key, self._entries, digests, self._configuration_sha256)


def written_collection(
    key: str, entries: FragmentEntries, digests: DigestSet, configuration_sha256: str, deletions: int | None = None
) -> WrittenCollection:
    """Describe a fragment that is complete.

    :param deletions: of a delta; None: it is whole
    """
    return WrittenCollection(
        key=key,
        entries=tuple(entries.entries),
        stored=tuple(entries.stored),
        vectors=digests.count,
        bytes=entries.bytes,
        state_digest=digests.state_digest(),
        configuration_sha256=configuration_sha256,
        coded_parts=entries.coded_parts,
        irregular=tuple(entries.irregular),
        irregular_count=entries.irregular_count,
        duplicates=digests.duplicates,
        upserts=0 if deletions is None else entries.records,
        deletions=deletions or 0,
    )


def _noted(batches: Iterable[pa.RecordBatch], digests: DigestSet) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        digests.add(batch)
        yield batch


def configuration_document(name: str, configuration: CollectionConfiguration) -> bytes:
    """Write config.json."""
    value = {"name": name, "configuration": configuration.model_dump(mode="json")}
    return canonical_json(value).encode("utf-8")


def configuration_sha256(configuration: CollectionConfiguration) -> str:
    """Hash a configuration, hex: equal as long as nothing of it changed."""
    return hashlib.sha256(canonical_json(configuration.model_dump(mode="json")).encode("utf-8")).hexdigest()
