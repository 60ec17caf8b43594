"""What tests do to the memory server behind its back: other clients, restarts; none of it counts as a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock

import numpy as np

from backup_engine.model import Clock, Metric, Quantization
from tests.engine.memory_collection import MemoryCollection, Saved
from tests.engine.samples import configuration, some_records


class Hands:
    """Mixed into the memory server, whose fields it names."""

    live: dict[str, MemoryCollection]
    saved: dict[str, Saved]
    _clock: Clock
    _lock: RLock
    _now: Callable[[], str]
    _get: Callable[[str], MemoryCollection]

    def fill(
        self,
        name: str,
        records: int,
        *,
        dimension: int = 8,
        metric: Metric = Metric.COSINE,
        quantization: Quantization = Quantization.SQ8,
        first: int = 0,
        seed: int = 7,
    ) -> None:
        """Create the collection if it is not there and upsert records r<first> …."""
        with self._lock:
            if name not in self.live:
                self.live[name] = MemoryCollection(configuration(dimension, metric, quantization), self._now)
            if records:
                self.live[name].upsert(some_records(range(first, first + records), dimension, seed))

    def write(self, name: str, batch) -> None:
        """Another client upserts; a deleted collection that the disk still has comes back and lists these ids twice."""
        with self._lock:
            self._get(name).upsert(batch)

    def wake(self, name: str) -> None:
        """Another client asks for the collection: a deleted one that the disk still has comes back, broken."""
        with self._lock:
            self._get(name)

    def erase(self, name: str, ids: Sequence[str]) -> None:
        """Another client deletes."""
        with self._lock:
            self.live[name].delete(ids)

    def drop(self, name: str) -> None:
        """Another client deletes the collection and flushes."""
        with self._lock:
            del self.live[name]
            self.saved.pop(name, None)

    def hide(self, name: str, *ids: str) -> None:
        """Have upserts of these ids in flight: listings miss them, the count and ``retrieve`` do not. None ends it."""
        with self._lock:
            self.live[name].hidden = set(ids)
            self.live[name].touch()

    def restart(self, *, absent: Sequence[str] = (), counting_zero: Sequence[str] = ()) -> None:
        """Start again from disk: unsaved writes are lost, values change, aliases are gone.

        :param absent: collections not loaded yet, so not listed
        :param counting_zero: collections in work: listed with a count of 0
        """
        with self._lock:
            self.live = {name: MemoryCollection.loaded(saved, self._now) for name, saved in self.saved.items()}
            self._aliases = {}
            self._started = self._clock()
            self._absent, self._counting_zero = frozenset(absent), frozenset(counting_zero)

    def finish_loading(self) -> None:
        """Everything is loaded."""
        self._absent = self._counting_zero = frozenset()

    def content(self, name: str) -> dict[str, tuple[bytes, str | None]]:
        """All records as a reader gets them: bytes of the float32 components, payload text."""
        with self._lock:
            collection = self.live[name]
            return {
                key: (np.where(np.isfinite(v), v, np.float32(np.nan)).astype("<f4").tobytes(), payload)
                for key, (v, payload) in collection.records.items()
            }
