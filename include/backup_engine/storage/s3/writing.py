"""Writing an object once, whatever happens to the answers, and looking at what the server made of it."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from backup_engine.errors import BackupError, DamagedArchive, ObjectChanged, ObjectExists, StoreUnavailable
from backup_engine.storage.layout import Spot
from backup_engine.storage.s3 import reading
from backup_engine.storage.s3.checksums import as_header, combined, crc32, crc32_of
from backup_engine.storage.s3.deleting import delete_all
from backup_engine.storage.s3.objects import Held, Objects
from backup_engine.storage.s3.refusals import Collision
from backup_engine.storage.s3.uploading import Upload, parts_of

_PARTS_AT_ONCE = 2
_COLLISIONS = 4


def new_writer() -> str:
    """Give a word that no other writing has."""
    return secrets.token_hex(16)


def require_free(objects: Objects, spot: Spot) -> None:
    """Refuse a taken name before anything is read or sent for it."""
    if objects.find(spot):
        raise ObjectExists(f"{spot.url} exists already; it was to be created, and is left as it is")


def create(objects: Objects, spot: Spot, chunks: Iterable[bytes]) -> Held:
    """Write a new object: with one request where it fits into one part.

    :raises ObjectExists: the name is taken
    """
    parts = parts_of(chunks)
    begun = deque(islice(parts, 2))
    if len(begun) < 2:  # noqa: PLR2004
        return put_new(objects, spot, begun.popleft() if begun else b"")
    return _upload(objects, spot, _emptied(begun, parts))


def put_new(objects: Objects, spot: Spot, data: bytes) -> Held:
    """Write a new object with one request, again where S3 let neither of two writers be first."""
    writer, checksum = new_writer(), crc32(data)
    for left in reversed(range(_COLLISIONS)):
        try:
            made = objects.put(spot, data, as_header(checksum), writer, IfNoneMatch="*")
        except Collision as error:
            if left and not objects.find(spot):
                continue
            made = _ours(objects, spot, writer, error)
        except (ObjectChanged, StoreUnavailable) as error:
            made = _ours(objects, spot, writer, error)
        break
    return confirmed(objects, spot, made, checksum)


def replace(objects: Objects, spot: Spot, data: bytes, version: str) -> Held:
    """Write over the version that was seen.

    :raises ObjectChanged: it is another one now, or gone
    """
    seen = objects.find(spot)
    if seen is None:
        raise ObjectChanged(f"{spot.url} is gone since it was read as version {version}")
    if seen.version != version:
        raise ObjectChanged(f"{spot.url} was version {version} when it was read, now {seen.version}: read again")
    writer, checksum = new_writer(), crc32(data)
    try:
        made = objects.put(spot, data, as_header(checksum), writer, IfMatch=seen.etag)
    except (ObjectChanged, StoreUnavailable) as error:
        found = objects.find(spot)
        if found is None or found.writer != writer:
            raise _changed(spot, version, error) from error
        made = found
    return confirmed(objects, spot, made, checksum)


def completed(objects: Objects, spot: Spot, upload: Upload, writer: str, size: int, checksum: int | None) -> Held:
    """Make the object of an upload's parts.

    :param checksum: None where nobody knows it
    :raises ObjectExists: the name is taken
    """
    upload.finish_parts()
    try:
        made = upload.complete(size, checksum)
    except (ObjectChanged, StoreUnavailable) as error:
        made = _ours(objects, spot, writer, error)
    return confirmed(objects, spot, made, checksum)


def confirmed(objects: Objects, spot: Spot, made: Held, checksum: int | None) -> Held:
    """Give what the server says of the object; remove it where that is not what was sent.

    Where another writer has replaced it already, or it is gone, there is nothing left to look at: what the answer to
    our own request said is given.

    :raises DamagedArchive: the server did not keep what it was sent
    """
    found = objects.find(spot)
    if found is None or found.writer != made.writer:
        return made
    wrong = _wrong(objects, spot, found, made.size, checksum)
    if wrong:
        raise _removed(objects, spot, wrong)
    return found


def _emptied(begun: deque[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    """Give first what is held, and hold it no longer."""
    while begun:
        yield begun.popleft()
    yield from rest


def _upload(objects: Objects, spot: Spot, parts: Iterable[bytes]) -> Held:
    writer, size, checksum = new_writer(), 0, 0
    with Upload(objects, spot, writer) as upload:
        for part in parts:
            checksum, size = combined(checksum, crc32(part), len(part)), size + len(part)
            upload.send(part, most=_PARTS_AT_ONCE)
        return completed(objects, spot, upload, writer, size, checksum)


def _ours(objects: Objects, spot: Spot, writer: str, error: ObjectChanged | StoreUnavailable) -> Held:
    """Give our own object, where only the answer to a request that made it was lost."""
    found = objects.find(spot)
    if found is not None and found.writer == writer:
        return found
    if found is None and isinstance(error, StoreUnavailable):
        raise error
    raise ObjectExists(f"{spot.url} was created by another writer meanwhile; it is left as it is") from error


def _changed(spot: Spot, version: str, error: ObjectChanged | StoreUnavailable) -> BackupError:
    if isinstance(error, StoreUnavailable):
        return error
    return ObjectChanged(f"{spot.url} was version {version} when it was read, and was changed since: read again")


def _wrong(objects: Objects, spot: Spot, found: Held, size: int, checksum: int | None) -> str:
    """Tell in which way the object is not what was sent; "" when it is."""
    asked = objects.sealing.kind
    if found.size != size:
        return f"it has {found.size:,} bytes and {size:,} were sent"
    if asked and found.encryption != asked:
        return f"it was to be encrypted with {asked}, and the server says {found.encryption or 'it is not encrypted'}"
    if checksum is None:
        return ""
    kept = found.crc32 or as_header(crc32_of(reading.read(objects, spot)))  # no checksum kept: read it all again
    if kept != as_header(checksum):
        return f"its CRC-32 is {kept}, and that of what was sent {as_header(checksum)}"
    return ""


def _removed(objects: Objects, spot: Spot, wrong: str) -> DamagedArchive:
    """Take a wrong object away, and say whether that could be done."""
    try:
        delete_all(objects, [spot])
    except BackupError as error:
        return DamagedArchive(
            f"{spot.url}: {wrong}, and it could not be removed ({error}): remove it, check the server"
        )
    return DamagedArchive(f"{spot.url}: {wrong}; it was removed: check the server and what lies between, and run again")
