"""The memory server's own snapshots: files of one second each, loaded as everything is that comes from disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backup_engine.errors import CollectionNotFound, SnapshotNotFound, Unsupported
from backup_engine.model import Clock, ServerSnapshot
from tests.engine.memory_collection import MemoryCollection, Saved


@dataclass(frozen=True)
class Kept:
    """One file."""

    saved: Saved
    bytes: int


class Snapshots:
    """Mixed into the memory server, whose fields it names.

    :param empty_snapshots: the server finds nothing to write although it counts and lists (sharded collections)
    """

    live: dict[str, MemoryCollection]
    saved: dict[str, Saved]
    version: str
    empty_snapshots: bool = False
    _aliases: dict[str, str]
    _clock: Clock
    _call: Callable[..., object]
    _now: Callable[[], str]
    _get: Callable[[str], MemoryCollection]

    @property
    def files(self) -> dict[tuple[str, str], Kept]:
        """What lies on the disk, by collection and id."""
        return self.__dict__.setdefault("_files", {})

    def asked_meanwhile(self, name: str) -> bool:
        """Whether somebody asks for the collection while it is deleted and made again."""
        return False

    def take_snapshot(self, name: str) -> str:
        def effect() -> str:
            self._require_new()
            if name not in self.live:
                raise CollectionNotFound(f"the server does not list the collection {name!r}", status=404)
            saved = self._get(name).saved()
            if self.empty_snapshots:
                saved = Saved(saved.configuration, {})
            made = f"{self._clock():%Y%m%dT%H%M%SZ}"  # a second one in a second takes the place of the first
            size = 280 + sum(len(key) + vector.nbytes for key, (vector, _) in saved.records.items())
            self.files[name, made] = Kept(saved, size)
            return made

        return self._call("take_snapshot", name, effect)

    def snapshots(self, name: str) -> tuple[ServerSnapshot, ...]:
        def answer() -> tuple[ServerSnapshot, ...]:
            real = self._aliases.get(name, name)  # an alias shows what the collection behind it has
            found = [ServerSnapshot(id=made, bytes=kept.bytes) for (of, made), kept in self.files.items() if of == real]
            return tuple(sorted(found, key=lambda one: one.id, reverse=True))

        return self._call("snapshots", name, answer)

    def restore_snapshot(self, name: str, snapshot_id: str) -> None:
        def effect() -> None:
            kept = self.files.get((name, snapshot_id))
            if kept is None:
                raise SnapshotNotFound(f"no snapshot {snapshot_id!r} of {name!r}", status=404)
            self.live.pop(name, None)
            self._aliases = {alias: target for alias, target in self._aliases.items() if target != name}
            made = MemoryCollection.loaded(kept.saved, self._now, like_a_start=False)
            if name in self.saved and self.asked_meanwhile(name):
                made.count += len(self.saved[name].records)
            self.live[name] = made

        self._call("restore_snapshot", name, effect)

    def _require_new(self) -> None:
        if tuple(map(int, self.version.split(".")[:2])) < (3, 3):
            raise Unsupported(f"Vectorizer {self.version} takes no snapshots of collections")
