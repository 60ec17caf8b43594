"""A downloaded server backup: the JSON text itself, or a tar file around it, packed or not."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from itertools import chain

from backup_engine.errors import UnexpectedAnswer

_GZIP = b"\x1f\x8b"
_BLOCK = 512
_PIECE = 1 << 20
_LARGEST_EXTRA = 1 << 20  # long names and the like, before the member they belong to


def json_of(chunks: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Give the JSON text of a download as it streams in; all of the download is read in the end.

    :raises UnexpectedAnswer: it is packed, and damaged
    """
    first = _at_least(len(_GZIP), chunks)
    rest = chain([first], chunks)
    unpacked = _gunzipped(rest, what) if first.startswith(_GZIP) else rest
    start = next((chunk for chunk in unpacked if chunk.strip()), b"").lstrip()
    text = chain([start], unpacked)
    yield from text if start[:1] in {b"{", b"["} else _first_file(_Blocks(text), what)
    for _ in unpacked:
        pass


def _at_least(size: int, chunks: Iterator[bytes]) -> bytes:
    start = b""
    while len(start) < size and (chunk := next(chunks, None)) is not None:
        start += chunk
    return start


def _gunzipped(chunks: Iterator[bytes], what: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            left = chunk
            while left:
                yield unpacker.decompress(left, _PIECE)
                left = unpacker.unconsumed_tail or unpacker.unused_data
                if unpacker.eof:
                    unpacker = zlib.decompressobj(wbits=31)
        yield unpacker.flush()
    except zlib.error as error:
        raise UnexpectedAnswer(f"{what}: the download is no gzip file, or a damaged one: {error}") from error


class _Blocks:
    """Reads exact lengths off a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""

    def take(self, size: int) -> bytes:
        """Give that many bytes, fewer at the end."""
        parts, have = [self._buffer], len(self._buffer)
        while have < size and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            have += len(chunk)
        found = b"".join(parts)
        self._buffer = found[size:]
        return found[:size]


def _first_file(blocks: _Blocks, what: str) -> Iterator[bytes]:
    while True:
        info = _header(blocks.take(_BLOCK), what)
        if info.isreg():
            break
        if info.size > _LARGEST_EXTRA:
            raise UnexpectedAnswer(f"{what}: one file was expected in the download, found {info.name[:80]!r}")
        blocks.take(_padded(info.size))
    left = info.size
    while left:
        piece = blocks.take(min(left, _PIECE))
        if not piece:
            raise UnexpectedAnswer(f"{what}: the download ends {left:,} bytes before the end of {info.name[:80]!r}")
        left -= len(piece)
        yield piece


def _header(block: bytes, what: str) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        start = block[:80].decode("utf-8", "replace")
        raise UnexpectedAnswer(f"{what}: JSON or a tar file was expected, found {start!r}") from error


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
