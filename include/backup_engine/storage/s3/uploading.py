"""Writing an object in parts, with as much memory as a few parts take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from backup_engine.errors import BackupError, ObjectChanged, StoreFull, StoreUnavailable
from backup_engine.storage.layout import Spot
from backup_engine.storage.s3.checksums import as_header, crc32
from backup_engine.storage.s3.joining import MOST_PARTS, Piece
from backup_engine.storage.s3.objects import WRITER, Held, Objects, answered_at
from backup_engine.storage.s3.refusals import UploadGone

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_MIB = 1 << 20
_MEMORY = 48 * _MIB
_SIZES = ((1_000, 8 * _MIB), (4_000, 16 * _MIB), (MOST_PARTS, 24 * _MIB))
LARGEST_OBJECT = 1_000 * 8 * _MIB + 3_000 * 16 * _MIB + 6_000 * 24 * _MIB
"""Bytes that one ``create`` can write, 210 GB: the parts grow, so that small objects need little memory and large
ones few enough parts."""


def part_size(number: int) -> int:
    """Give the bytes of the part of this number, from 1.

    :raises StoreFull: S3 takes no part of this number
    """
    for last, size in _SIZES:
        if number <= last:
            return size
    raise StoreFull(
        f"one object can have {MOST_PARTS:,} parts, here {LARGEST_OBJECT:,} bytes, and this one has more: "
        "split the deployment's collections among several"
    )


def parts_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into parts; only the last may be smaller than ``part_size`` says."""
    number, part = 1, bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest.nbytes:
            room = part_size(number) - len(part)
            part += rest[:room]
            rest = rest[room:]
            if len(part) == part_size(number):
                yield cast("bytes", part)  # handed over as it is: a copy would take as much memory again
                number, part = number + 1, bytearray()
    if part:
        yield cast("bytes", part)


def at_once(size: int, most: int) -> int:
    """Tell how many parts of this size may be under way while another one is gathered."""
    return max(1, min(most, _MEMORY // size - 1))


class Upload:
    """One multipart upload. A context that ends in any exception aborts it.

    :param writer: the word by which its writer knows the object
    """

    def __init__(self, objects: Objects, spot: Spot, writer: str) -> None:
        self._objects = objects
        self._spot = spot
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="s3-part")
        self._under_way: deque[Future[CompletedPartTypeDef]] = deque()
        self._done: list[CompletedPartTypeDef] = []
        with objects.told(spot):
            self._id = objects.client.create_multipart_upload(
                Bucket=spot.bucket,
                Key=spot.name,
                ChecksumAlgorithm="CRC32",
                ChecksumType="FULL_OBJECT",
                Metadata={WRITER: writer},
                **objects.sealing.arguments,
            )["UploadId"]
        self._writer = writer

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the threads; abort after an exception, and only once no part is under way any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if error is not None:
            with suppress(BackupError):  # the exception itself says more; the next sweep finds the upload
                abort(self._objects, self._spot, self._id)

    def send(self, data: bytes, *, most: int) -> None:
        """Send the next part in the background; waits while ``most`` are under way."""
        number = self._number()
        checksum = as_header(crc32(data))
        self._start(lambda: self._send(number, data, checksum), at_once(len(data), most))

    def copy(self, source: Spot, held: Held, piece: Piece, *, most: int) -> None:
        """Have the next part copied in the background; waits while ``most`` are under way."""
        number = self._number()
        self._start(lambda: self._copy(number, source, held, piece), most)

    def finish_parts(self) -> None:
        """Wait until every part has arrived."""
        while self._under_way:
            self._done.append(self._under_way.popleft().result())

    def complete(self, size: int, checksum: int | None) -> Held:
        """Make the object of the parts, if its name is free.

        :raises ObjectChanged: it is not
        :raises UploadGone: it was completed or aborted already
        """
        whole: dict[str, Any] = {} if checksum is None else {"ChecksumCRC32": as_header(checksum)}
        with self._objects.told(self._spot):
            answer = self._objects.client.complete_multipart_upload(
                Bucket=self._spot.bucket,
                Key=self._spot.name,
                UploadId=self._id,
                MultipartUpload={"Parts": self._done},
                MpuObjectSize=size,
                ChecksumType="FULL_OBJECT",
                IfNoneMatch="*",
                **whole,
            )
        return Held(size, answered_at(answer), answer["ETag"], self._writer)

    def _number(self) -> int:
        return len(self._done) + len(self._under_way) + 1

    def _start(self, work: Callable[[], CompletedPartTypeDef], most: int) -> None:
        while len(self._under_way) >= most:
            self._done.append(self._under_way.popleft().result())
        self._under_way.append(self._pool.submit(work))

    def _send(self, number: int, data: bytes, checksum: str) -> CompletedPartTypeDef:
        with self._objects.told(self._spot):
            answer = self._objects.client.upload_part(
                Bucket=self._spot.bucket,
                Key=self._spot.name,
                UploadId=self._id,
                PartNumber=number,
                Body=data,
                ChecksumCRC32=checksum,
            )
        return _completed(number, answer["ETag"], answer.get("ChecksumCRC32"))

    def _copy(self, number: int, source: Spot, held: Held, piece: Piece) -> CompletedPartTypeDef:
        part: dict[str, Any] = (
            {} if piece.size == held.size else {"CopySourceRange": f"bytes={piece.start}-{piece.end - 1}"}
        )
        try:
            with self._objects.told(source):
                answer = self._objects.client.upload_part_copy(
                    Bucket=self._spot.bucket,
                    Key=self._spot.name,
                    UploadId=self._id,
                    PartNumber=number,
                    CopySource={"Bucket": source.bucket, "Key": source.name},
                    CopySourceIfMatch=held.etag,
                    **part,
                )["CopyPartResult"]
        except ObjectChanged as error:
            raise StoreUnavailable(f"{source.url} was changed while it was joined: run again") from error
        return _completed(number, answer["ETag"], answer.get("ChecksumCRC32"))


def abort(objects: Objects, spot: Spot, upload_id: str) -> None:
    """End an upload and free its parts; one that has ended already is fine."""
    with suppress(UploadGone), objects.told(spot):
        objects.client.abort_multipart_upload(Bucket=spot.bucket, Key=spot.name, UploadId=upload_id)


def sweep(objects: Objects, searched: Spot, older_than: timedelta) -> int:
    """Abort the uploads to names with this beginning that began so long ago by the server's clock; count them."""
    old = []
    with objects.told(searched):
        pages = objects.client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=searched.bucket, Prefix=searched.name):
            before = answered_at(page) - older_than
            old += [(one["Key"], one["UploadId"]) for one in page.get("Uploads", []) if one["Initiated"] <= before]
    for name, upload_id in old:
        abort(objects, replace(searched, name=name), upload_id)
    return len(old)


def _completed(number: int, etag: str, checksum: str | None) -> CompletedPartTypeDef:
    part: CompletedPartTypeDef = {"PartNumber": number, "ETag": etag}
    return part | {"ChecksumCRC32": checksum} if checksum else part
