"""Which backup the standby is brought to, and where the states lie that it is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from backup_engine import chain
from backup_engine.backup import Backup
from backup_engine.catalog import LATEST, Catalog
from backup_engine.errors import BrokenChain, ObjectNotFound
from backup_engine.restore_point import RestorePoint
from backup_engine.standby.differences import Stored
from backup_engine.standby.state import StandbyState


class States:
    """Every state that backups of the store tell, by its digest."""

    def __init__(self, catalog: Catalog, temporary: Path | None) -> None:
        self._catalog = catalog
        self._temporary = temporary
        self._by_digest: dict[str, list[tuple[Backup, str]]] = {}
        self._unread = iter(catalog.backups())
        self._whole: dict[str, bool] = {}
        self._points: dict[str, RestorePoint] = {}

    def at_hand(self, digests: Iterable[str]) -> frozenset[str]:
        """Tell which of these states can be read."""
        return frozenset(digest for digest in digests if next(self._readable(digest), None))

    def open(self, digest: str) -> Stored | None:
        """Give a collection that has this state, out of the newest backup that can be read; None: there is none."""
        found = next(self._readable(digest), None)
        if found is None:
            return None
        backup, key = found
        if backup.name not in self._points:
            self._points[backup.name] = self._catalog.open_point(backup, temporary=self._temporary)
        return Stored(self._points[backup.name], key)

    def _readable(self, digest: str) -> Iterator[tuple[Backup, str]]:
        """Give every backup with this state that can be read, newest first; manifests are read as far as one has to
        look, and a standby stands on one of the newest.
        """
        at = 0
        while True:
            found = self._by_digest.get(digest, [])
            if at < len(found):
                backup, key = found[at]
                at += 1
                if self._is_whole(backup):
                    yield backup, key
            elif not self._read_one():
                return

    def _read_one(self) -> bool:
        """Read the next older manifest; False: all were read."""
        backup = next(self._unread, None)
        if backup is None:
            return False
        with suppress(ObjectNotFound):  # pruned since the catalog was read: its states are gone with it
            for summary in backup.manifest.clear.collections:
                if summary.state_digest:
                    self._by_digest.setdefault(summary.state_digest, []).append((backup, summary.key))
        return True

    def _is_whole(self, backup: Backup) -> bool:
        if backup.name not in self._whole:
            self._whole[backup.name] = not backup.damaged and not chain.breaks(backup, self._catalog.by_name)
        return self._whole[backup.name]


def targets(state: StandbyState, catalog: Catalog) -> tuple[Backup, ...]:
    """Tell what the standby is to be brought to, one after the other: what was begun first, then the newest. None when
    it holds a newer state than any that can be restored now: it is never taken back.

    :raises UnknownBackup: there is no good backup that can be restored
    """
    newest = catalog.find(LATEST)
    unfinished = state.in_flight or (state.loading if state.loading and not state.loading.given_up else None)
    if unfinished is None:
        return () if state.captured_at and newest.captured_at < state.captured_at else (newest,)
    begun = catalog.by_name.get(unfinished.backup)
    if begun is None or begun.name == newest.name or begun.damaged:
        return (newest,)
    with suppress(BrokenChain):
        catalog.check_chain(begun)
        return begun, newest
    return (newest,)
