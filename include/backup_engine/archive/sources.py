"""Where an archive's bytes come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from backup_engine.errors import DamagedArchive
from backup_engine.storage.contract import READ_CHUNK, Store


class ByteSource(Protocol):
    """Bytes that can be read by ranges."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range.

        :raises DamagedArchive: it ends before the range does
        """


class StoredObject:
    """An object in a store.

    :raises ObjectNotFound: there is none under this key
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self.name = f"{store.url}/{key}"
        self.size = store.stat(key).size

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range."""
        return self._store.read(self._key, offset=offset, length=length)


class LocalFile:
    """A file, wherever it came from.

    :raises OSError: it cannot be read
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)
        self.size = path.stat().st_size

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range."""
        with self._path.open("rb") as file:
            file.seek(offset)
            while length > 0:
                chunk = file.read(min(length, READ_CHUNK))
                if not chunk:
                    raise DamagedArchive(f"{self.name} ends {length:,} bytes too early: truncated while it was read")
                length -= len(chunk)
                yield chunk


def read_range(source: ByteSource, offset: int, length: int) -> bytes:
    """Read a range that fits into memory."""
    return b"".join(source.read(offset, length))


def tee(chunks: Iterable[bytes], hasher: hashlib._Hash) -> Iterator[bytes]:
    """Hash a stream as it passes."""
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
