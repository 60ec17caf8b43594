"""A store in a Google Cloud Storage bucket."""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from backup_engine.errors import ObjectChanged, ObjectNotFound
from backup_engine.findings import Finding
from backup_engine.storage.address import Scheme
from backup_engine.storage.contract import ListedObject, ObjectInfo
from backup_engine.storage.gcs import downloading
from backup_engine.storage.gcs.checksums import extended
from backup_engine.storage.gcs.deleting import delete_all
from backup_engine.storage.gcs.joining import Joining
from backup_engine.storage.gcs.objects import Held, Objects, held, taken
from backup_engine.storage.gcs.patience import Patience
from backup_engine.storage.gcs.refusals import told
from backup_engine.storage.gcs.settings import look_at_settings
from backup_engine.storage.gcs.uploading import upload
from backup_engine.storage.layout import Layout, Spot

if TYPE_CHECKING:
    from google.cloud.storage import Client

_FIELDS = "items(name,size,generation,timeCreated),nextPageToken"


class GcsStore:
    """Objects in one bucket, below one prefix.

    * A version is the generation. Every write carries the generation it takes the place of, 0 for none, so that the
      store itself refuses to overwrite, and a request that is made twice does harm once at most.
    * A writer whose answer was lost knows its object by the random word it gave it.
    * What was sent is compared by crc32c, by the store before it keeps it and here after; joined objects too.
    * A stream reads one generation. When that is deleted or replaced meanwhile, what was not fetched is not found.

    Safe to use from several threads; a process that forks opens its own.

    :param client: a ready client; its project is not asked
    :param staging: another bucket for keys below ``.staging/``, where objects of the first cannot be deleted
    :param kms_key: full name of the Cloud KMS key for what is written; None: as the bucket says
    :param new_word: gives a word that it never gave before
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        prefix: str = "",
        *,
        staging: str | None = None,
        kms_key: str | None = None,
        patience: Patience | None = None,
        new_word: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._layout = Layout(Scheme.GS, bucket, prefix, staging)
        self._objects = Objects(client, kms_key, patience or Patience())
        self._new_word = new_word

    @property
    def url(self) -> str:
        """Bucket and prefix."""
        return self._layout.url

    @property
    def endpoint(self) -> str:
        """Address of the server that is asked."""
        return str(self._objects.client.api_endpoint)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Objects below the prefix, page by page; the first page is asked for by the call itself."""
        listings = [self._listing(spot) for spot in self._layout.searched(prefix)]
        return heapq.merge(*listings, key=lambda found: found.key)

    def stat(self, key: str) -> ObjectInfo:
        """Describe one object."""
        return _info(key, self._objects.look(self._layout.spot(key)))

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a range of the generation that is there now."""
        return downloading.read(self._objects, self._layout.spot(key), offset, length)

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        """Write a new object; a taken key is refused before the first chunk is asked for, and again at the end."""
        spot = self._layout.spot(key)
        self._require_free(spot)
        return _info(key, upload(self._objects, spot, chunks, self._new_word()))

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        """Overwrite the object if its generation is still the one that was seen."""
        spot, writer = self._layout.spot(key), self._new_word()
        if not version.isdecimal() or not int(version):  # generation 0 would mean: if there is none
            raise ObjectChanged(f"{spot.url} was never version {version!r}: read again")
        try:
            made = self._objects.put(spot, data, extended(0, data), writer, int(version))
        except (ObjectChanged, ObjectNotFound) as error:
            found = self._objects.find(spot)
            if found is None or found.writer != writer:
                now = "it is gone" if found is None else f"version {found.generation}"
                raise ObjectChanged(
                    f"{spot.url} was version {version} when it was read, now {now}: read again"
                ) from error
            made = found
        return _info(key, made)

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        """Have the store compose a new object of the sources and the tail."""
        spot = self._layout.spot(key)
        for source in sources:
            self._layout.spot(source)
        self._require_free(spot)
        if not sources:
            return _info(key, upload(self._objects, spot, [tail], self._new_word()))
        joining = Joining(self._objects, self._layout, self._new_word())
        return _info(key, joining.join(key, sources, tail))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects, several at once; all keys are checked before the first goes."""
        delete_all(self._objects, [self._layout.spot(key) for key in keys])

    def free_bytes(self) -> int | None:
        """Google Cloud Storage knows no limit."""
        return None

    def look_at_settings(self) -> Iterator[Finding]:
        """Look whether the buckets are set so that backups stay what they are."""
        for bucket in self._layout.buckets:
            yield from look_at_settings(self._objects, bucket, scratch=bucket != self._layout.bucket)

    def _listing(self, spot: Spot) -> Iterator[ListedObject]:
        patience = self._objects.patience
        pages = self._objects.client.list_blobs(
            spot.bucket, prefix=spot.name, fields=_FIELDS, timeout=patience.timeout, retry=patience.retry
        ).pages
        first = self._page(pages, spot)
        return chain(first, self._following(pages, spot))

    def _following(self, pages: Iterator[Any], spot: Spot) -> Iterator[ListedObject]:
        while page := self._page(pages, spot):
            yield from page

    def _page(self, pages: Iterator[Any], spot: Spot) -> Sequence[ListedObject]:
        """Give the next page that has keys of this store; none when there is no more."""
        while True:
            with told(spot.url):
                page = next(pages, None)
            if page is None:
                return ()
            if found := [*self._ours(page, spot.bucket)]:
                return found

    def _ours(self, page: Iterable[Any], bucket: str) -> Iterator[ListedObject]:
        for blob in page:
            key = self._layout.key(bucket, blob.name)
            if key is not None:
                yield _info(key, held(blob)).listed

    def _require_free(self, spot: Spot) -> None:
        if self._objects.find(spot) is not None:
            raise taken(spot)


def _info(key: str, found: Held) -> ObjectInfo:
    return ObjectInfo(key, found.size, found.modified_at, str(found.generation))
