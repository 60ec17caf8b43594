"""The entries of one collection, sealed one after the other as they are made: what a fragment consists of."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from backup_engine.archive.batches import rows_with_null_components
from backup_engine.archive.digests import DigestSet
from backup_engine.archive.digests_file import write_digests
from backup_engine.archive.entries import Sealing
from backup_engine.archive.manifest import Entry, StoredEntry
from backup_engine.archive.parts import encode_part, regroup

LISTED_IRREGULAR = 1_000
"""Ids of irregular records that are listed; further ones are counted."""

_SLUG_LENGTH = 40
_IN_MEMORY = 8 << 20  # digests.parquet of about 250,000 records
_CHUNK = 1 << 20


class FragmentEntries:
    """Seals entries and remembers where they lie; memory stays at a few parts.

    :param key: "c0001", unique in the backup
    :param modified_at: the time tar shows for the files
    :param temporary: where files are put together that do not fit into memory; None for the system's place
    """

    def __init__(self, key: str, name: str, modified_at: datetime, temporary: Path | None) -> None:
        self.entries: list[Entry] = []
        self.stored: list[StoredEntry] = []
        self.bytes = self.records = self.coded_parts = self.irregular_count = 0
        self.irregular: list[str] = []
        self._folder = f"collections/{key}-{slug(name)}"
        self._modified_at = modified_at
        self._temporary = temporary

    def sealed(self, name: str, size: int, content: Iterable[bytes]) -> Iterator[bytes]:
        """Give an entry of ``size`` bytes piece by piece."""
        sealing = Sealing(f"{self._folder}/{name}", size, self._modified_at)
        start = self.bytes
        for piece in _rechunked(sealing.stream(content)):
            self.bytes += len(piece)
            yield piece
        self.entries.append(sealing.entry)
        self.stored.append(
            StoredEntry(name=sealing.name, offset=start, bytes=self.bytes - start, sha256=sealing.stored_sha256)
        )

    def parts(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """Give the parts that hold these records.

        :raises CaptureRefused: a record is larger than any backup holds
        """
        for number, batch in enumerate(regroup(batches)):
            part = encode_part(batch)
            self.records += batch.num_rows
            self.coded_parts += part.coded
            if not part.coded:  # codes stand for numbers only
                self._note_irregular(batch)
            yield from self.sealed(f"part-{number:05d}.parquet", part.size, part.pieces)

    def digests(self, digests: DigestSet) -> Iterator[bytes]:
        """Give digests.parquet."""
        with self.temporary_file() as file:
            write_digests(digests, file)
            yield from self.file("digests.parquet", file)

    def file(self, name: str, file: BinaryIO) -> Iterator[bytes]:
        """Give an entry whose content was just written to a file."""
        size = file.tell()
        file.seek(0)
        yield from self.sealed(name, size, iter(lambda: file.read(_CHUNK), b""))

    def temporary_file(self) -> BinaryIO:
        """Open a file that is gone when it is closed, and on disk only if it is large."""
        directory = None if self._temporary is None else str(self._temporary)
        return cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=directory))

    def _note_irregular(self, batch: pa.RecordBatch) -> None:
        irregular = np.flatnonzero(rows_with_null_components(batch))
        ids = batch.column("id")
        self.irregular += [ids[row].as_py() for row in irregular[: LISTED_IRREGULAR - len(self.irregular)].tolist()]
        self.irregular_count += len(irregular)


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
