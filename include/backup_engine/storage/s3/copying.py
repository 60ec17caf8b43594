"""Carrying out a join: S3 copies what is large, the rest passes through memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from backup_engine.errors import ObjectChanged, StoreUnavailable
from backup_engine.storage.layout import Spot
from backup_engine.storage.s3 import reading, writing
from backup_engine.storage.s3.checksums import combined, crc32, from_header
from backup_engine.storage.s3.joining import Copied, Gathered, Part, plan_join
from backup_engine.storage.s3.objects import Held, Objects
from backup_engine.storage.s3.uploading import Upload, part_size

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Source:
    """One object as it was when the join began."""

    spot: Spot
    held: Held


def find_sources(objects: Objects, spots: Sequence[Spot]) -> list[Source]:
    """Look at all of them, several at a time.

    :raises ObjectNotFound: one is missing
    """
    if not spots:
        return []
    with ThreadPoolExecutor(min(8, len(spots)), thread_name_prefix="s3-head") as pool:
        return [Source(spot, held) for spot, held in zip(spots, pool.map(objects.look, spots), strict=True)]


def join(objects: Objects, spot: Spot, sources: Sequence[Source], tail: bytes) -> Held:
    """Make a new object of the sources and the tail.

    :raises ObjectExists: the name is taken
    """
    size = sum(source.held.size for source in sources) + len(tail)
    parts = plan_join([source.held.size for source in sources], len(tail))
    if size <= part_size(1) and all(isinstance(part, Gathered) for part in parts):
        data = b"".join(_gather(objects, part, sources, tail) for part in parts if isinstance(part, Gathered))
        return writing.put_new(objects, spot, data)
    writer = writing.new_writer()
    with Upload(objects, spot, writer) as upload:
        for part in parts:
            _add(objects, upload, part, sources, tail)
        return writing.completed(objects, spot, upload, writer, size, expected_checksum(sources, tail))


def expected_checksum(sources: Sequence[Source], tail: bytes) -> int | None:
    """Tell the checksum of the whole from those of its sources; None where the server does not keep all of them."""
    whole = 0
    for source in sources:
        if source.held.crc32 is None:
            return None
        whole = combined(whole, from_header(source.held.crc32), source.held.size)
    return combined(whole, crc32(tail), len(tail))


def _add(objects: Objects, upload: Upload, part: Part, sources: Sequence[Source], tail: bytes) -> None:
    if isinstance(part, Copied):
        source = sources[part.piece.source]
        upload.copy(source.spot, source.held, part.piece, most=_AT_ONCE)
    else:
        upload.send(_gather(objects, part, sources, tail), most=_AT_ONCE)


def _gather(objects: Objects, part: Gathered, sources: Sequence[Source], tail: bytes) -> bytes:
    """Read the pieces of a part."""
    gathered = bytearray()
    for piece in part.pieces:
        if piece.source == len(sources):
            gathered += tail[piece.start : piece.end]
            continue
        source = sources[piece.source]
        try:
            for chunk in reading.read(
                objects, source.spot, offset=piece.start, length=piece.size, etag=source.held.etag
            ):
                gathered += chunk
        except ObjectChanged as error:
            raise StoreUnavailable(f"{source.spot.url} was changed while it was joined: run again") from error
    return cast("bytes", gathered)  # handed over as it is: a copy would take as much memory again
