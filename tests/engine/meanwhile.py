"""A store that lets something happen just before a chosen call: how two workers meet at every instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from backup_engine.storage.contract import ListedObject, ObjectInfo, Store


class Meanwhile:
    """Passes every call on; before the n-th (from 1) the action runs, once.

    :param calls: how many were made
    """

    def __init__(self, inner: Store, call: int = 0, action: Callable[[], object] = lambda: None) -> None:
        self.inner = inner
        self.calls = 0
        self._call = call
        self._action = action

    @property
    def url(self) -> str:
        return self.inner.url

    def list(self, prefix: str) -> Iterator[ListedObject]:
        return self._passed().list(prefix)

    def stat(self, key: str) -> ObjectInfo:
        return self._passed().stat(key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._passed().read(key, offset=offset, length=length)

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        return self._passed().create(key, chunks)

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        return self._passed().replace(key, data, version=version)

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        return self._passed().join(key, sources, tail)

    def delete(self, keys: Iterable[str]) -> None:
        self._passed().delete(keys)

    def free_bytes(self) -> int | None:
        return self._passed().free_bytes()

    def _passed(self) -> Store:
        self.calls += 1
        if self.calls == self._call:
            self._action()
        return self.inner
