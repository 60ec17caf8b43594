"""Single requests about single objects, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backup_engine.errors import ObjectChanged, ObjectExists, ObjectNotFound, StoreDenied, StoreUnavailable
from backup_engine.storage.gcs.checksums import decoded, encoded
from backup_engine.storage.gcs.patience import Patience
from backup_engine.storage.gcs.refusals import told
from backup_engine.storage.layout import Spot

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

WRITER = "writer"
"""The name, in an object's metadata, of the random word that its writer gave it.

It tells a writer whose answer was lost that the object is its own.
"""

ABSENT = 0
"""The generation of what does not exist: the condition of every write that must not overwrite."""

CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Held:
    """What the store says of one generation of an object.

    :param modified_at: when this generation was made: what is changed beside the bytes later does not move it
    :param writer: "" where another program wrote it
    :param crc32c: of the whole object; None where the server tells none, which Google's never does
    """

    size: int
    modified_at: datetime
    generation: int
    writer: str
    crc32c: int | None


class Objects:
    """The client, and what is said with each request.

    :param client: safe to use from several threads; not across a fork
    :param kms_key: full name of the Cloud KMS key for what is written; None: as the bucket says
    """

    def __init__(self, client: Client, kms_key: str | None, patience: Patience) -> None:
        self.client = client
        self.kms_key = kms_key
        self.patience = patience
        self._bounds: dict[str, Any] = {"timeout": patience.timeout, "retry": patience.retry}

    def blob(self, spot: Spot, generation: int | None = None) -> Blob:
        """Give the library's handle."""
        return self.client.bucket(spot.bucket).blob(spot.name, generation=generation)

    def draft(self, spot: Spot, writer: str) -> Blob:
        """Give the library's handle on an object that is to be written."""
        blob = self.client.bucket(spot.bucket).blob(spot.name, kms_key_name=self.kms_key)
        blob.metadata = {WRITER: writer}
        return blob

    def look(self, spot: Spot) -> Held:
        """Ask for everything but the bytes.

        :raises ObjectNotFound: there is none
        :raises StoreNotInitialised: there is no bucket
        """
        blob = self.blob(spot)
        with told(spot.url):
            blob.reload(**self._bounds)
        return held(blob)

    def find(self, spot: Spot) -> Held | None:
        """Give what there is; None where there is nothing."""
        try:
            return self.look(spot)
        except ObjectNotFound:
            return None

    def put(self, spot: Spot, data: bytes, checksum: int, writer: str, match: int) -> Held:
        """Write an object with one request.

        :param match: the generation it takes the place of
        :raises ObjectChanged: it is another one now
        """
        blob = self.draft(spot, writer)
        with told(spot.url):
            blob.upload_from_string(
                data, content_type=CONTENT_TYPE, if_generation_match=match, checksum="crc32c", **self._bounds
            )
        return self.checked(spot, held(blob), len(data), checksum)

    def open_session(self, spot: Spot, writer: str) -> str:
        """Begin an upload of unknown size that must not overwrite; give its address."""
        with told(spot.url):
            return str(
                self.draft(spot, writer).create_resumable_upload_session(
                    content_type=CONTENT_TYPE, if_generation_match=ABSENT, checksum=None, **self._bounds
                )
            )

    def compose(self, target: Spot, sources: Sequence[tuple[Spot, Held]], writer: str) -> Held:
        """Make an object of at most 32 others of the same bucket, unless there is one.

        :raises ObjectChanged: the name is taken
        :raises ObjectNotFound: one of the sources is not what it was
        """
        blob = self.client.bucket(target.bucket).blob(target.name)
        blob.metadata = {WRITER: writer}
        blob.content_type = CONTENT_TYPE
        pinned = [self.blob(spot, source.generation) for spot, source in sources]
        with told(target.url):
            blob.compose(pinned, if_generation_match=ABSENT, **self._bounds)
        return held(blob)

    def rewrite(self, target: Spot, source: Spot, seen: Held, writer: str) -> Held:
        """Copy an object inside the store, also to another bucket or under another key, unless there is one.

        :raises ObjectChanged: the name is taken
        """
        blob, token = self.draft(target, writer), None
        blob.content_type = CONTENT_TYPE
        written = -1
        while True:
            with told(target.url):
                token, done, _ = blob.rewrite(
                    self.blob(source, seen.generation), token=token, if_generation_match=ABSENT, **self._bounds
                )
            if token is None:
                return held(blob)
            if done <= written:
                raise StoreUnavailable(f"{target.url}: copying it from {source.url} got stuck at {done:,} bytes")
            written = done

    def delete(self, spot: Spot, generation: int) -> None:
        """Delete this generation if it is still the one that is there, in one try: a second one could not tell.

        :raises ObjectNotFound: there is none
        :raises ObjectChanged: another one has taken its place
        """
        with told(spot.url):
            self.blob(spot).delete(if_generation_match=generation, timeout=self.patience.timeout, retry=None)

    def claim(self, spot: Spot, writer: str, refused: ObjectChanged) -> Held:
        """Give what this writer wrote there itself, when the answer to that was lost.

        :param refused: how the server answered when it was asked again
        :raises ObjectExists: somebody else wrote it
        """
        found = self.find(spot)
        if found is not None and found.writer == writer:
            return found
        raise taken(spot) from refused

    def checked(self, spot: Spot, made: Held, size: int, checksum: int) -> Held:
        """Give it back if it is what was sent; else remove exactly this generation.

        :raises StoreUnavailable: it is not
        """
        if (made.size, made.crc32c) == (size, checksum):
            return made
        what = f"{spot.url}: {size:,} bytes with the crc32c {encoded(checksum)} were sent"
        got = f"{made.size:,} with {'none' if made.crc32c is None else encoded(made.crc32c)} arrived"
        try:
            self.delete(spot, made.generation)
        except (ObjectNotFound, ObjectChanged):
            pass  # it is gone
        except StoreDenied as error:
            raise StoreUnavailable(f"{what}, {got}, which could not be removed: remove it, and run again") from error
        raise StoreUnavailable(f"{what}, {got}; it was removed: run again")


def taken(spot: Spot) -> ObjectExists:
    """Say that the name is taken."""
    return ObjectExists(f"{spot.url} exists already; it was to be created, and is left as it is")


def held(blob: Blob) -> Held:
    """Read what the library learnt of an object."""
    return Held(
        int(blob.size or 0),
        _utc(blob.time_created),
        int(blob.generation),
        str((blob.metadata or {}).get(WRITER, "")),
        decoded(blob.crc32c),
    )


def held_in(resource: dict[str, Any]) -> Held:
    """Read what an upload session answered at its end."""
    return Held(
        int(resource["size"]),
        _utc(datetime.fromisoformat(resource["timeCreated"])),
        int(resource["generation"]),
        str(resource.get("metadata", {}).get(WRITER, "")),
        decoded(resource.get("crc32c")),
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
