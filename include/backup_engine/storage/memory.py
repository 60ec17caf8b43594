"""A store in this process's memory: for tests, and for trying things out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from backup_engine.errors import ObjectChanged, ObjectExists, ObjectNotFound
from backup_engine.model import Clock, system_clock
from backup_engine.storage.contract import (
    READ_CHUNK,
    ListedObject,
    ObjectInfo,
    checked_key,
    checked_prefix,
    checked_range,
)


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    version: int
    modified_at: datetime

    def info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.data), self.modified_at, str(self.version))


class MemoryStore:
    """Keeps every promise of the contract but two: it ends with the process, and what it holds is in memory.

    Safe to use from several threads.
    """

    def __init__(self, url: str = "memory://store", clock: Clock = system_clock) -> None:
        self._url = url
        self._clock = clock
        self._objects: dict[str, _Object] = {}
        self._versions = 0
        self._lock = Lock()

    @property
    def url(self) -> str:
        """The name it was given."""
        return self._url

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Objects below the prefix, as they are at this moment."""
        checked_prefix(prefix)
        with self._lock:
            found = sorted((key, held) for key, held in self._objects.items() if key.startswith(prefix))
        return (held.info(key).listed for key, held in found)

    def stat(self, key: str) -> ObjectInfo:
        """Describe one object."""
        return self._held(key).info(key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a range of the object as it is at this moment, whatever happens to the key meanwhile."""
        data = self._held(key).data
        start, end = checked_range(f"{self._url}/{key}", len(data), offset, length)
        return (data[at : min(at + READ_CHUNK, end)] for at in range(start, end, READ_CHUNK))

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        """Keep a new object; a taken key is refused before the first chunk is asked for, and again at the end."""
        self._require_free(key)
        return self._keep_new(key, b"".join(chunks))

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        """Overwrite the object if it is still the version that was seen."""
        checked_key(key)
        with self._lock:
            held = self._objects.get(key)
            if held is None or str(held.version) != version:
                found = "it is gone" if held is None else f"version {held.version}"
                raise ObjectChanged(
                    f"{self._url}/{key} was version {version} when it was read, now {found}: read again"
                )
            return self._keep(key, bytes(data))

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        """Keep a new object made of the sources and the tail."""
        self._require_free(key)
        return self._keep_new(key, b"".join([*(self._held(source).data for source in sources), tail]))

    def delete(self, keys: Iterable[str]) -> None:
        """Forget the objects; all keys are checked before the first goes."""
        for key in [checked_key(key) for key in keys]:
            with self._lock:
                self._objects.pop(key, None)

    def free_bytes(self) -> int | None:
        """Memory knows no limit worth telling."""
        return None

    def _held(self, key: str) -> _Object:
        checked_key(key)
        with self._lock:
            held = self._objects.get(key)
        if held is None:
            raise ObjectNotFound(f"{self._url}/{key} does not exist")
        return held

    def _require_free(self, key: str) -> None:
        checked_key(key)
        with self._lock:
            if key in self._objects:
                raise ObjectExists(f"{self._url}/{key} exists already; it was to be created, and is left as it is")

    def _keep_new(self, key: str, data: bytes) -> ObjectInfo:
        with self._lock:
            if key in self._objects:
                raise ObjectExists(f"{self._url}/{key} was created by another writer meanwhile; it is left as it is")
            return self._keep(key, data)

    def _keep(self, key: str, data: bytes) -> ObjectInfo:
        self._versions += 1
        kept = _Object(data, self._versions, self._clock().astimezone(UTC))
        self._objects[key] = kept
        return kept.info(key)
