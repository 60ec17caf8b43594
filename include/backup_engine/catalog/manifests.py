"""Manifests of a store, read when somebody asks; only the last few stay in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from backup_engine.archive.documents import SIDECAR_BYTES, sidecar_of
from backup_engine.archive.manifest import Folder, Sidecar, sidecar_key
from backup_engine.catalog.index import INDEX_KEY
from backup_engine.errors import DamagedArchive
from backup_engine.outline import Outline, fingerprint_of, outline_of
from backup_engine.storage.contract import Store, read_bytes

KEPT_BYTES = 4 << 20
"""Of manifests as stored that stay at hand; in memory they take some ten times as much."""


class Manifests:
    """Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, tuple[Sidecar, str, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def outline(self, folder: Folder, name: str) -> Outline:
        """Read a manifest and put it in short.

        :raises ObjectNotFound: it is gone
        :raises DamagedArchive: it cannot be read
        """
        sidecar, fingerprint = self._read(folder, name)
        return outline_of(sidecar, fingerprint)

    def whole(self, outline: Outline) -> Sidecar:
        """Give the manifest that was put in short.

        :raises ObjectNotFound: it is gone
        :raises DamagedArchive: another one lies there now
        """
        key = sidecar_key(outline.folder, outline.name)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        sidecar, found = kept[:2] if kept else self._read(outline.folder, outline.name)
        if found != outline.fingerprint:
            raise DamagedArchive(
                f"{self._store.url}/{key} is not the manifest that was read for the catalog: "
                f"{outline.fingerprint[:12]}… was expected, {found[:12]}… was found. It was replaced meanwhile, or "
                f"{INDEX_KEY} is wrong: delete that object, it is made anew, and run again"
            )
        return sidecar

    def _read(self, folder: Folder, name: str) -> tuple[Sidecar, str]:
        key = sidecar_key(folder, name)
        raw = read_bytes(self._store, key, limit=SIDECAR_BYTES)
        sidecar, fingerprint = sidecar_of(raw, f"{self._store.url}/{key}", folder, name), fingerprint_of(raw)
        self._keep(key, sidecar, fingerprint, len(raw))
        return sidecar, fingerprint

    def _keep(self, key: str, sidecar: Sidecar, fingerprint: str, size: int) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = (sidecar, fingerprint, size)
            self._bytes += size - (before[2] if before else 0)
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1][2]
