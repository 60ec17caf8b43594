"""One entry of the archive: a gzip member that holds one ustar entry, stored, not deflated.

Members joined end to end are one ``.tar.gz``. The bytes are a function of name, content and time, so the size of a
member follows from the size of its content: whatever else claims to be one is refused unread.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from backup_engine.archive.manifest import Entry
from backup_engine.errors import DamagedArchive, HostileArchive, UnknownFormat

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no flags, no time, no level, unknown system: nothing that depends on who wrote it."""
BLOCK_HEADER = struct.Struct("<BHH")
TRAILER = struct.Struct("<II")
TAR_BLOCK = 512
_STORED_BLOCK = 0xFFFF
MEMBER_START = len(GZIP_HEADER) + BLOCK_HEADER.size + TAR_BLOCK
"""Bytes of a member up to the end of its tar header."""
_NAME, _SIZE, _MTIME, _MAGIC = slice(0, 100), slice(124, 135), slice(136, 147), slice(257, 265)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry ready to be appended to an archive.

    :param stored: the whole gzip member
    :param stored_sha256: of ``stored``, hex
    """

    entry: Entry
    stored: bytes
    stored_sha256: str


@dataclass(slots=True)
class Sealing:
    """An entry that is sealed while it streams, because it is too large for memory.

    :param size: bytes of the content, known beforehand: tar wants it first
    """

    name: str
    size: int
    modified_at: datetime
    entry: Entry = field(init=False)
    stored_sha256: str = field(init=False)

    def stream(self, content: Iterable[bytes]) -> Iterator[bytes | memoryview]:
        """Give the member piece by piece; ``entry`` and ``stored_sha256`` are there when it is exhausted."""
        plain, stored = hashlib.sha256(), hashlib.sha256()
        for piece in _gzipped(self._tarred(content, plain), tar_size(self.size)):
            stored.update(piece)
            yield piece
        self.entry = Entry(name=self.name, bytes=self.size, sha256=plain.hexdigest())
        self.stored_sha256 = stored.hexdigest()

    def _tarred(self, content: Iterable[bytes], plain: hashlib._Hash) -> Iterator[bytes]:
        yield tar_header(self.name, self.size, int(self.modified_at.timestamp()))
        size = 0
        for chunk in content:
            plain.update(chunk)
            size += len(chunk)
            yield chunk
        if size != self.size:
            raise ValueError(f"{self.name}: {self.size:,} bytes were announced, {size:,} came")
        yield bytes(-size % TAR_BLOCK)


def seal(name: str, content: bytes, modified_at: datetime) -> Sealed:
    """Make an archive entry of this content."""
    sealing = Sealing(name, len(content), modified_at)
    stored = b"".join(sealing.stream([content]))
    return Sealed(sealing.entry, stored, sealing.stored_sha256)


def unseal(stored: bytes, expected: Entry, archive: str = "the archive") -> bytes:
    """Give the content of a member, every byte of it checked.

    :param archive: its name, for messages
    :raises DamagedArchive: it is not the member that ``expected`` describes
    :raises HostileArchive: its own header says something else than ``expected``
    """
    return b"".join(unseal_chunks([stored], expected, archive))


def unseal_chunks(stored: Iterable[bytes], expected: Entry, archive: str = "the archive") -> Iterator[bytes]:
    """Give the content of a member as its stored bytes stream in; good only once it is exhausted without an error."""
    where = f"{archive}: {expected.name}"
    hasher, left = hashlib.sha256(), expected.bytes
    blocks = unwrap(stored, expected.bytes, where)
    first = next(blocks)
    check_tar_header(first[:TAR_BLOCK], expected.name, expected.bytes, where)
    for block in chain([first[TAR_BLOCK:]], blocks):
        content = block[:left]
        if any(block[left:]):
            raise DamagedArchive(f"{where}: zeros were expected behind its content")
        left -= len(content)
        hasher.update(content)
        yield content
    if hasher.hexdigest() != expected.sha256:
        raise DamagedArchive(f"{where}: SHA-256 {expected.sha256} was expected, {hasher.hexdigest()} was found")


def unseal_unlisted(stored: bytes, name: str, archive: str = "the archive") -> bytes:
    """Give the content of a member that no manifest describes, the manifest itself; its size follows from its own.

    :raises DamagedArchive: it is damaged
    :raises HostileArchive: it is another file than ``name``, or claims another size than it has
    """
    where = f"{archive}: {name}"
    claimed, size = claimed_entry(stored[:MEMBER_START], archive)
    if claimed != name or member_size(size) != len(stored):
        raise HostileArchive(f"{where}: {claimed[:200]!r} of {size:,} bytes lies in its place")
    return b"".join(unwrap([stored], size, where))[TAR_BLOCK : TAR_BLOCK + size]


def claimed_entry(start: bytes, archive: str) -> tuple[str, int]:
    """Tell name and size that the start of a member claims.

    :param start: its first ``MEMBER_START`` bytes
    :raises UnknownFormat: it is not a member as this product writes it
    :raises HostileArchive: its tar header is not that of a plain file
    """
    header = start[len(GZIP_HEADER) + BLOCK_HEADER.size :]
    if not start.startswith(GZIP_HEADER) or len(header) != TAR_BLOCK or header[_MAGIC] != b"ustar\x0000":
        raise UnknownFormat(f"{archive} is not an archive that this product wrote, or not all of it is")
    try:
        name = header[_NAME].rstrip(b"\x00").decode("ascii")
        size = int(header[_SIZE], 8)
    except ValueError as error:
        raise HostileArchive(f"{archive}: an entry whose tar header has no plain name or no size") from error
    check_tar_header(header, name, size, f"{archive}: {name!r}")
    return name, size


def tar_size(content_bytes: int) -> int:
    """Bytes of a tar entry: its header, the content, zeros up to the next block."""
    return TAR_BLOCK + content_bytes + -content_bytes % TAR_BLOCK


def member_size(content_bytes: int) -> int:
    """Bytes of the gzip member that holds an entry of this size."""
    return _gzip_size(tar_size(content_bytes))


def tar_header(name: str, size: int, modified_at: int) -> bytes:
    """Write the ustar header of a plain file owned by root that everybody may read."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, modified_at
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def check_tar_header(header: bytes, name: str, size: int, where: str) -> None:
    """Accept exactly the header that this product writes for an entry, at whatever time.

    :raises HostileArchive: it names another file or size, is a link, a directory, has a prefix, …
    """
    try:
        honest = tar_header(name, size, int(header[_MTIME], 8))
    except ValueError as error:
        raise HostileArchive(f"{where}: its tar header has no time") from error
    if header != honest:
        raise HostileArchive(f"{where}: its tar header is not that of a plain file of this name and size")


def unwrap(stored: Iterable[bytes], content_bytes: int, where: str) -> Iterator[bytes]:
    """Give what a member holds: tar header, content and padding. Its every byte is known or accounted for.

    :raises DamagedArchive: it is not a member of this size as this product writes it
    """
    stream = _Exactly(stored, where)
    stream.expect(GZIP_HEADER)
    crc, left = 0, tar_size(content_bytes)
    while left:
        length = min(left, _STORED_BLOCK)
        left -= length
        stream.expect(_block_header(length, last=left == 0))
        block = stream.take(length)
        crc = zlib.crc32(block, crc)
        yield block
    stream.expect(TRAILER.pack(crc, tar_size(content_bytes) & 0xFFFFFFFF))
    stream.end()


class _Exactly:
    """A stream that must hold exactly what is expected."""

    def __init__(self, chunks: Iterable[bytes], where: str) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self._where = where

    def take(self, length: int) -> bytes:
        pieces = []
        while length:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    raise DamagedArchive(f"{self._where}: its gzip member ends too early")
            pieces.append(self._rest[:length])
            self._rest = self._rest[length:]
            length -= len(pieces[-1])
        return b"".join(pieces)

    def expect(self, data: bytes) -> None:
        if self.take(len(data)) != data:
            raise DamagedArchive(f"{self._where}: its gzip member is damaged, or not one that this product wrote")

    def end(self) -> None:
        if self._rest or any(self._chunks):
            raise DamagedArchive(f"{self._where}: something follows its gzip member")


def _gzip_size(plain_bytes: int) -> int:
    blocks = -(-plain_bytes // _STORED_BLOCK)
    return len(GZIP_HEADER) + blocks * BLOCK_HEADER.size + plain_bytes + TRAILER.size


def _gzipped(chunks: Iterable[bytes], total: int) -> Iterator[bytes | memoryview]:
    """Wrap ``total`` bytes (at least one) as a gzip member of stored blocks, each as long as possible."""
    crc = written = 0
    yield GZIP_HEADER
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        view = memoryview(chunk)
        while view:
            into = written % _STORED_BLOCK
            if into == 0:
                length = min(_STORED_BLOCK, total - written)
                yield _block_header(length, last=written + length == total)
            piece = view[: _STORED_BLOCK - into]
            yield piece
            written, view = written + len(piece), view[len(piece) :]
    yield TRAILER.pack(crc, total & 0xFFFFFFFF)


def _block_header(length: int, *, last: bool) -> bytes:
    return BLOCK_HEADER.pack(last, length, length ^ 0xFFFF)


END = b"".join(_gzipped([bytes(2 * TAR_BLOCK)], 2 * TAR_BLOCK))
"""The last member: tar's two end blocks, in which every reader stops. There is exactly one, at the very end."""
