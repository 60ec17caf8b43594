"""The bytes of objects: small ones in memory, large ones on disk; joining copies none of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

IN_MEMORY = 1 << 16
BLOCK = 1 << 20


@dataclass(frozen=True)
class Piece:
    """Some bytes, in memory or as a file that is never changed again."""

    size: int
    held: bytes | Path

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range."""
        if isinstance(self.held, bytes):
            yield self.held[offset : offset + length]
            return
        with self.held.open("rb") as file:
            file.seek(offset)
            while length and (block := file.read(min(BLOCK, length))):
                length -= len(block)
                yield block


@dataclass(frozen=True)
class Content:
    """An object's bytes as pieces in a row."""

    pieces: tuple[Piece, ...]
    crc32c: str

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(piece.size for piece in self.pieces)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Stream a range."""
        for piece in self.pieces:
            if length and offset < piece.size:
                taken = min(length, piece.size - offset)
                yield from piece.read(offset, taken)
                length, offset = length - taken, 0
            else:
                offset -= min(offset, piece.size)


def content_of(pieces: tuple[Piece, ...]) -> Content:
    """Make an object's bytes of pieces, and compute their checksum."""
    checksum = 0
    for piece in pieces:
        for block in piece.read(0, piece.size):
            checksum = google_crc32c.extend(checksum, block)
    return Content(pieces, base64.b64encode(checksum.to_bytes(4, "big")).decode())


class Receiving:
    """Bytes as they arrive."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._path = path
        self._memory = bytearray()
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Take more bytes."""
        self.size += len(data)
        if self._file is None and self.size <= IN_MEMORY:
            self._memory += data
            return
        if self._file is None:
            self._file = self._path.open("wb")
            self._file.write(self._memory)
            self._memory = bytearray()
        self._file.write(data)

    def cut(self, size: int) -> None:
        """Forget what lies behind."""
        self.size = size
        if self._file is None:
            del self._memory[size:]
        else:
            self._file.seek(size)
            self._file.truncate()

    def finish(self) -> Content:
        """Give what arrived."""
        if self._file is None:
            return content_of((Piece(self.size, bytes(self._memory)),))
        self._file.close()
        return content_of((Piece(self.size, self._path),))

    def discard(self) -> None:
        """Forget all of it."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
