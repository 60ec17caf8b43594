"""Write one collection as a fragment: sealed entries, streamed as they are made, that later join others."""

from __future__ import annotations

import hashlib
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from backup_engine.archive.batches import rows_with_null_components
from backup_engine.archive.canonical import canonical_json
from backup_engine.archive.digests import DigestSet
from backup_engine.archive.digests_file import write_digests
from backup_engine.archive.entries import Sealing
from backup_engine.archive.manifest import Entry, StoredEntry
from backup_engine.archive.parts import encode_part, regroup
from backup_engine.model import CollectionConfiguration, Document

LISTED_IRREGULAR = 1_000
"""Ids of irregular records that are listed; further ones are counted."""

_SLUG_LENGTH = 40
_IN_MEMORY = 8 << 20  # digests.parquet of about 250,000 records
_CHUNK = 1 << 20


class WrittenCollection(Document):
    """A collection as it lies in its fragment.

    :param entries: its files, in order
    :param stored: where they lie; offsets count from the start of the fragment
    :param vectors: records written
    :param bytes: of the fragment
    :param state_digest: BLAKE2b-256, hex, over the rows of digests.parquet
    :param configuration_sha256: of the canonical JSON of the configuration, without the name
    :param coded_parts: parts that hold SQ8 codes
    :param irregular: ids of records with components the server gave as null (the first thousand)
    :param irregular_count: how many there are
    :param duplicates: records whose id an earlier one has already
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
        self._folder = f"collections/{key}-{slug(name)}"
        self._config = configuration_document(name, configuration)
        self._configuration_sha256 = configuration_sha256(configuration)
        self._modified_at = modified_at
        self._digests = digests
        self._temporary = temporary
        self._entries: list[Entry] = []
        self._stored: list[StoredEntry] = []
        self._bytes = self._coded = self._irregular_count = 0
        self._irregular: list[str] = []
        self.written: WrittenCollection
        """What was written; there once ``fragments`` is exhausted."""

    def fragments(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """Give the fragment piece by piece: config.json, the parts, digests.parquet.

        :param batches: records in the order they are to be kept
        :raises CaptureRefused: a record is larger than any backup holds
        """
        with ExitStack() as stack:
            digests = self._digests or stack.enter_context(DigestSet(temporary=self._temporary))
            yield from self._sealed("config.json", len(self._config), [self._config])
            for number, batch in enumerate(regroup(batches)):
                digests.add(batch)
                part = encode_part(batch)
                self._coded += part.coded
                if not part.coded:  # codes stand for numbers only
                    self._note_irregular(batch)
                yield from self._sealed(f"part-{number:05d}.parquet", part.size, part.pieces)
            file = stack.enter_context(self._temporary_file())
            write_digests(digests, file)
            size = file.tell()
            file.seek(0)
            yield from self._sealed("digests.parquet", size, iter(lambda: file.read(_CHUNK), b""))
            self.written = self._summary(digests)

    def _sealed(self, name: str, size: int, content: Iterable[bytes]) -> Iterator[bytes]:
        sealing = Sealing(f"{self._folder}/{name}", size, self._modified_at)
        start = self._bytes
        for piece in _rechunked(sealing.stream(content)):
            self._bytes += len(piece)
            yield piece
        self._entries.append(sealing.entry)
        self._stored.append(
            StoredEntry(name=sealing.name, offset=start, bytes=self._bytes - start, sha256=sealing.stored_sha256)
        )

    def _note_irregular(self, batch: pa.RecordBatch) -> None:
        irregular = np.flatnonzero(rows_with_null_components(batch))
        ids = batch.column("id")
        self._irregular += [ids[row].as_py() for row in irregular[: LISTED_IRREGULAR - len(self._irregular)].tolist()]
        self._irregular_count += len(irregular)

    def _temporary_file(self) -> BinaryIO:
        directory = None if self._temporary is None else str(self._temporary)
        return cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=directory))

    def _summary(self, digests: DigestSet) -> WrittenCollection:
        return WrittenCollection(
            key=self._key,
            entries=tuple(self._entries),
            stored=tuple(self._stored),
            vectors=digests.count,
            bytes=self._bytes,
            state_digest=digests.state_digest(),
            configuration_sha256=self._configuration_sha256,
            coded_parts=self._coded,
            irregular=tuple(self._irregular),
            irregular_count=self._irregular_count,
            duplicates=digests.duplicates,
        )


def _rechunked(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Join small pieces: whoever sends them on sends each by itself."""
    waiting: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def slug(name: str) -> str:
    """Make a few ASCII characters of a collection's name, for human eyes; lossy, never parsed."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_LENGTH].rstrip("-") or "collection"


def configuration_document(name: str, configuration: CollectionConfiguration) -> bytes:
    """Write config.json."""
    value = {"name": name, "configuration": configuration.model_dump(mode="json")}
    return canonical_json(value).encode("utf-8")


def configuration_sha256(configuration: CollectionConfiguration) -> str:
    """Hash a configuration, hex: equal as long as nothing of it changed."""
    return hashlib.sha256(canonical_json(configuration.model_dump(mode="json")).encode("utf-8")).hexdigest()
