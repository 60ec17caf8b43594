"""Single requests about single objects, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from backup_engine.errors import ObjectNotFound
from backup_engine.storage.layout import Spot
from backup_engine.storage.s3.refusals import code_of, told

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

WRITER = "writer"
"""The name, in an object's metadata, of the random word that its writer gave it.

It tells one writing from the next also where the bytes, and so S3's ETag, are the same; and it tells a writer whose
answer was lost that the object is its own.
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What S3 says of one object.

    :param etag: with its quotation marks, as conditions want it
    :param writer: "" where another program wrote it
    :param crc32: of the whole object, as S3 writes it; None where the server keeps none
    """

    size: int
    modified_at: datetime
    etag: str
    writer: str
    crc32: str | None = None
    encryption: str | None = None

    @property
    def version(self) -> str:
        """What the contract calls version. Of an object without a writer its time, in seconds, takes part."""
        mark = self.writer or f"{self.modified_at.timestamp():.0f}"
        return f"{self.etag.strip(chr(34))}-{mark}"


@dataclass(frozen=True, slots=True)
class Sealing:
    """How the server is to encrypt; without a kind as the bucket says."""

    kind: str | None = None
    kms_key: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What each writing request says of it."""
        said: dict[str, Any] = {"ServerSideEncryption": self.kind} if self.kind else {}
        return said | ({"SSEKMSKeyId": self.kms_key} if self.kms_key else {})


class Objects:
    """The client, and what is said with each request.

    :param client: safe to use from several threads, as boto3's are; not across a fork
    """

    def __init__(self, client: S3Client, sealing: Sealing) -> None:
        self.client = client
        self.sealing = sealing
        self.host = urlsplit(client.meta.endpoint_url).hostname or "the server"

    def told(self, spot: Spot) -> AbstractContextManager[None]:
        """Turn what the client raises inside the block into an error of the store contract."""
        return told(spot.url, self.host)

    def head(self, spot: Spot) -> Held:
        """Ask for everything but the bytes.

        :raises ObjectNotFound: there is none, or not even the bucket; ``look`` tells which
        """
        with self.told(spot):
            try:
                answer = self.client.head_object(Bucket=spot.bucket, Key=spot.name, ChecksumMode="ENABLED")
            except ClientError as error:
                if _says_too_little(error):
                    self._ask_in_words(spot)
                raise
        return Held(
            answer["ContentLength"],
            whole_second(answer["LastModified"]),
            answer["ETag"],
            answer.get("Metadata", {}).get(WRITER, ""),
            answer.get("ChecksumCRC32") if answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" else None,
            answer.get("ServerSideEncryption"),
        )

    def look(self, spot: Spot) -> Held:
        """Ask for everything but the bytes, and tell a missing object from a missing bucket.

        :raises ObjectNotFound: there is none
        :raises StoreNotInitialised: there is no bucket
        """
        try:
            return self.head(spot)
        except ObjectNotFound:
            with self.told(spot):
                self._ask_in_words(spot)
            raise

    def find(self, spot: Spot) -> Held | None:
        """Give what there is; None where there is nothing."""
        try:
            return self.head(spot)
        except ObjectNotFound:
            return None

    def put(self, spot: Spot, data: bytes, crc32: str, writer: str, **condition: Any) -> Held:  # noqa: ANN401
        """Write an object with one request.

        :param condition: ``IfNoneMatch`` or ``IfMatch``
        :raises ObjectChanged: the condition does not hold
        """
        with self.told(spot):
            answer = self.client.put_object(
                Bucket=spot.bucket,
                Key=spot.name,
                Body=data,
                ChecksumCRC32=crc32,
                Metadata={WRITER: writer},
                **self.sealing.arguments,
                **condition,
            )
        return Held(len(data), answered_at(answer), answer["ETag"], writer)

    def _ask_in_words(self, spot: Spot) -> None:
        """Ask for the first byte: an answer to HEAD has no body, and so no reason."""
        try:
            answer = self.client.get_object(Bucket=spot.bucket, Key=spot.name, Range="bytes=0-0")
        except ClientError as error:
            if code_of(error) != "InvalidRange":  # there is one by now, an empty one
                raise
        else:
            answer["Body"].close()


def whole_second(moment: datetime) -> datetime:
    """Give it as every request gives it: HEAD knows no fractions, and some servers list them."""
    return moment.astimezone(UTC).replace(microsecond=0)


def answered_at(answer: Mapping[str, Any]) -> datetime:
    """Give the server's time of the answer; this host's where the server tells none."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return parsedate_to_datetime(headers["date"]) if "date" in headers else whole_second(datetime.now(UTC))


def _says_too_little(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status // 100 in {3, 4} and status not in {404, 412}
