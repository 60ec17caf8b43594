"""A store in an S3 bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from backup_engine.errors import StoreDenied
from backup_engine.findings import Finding
from backup_engine.storage.contract import ListedObject, ObjectInfo
from backup_engine.storage.layout import Layout, Spot
from backup_engine.storage.s3 import copying, reading, settings, writing
from backup_engine.storage.s3.deleting import delete_all
from backup_engine.storage.s3.listing import list_objects, list_side_by_side
from backup_engine.storage.s3.objects import Held, Objects, Sealing
from backup_engine.storage.s3.uploading import sweep

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_ABANDONED = timedelta(days=1)


class S3Store:
    """Objects in a bucket, each under the store's prefix and its key.

    * ``create`` and ``join`` end in one request with ``If-None-Match: *``, which makes the object or finds the key
      taken: a PUT for up to 8 MiB, else the completion of a multipart upload. Until then nobody sees anything.
    * An object carries the random word of its writer in its metadata. So a writer whose answer was lost knows its own
      object again, and a version (ETag and word) never comes back, though ETags of equal bytes are equal.
    * ``replace`` compares the version, then writes with ``If-Match`` on the ETag. One window is left: between the two,
      others change the object and change it back to the very same bytes. What is written over then is what was seen.
    * Every write sends the CRC-32 of its bytes, of parts and of the whole, which the server compares before it keeps
      anything; afterwards size and checksum are asked for and compared, and what is wrong is removed. A server that
      keeps no checksum is read again instead; of a join it is compared as far as it kept those of the sources.
    * Memory: three parts of 8 MiB; from 8 GB of one object on three of 16, from 59 GB on two of 24.
    * A stream that breaks off is taken up again where it was, in the same version, five times within 8 MiB.
    * Uploads of killed writers that are older than a day are aborted by a store's first write.

    Safe to use from several threads; after a fork open another one, with a client of its own.

    :param layout: where its keys lie
    :param sse: ``AES256`` or ``aws:kms``: asked for with every write; None: as the bucket says
    :param kms_key: the key of ``aws:kms``; None: the account's own
    """

    def __init__(self, client: S3Client, layout: Layout, *, sse: str | None = None, kms_key: str | None = None) -> None:
        self._objects = Objects(client, Sealing(sse, kms_key))
        self._layout = layout
        self._swept = False

    @property
    def url(self) -> str:
        """The root as an ``s3://`` URL."""
        return self._layout.url

    @property
    def endpoint(self) -> str:
        """Address of the server that is asked."""
        return str(self._objects.client.meta.endpoint_url)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Give every object with the prefix as it is when the call is made."""
        return list_objects(self._objects, self._layout, prefix)

    def list_expected(self, prefix: str, expected: Sequence[str]) -> Iterator[ListedObject]:
        """Give what ``list`` gives, its pages asked for side by side."""
        return list_side_by_side(self._objects, self._layout, prefix, expected)

    def stat(self, key: str) -> ObjectInfo:
        """Describe the object."""
        return _info(key, self._objects.look(self._layout.spot(key)))

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a range of the object that has the name now."""
        return reading.read(self._objects, self._layout.spot(key), offset=offset, length=length)

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        """Write a new object; a taken key is refused before the first chunk is asked for, and again at the end."""
        return _info(key, writing.create(self._objects, self._free(key), chunks))

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        """Write over the object that was seen."""
        return _info(key, writing.replace(self._objects, self._layout.spot(key), bytes(data), version))

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        """Have the server copy the sources together; what is smaller than 5 MiB passes through here."""
        spots = [self._layout.spot(source) for source in sources]
        free = self._free(key)
        return _info(key, copying.join(self._objects, free, copying.find_sources(self._objects, spots), tail))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects, a thousand at a time; all keys are checked before the first goes."""
        delete_all(self._objects, [self._layout.spot(key) for key in keys])

    def free_bytes(self) -> int | None:
        """S3 knows no limit."""
        return None

    def sweep_uploads(self, older_than: timedelta) -> int:
        """Abort the multipart uploads of this store that began so long ago, and tell how many that were."""
        self._swept = True
        return sum(sweep(self._objects, spot, older_than) for spot in self._layout.searched(""))

    def look_at_settings(self) -> Iterator[Finding]:
        """Tell what is set for the buckets, as far as backups depend on it; nothing is changed."""
        return settings.look_at_settings(self._objects, self._layout)

    def _free(self, key: str) -> Spot:
        """Give the place of a key that is to be made, if it is free."""
        spot = self._layout.spot(key)
        if not self._swept:
            with suppress(StoreDenied):  # housekeeping: who may not list uploads may still write
                self.sweep_uploads(_ABANDONED)
        writing.require_free(self._objects, spot)
        return spot


def _info(key: str, held: Held) -> ObjectInfo:
    return ObjectInfo(key, held.size, held.modified_at, held.version)
