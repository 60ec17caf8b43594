"""Reading a range, also over connections that break off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError

from backup_engine.errors import ObjectChanged, StoreDenied, StoreUnavailable
from backup_engine.storage.contract import READ_CHUNK, checked_range
from backup_engine.storage.layout import Spot
from backup_engine.storage.s3.objects import WRITER, Objects
from backup_engine.storage.s3.refusals import CUT_OFF, code_of, meaning

if TYPE_CHECKING:
    from botocore.response import StreamingBody

RESUMES = 5
"""How often a stream that breaks off is taken up again before ``PROGRESS`` bytes more have come."""
PROGRESS = 8 << 20
"""Bytes: a stream that moves on by so much has earned its tries anew. So each has an end, for each object has one."""

_USE = "a store needs a server that keeps to ranges"


@dataclass(slots=True)
class _Opened:
    """An answer whose body is being read.

    :param size: of the whole object
    """

    body: StreamingBody
    etag: str
    writer: str
    size: int


def read(
    objects: Objects, spot: Spot, *, offset: int = 0, length: int | None = None, etag: str | None = None
) -> Iterator[bytes]:
    """Stream a range of the object; the call itself raises.

    :param etag: of the object that is meant; None: whatever has the name now
    :raises ObjectNotFound: there is none
    :raises ObjectChanged: it is another one than was meant
    :raises DamagedArchive: the object ends before the range does
    """
    opened = None if length == 0 or min(offset, length or 0) < 0 else _open(objects, spot, offset, length, etag)
    if opened is None:
        return _nothing(objects, spot, offset, length)
    try:
        start, end = checked_range(spot.url, opened.size, offset, length)
    except BaseException:
        opened.body.close()
        raise
    return _stream(objects, spot, opened, start, end)


def _nothing(objects: Objects, spot: Spot, offset: int, length: int | None) -> Iterator[bytes]:
    """Judge a range for which S3 sends no byte: an empty one, or one behind the end."""
    start, end = checked_range(spot.url, objects.look(spot).size, offset, length)
    if start < end:
        raise StoreUnavailable(f"{spot.url} was replaced by a larger object while it was asked for: read again")
    return iter(())


def _open(objects: Objects, spot: Spot, start: int, length: int | None, etag: str | None = None) -> _Opened | None:
    """Ask for the range; None when it begins at the end of the object or behind."""
    wanted: dict[str, Any] = {"IfMatch": etag} if etag else {}
    if start or length is not None:
        wanted["Range"] = f"bytes={start}-" if length is None else f"bytes={start}-{start + length - 1}"
    with objects.told(spot):
        try:
            answer = objects.client.get_object(Bucket=spot.bucket, Key=spot.name, **wanted)
        except ClientError as error:
            if code_of(error) in {"InvalidRange", "416"}:
                return None
            raise
    said = answer.get("ContentRange", "")
    if "Range" in wanted and not said.startswith(f"bytes {start}-"):
        answer["Body"].close()
        raise StoreDenied(
            f"{spot.url}: {objects.host} was asked for {wanted['Range']} and gave {said or 'all'!r}: {_USE}"
        )
    size = int(said.rpartition("/")[2]) if said else answer["ContentLength"]
    return _Opened(answer["Body"], answer["ETag"], answer.get("Metadata", {}).get(WRITER, ""), size)


def _stream(objects: Objects, spot: Spot, opened: _Opened, at: int, end: int) -> Iterator[bytes]:
    tries, earned = RESUMES, at + PROGRESS
    try:
        while at < end:
            try:
                chunk = _next(opened, min(READ_CHUNK, end - at))
            except CUT_OFF as error:
                if not tries:
                    raise meaning(error, spot.url, objects.host) from error
                tries -= 1
                opened.body.close()
                opened = _again(objects, spot, opened, at, end)
                continue
            except BotoCoreError as error:
                raise meaning(error, spot.url, objects.host) from error
            at += len(chunk)
            if at >= earned:
                tries, earned = RESUMES, at + PROGRESS
            yield chunk
    finally:
        opened.body.close()


def _next(opened: _Opened, size: int) -> bytes:
    chunk = opened.body.read(size)
    if not chunk:
        raise IncompleteReadError(actual_bytes=0, expected_bytes=size)
    return chunk


def _again(objects: Objects, spot: Spot, before: _Opened, at: int, end: int) -> _Opened:
    """Ask for the rest of the very same object."""
    changed = f"{spot.url} was changed while it was read, and the connection broke off: read it from the start"
    try:
        opened = _open(objects, spot, at, end - at, before.etag)
    except ObjectChanged as error:
        raise StoreUnavailable(changed) from error
    if opened is None or (opened.writer, opened.size) != (before.writer, before.size):
        raise StoreUnavailable(changed)
    return opened
