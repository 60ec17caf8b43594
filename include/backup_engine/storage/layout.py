"""Which bucket and which name in it a key has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backup_engine.errors import UnsafeKey
from backup_engine.storage.address import Scheme
from backup_engine.storage.contract import checked_key, checked_prefix

STAGING = ".staging/"


@dataclass(frozen=True, slots=True)
class Spot:
    """One object's bucket and its full name there."""

    scheme: Scheme
    bucket: str
    name: str

    @property
    def url(self) -> str:
        """For messages."""
        return f"{self.scheme}://{self.bucket}/{self.name}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a store's keys lie.

    :param prefix: within the bucket, without "/" at its end; "" for the whole bucket
    :param staging: the bucket of keys below ``.staging/``, with the same prefix; None: the same bucket
    """

    scheme: Scheme
    bucket: str
    prefix: str = ""
    staging: str | None = None

    @property
    def url(self) -> str:
        """The root."""
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def folder(self) -> str:
        """What every name of this store begins with."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def workbench(self) -> str:
        """The bucket in which pieces are put together: what lies there can be deleted."""
        return self.staging or self.bucket

    @property
    def buckets(self) -> Sequence[str]:
        """All of them."""
        return tuple(dict.fromkeys((self.bucket, self.workbench)))

    def spot(self, key: str) -> Spot:
        """Give the place of a key.

        :raises UnsafeKey: it is no key
        """
        return Spot(self.scheme, self._bucket_of(checked_key(key)), self.folder + key)

    def key(self, bucket: str, name: str) -> str | None:
        """Give the key that lies there; None when no key of ours does."""
        folder = self.folder
        if not name.startswith(folder):
            return None
        try:
            key = checked_key(name[len(folder) :])
        except UnsafeKey:
            return None
        return key if self._bucket_of(key) == bucket else None

    def searched(self, prefix: str) -> Sequence[Spot]:
        """Give the places, each a bucket and the beginning of names there, where keys with this prefix lie.

        :raises UnsafeKey: it is no prefix
        """
        checked_prefix(prefix)
        if self.staging is None or prefix:
            return (Spot(self.scheme, self._bucket_of(prefix), self.folder + prefix),)
        return (
            Spot(self.scheme, self.bucket, self.folder),
            Spot(self.scheme, self.staging, self.folder + STAGING),
        )

    def _bucket_of(self, key: str) -> str:
        return self.workbench if key.startswith(STAGING) else self.bucket
