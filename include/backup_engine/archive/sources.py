"""Where an archive's bytes come from."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from backup_engine.errors import DamagedArchive
from backup_engine.storage.contract import READ_CHUNK, Store

_FAR = frozenset({"s3", "gs"})
_SPARE = 1 << 30  # bytes of a disk that are left to others


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
    """An object in a store; ``far`` when each byte of it comes over a network and may cost money.

    :raises ObjectNotFound: there is none under this key
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self.far = urlsplit(store.url).scheme in _FAR
        self.name = f"{store.url}/{key}"
        self.size = store.stat(key).size

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range."""
        return self._store.read(self._key, offset=offset, length=length)


class AtHand:
    """Bytes that come from afar: a range that was read whole once lies on disk, and is not fetched again.

    :param directory: where; a range for which it has no room is fetched each time
    """

    def __init__(self, source: ByteSource, directory: Path) -> None:
        self._source = source
        self._directory = directory
        self.name = source.name
        self.size = source.size

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range."""
        kept = self._directory / f"{offset}-{length}"
        if kept.exists():
            return LocalFile(kept).read(0, length)
        fetched = self._source.read(offset, length)
        has_room = shutil.disk_usage(self._directory).free > length + _SPARE
        return _keeping(fetched, kept) if has_room else fetched


def _keeping(chunks: Iterator[bytes], kept: Path) -> Iterator[bytes]:
    """Write a stream down as it passes; it counts only when all of it came."""
    unfinished = kept.with_suffix(f".{uuid4().hex}")
    with unfinished.open("wb", buffering=0) as file:
        whole = True
        for chunk in chunks:
            whole = whole and _written(file, chunk)
            yield chunk
    if whole:
        unfinished.rename(kept)
    else:
        unfinished.unlink()


def _written(file: RawIOBase, chunk: bytes) -> bool:
    """Tell whether there was still room."""
    try:
        return file.write(chunk) == len(chunk)
    except OSError:  # full after all; the bytes pass all the same
        return False


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
