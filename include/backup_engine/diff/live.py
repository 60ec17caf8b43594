"""The difference between a restore point and what a server holds now."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.batches import batch_bytes
from backup_engine.diff.comparing import compare_states
from backup_engine.diff.differing import (
    Held,
    check_ids,
    chosen,
    held_in,
    is_known,
    with_records,
    without_records,
)
from backup_engine.diff.report import CollectionDiff, ComparedState, StateDiff
from backup_engine.diff.sides import LiveState, StoredState
from backup_engine.errors import CollectionMoved, CollectionNotFound
from backup_engine.model import Clock, CollectionState, Progress, ProgressEvent, silent
from backup_engine.ports import Source
from backup_engine.restore.names import is_reserved
from backup_engine.restore_point import RestorePoint

_TRIES = 3  # readings of a collection that moves so that a reading is worth nothing


def diff_with_server(
    point: RestorePoint,
    server: Source,
    clock: Clock,
    *,
    collections: Iterable[str] = (),
    ids: int = 0,
    temporary: Path | None = None,
    progress: Progress = silent,
) -> StateDiff:
    """Compare a backup with a server, reading each of its collections that the backup has once. Nothing is written.

    :param collections: only these; none: all that either has, without those that restores hold aside and those that
        the backup left out
    :param ids: how many ids of each kind to name for each collection, at most
    :param temporary: where digests and records that differ are kept meanwhile; None for the system's place
    :raises UnknownCollection: neither has a collection that is named
    :raises CollectionMoved: one could not be read three times, because it was written to
    """
    check_ids(ids)
    listed = {state.name: state for state in server.collections()}
    first, second = held_in(point.manifest), {name: _listed(state) for name, state in listed.items()}
    names = chosen(collections, first, second, f"{point.name} or the server")
    reading = _Reading(point, server, clock, ids, temporary, progress)

    def compared(name: str) -> CollectionDiff:
        one, other = first.get(name), second.get(name)
        if one is None or other is None or one.problem or other.problem:
            return without_records(name, one, other)
        return reading.compare(one, listed[name])

    shown = [name for name in names if collections or (not is_reserved(name) and is_known(name, point.manifest))]
    found = tuple(map(compared, shown))
    at = ComparedState(name=point.name, at=point.manifest.clear.captured_at)
    return StateDiff(first=at, second=ComparedState(name=server.facts().url, at=clock()), collections=found)


def _listed(state: CollectionState) -> Held:
    problem = None if state.dimension else "the server lists it without a dimension: it could not load it"
    return Held(state.vectors, state.dimension, None, state.created_at, problem)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How collections are read."""

    point: RestorePoint
    server: Source
    clock: Clock
    ids: int
    temporary: Path | None
    progress: Progress

    def compare(self, stored: Held, state: CollectionState) -> CollectionDiff:
        """Read one collection, and compare it."""
        try:
            return self._compare(stored, state)
        except CollectionNotFound:
            gone = _listed(state)._replace(problem="the server does not have it any more: it was dropped meanwhile")
            return without_records(state.name, stored, gone)

    def _compare(self, stored: Held, state: CollectionState) -> CollectionDiff:
        configuration = self.server.configuration(state.name)
        held = Held(state.vectors, state.dimension, configuration, state.created_at)
        before = StoredState(self.point, str(self.point.manifest.key_of(state.name)))
        vectors = stored.dimension == configuration.dimension
        with (
            tempfile.TemporaryDirectory(prefix="diff-", dir=self.temporary) as made,
            self._read(state, before, Path(made), _TRIES) as after,
        ):
            found = compare_states(before, after, ids=self.ids, vectors=vectors, temporary=self.temporary)
            remarks = tuple(self._moved(state, after))
            return with_records(state.name, stored, held._replace(vectors=after.rows), found, remarks)

    def _read(self, state: CollectionState, before: StoredState, directory: Path, tries: int) -> LiveState:
        place = directory / str(tries)
        place.mkdir()
        try:
            return LiveState(self._told(state), before.digests(), place)
        except CollectionMoved:
            if tries == 1:
                raise
        return self._read(state, before, directory, tries - 1)

    def _told(self, state: CollectionState) -> Iterator[pa.RecordBatch]:
        began, done, size = self.clock(), 0, 0
        for batch in self.server.read(state).batches:
            yield batch
            done, size = done + batch.num_rows, size + batch_bytes(batch)
            self.progress(_event(state, done, size, began, self.clock()))

    def _moved(self, state: CollectionState, read: LiveState) -> Iterator[str]:
        now = next((one for one in self.server.collections() if one.name == state.name), None)
        if now != state:
            yield "it was written to while it was read: records written meanwhile may be counted either way"
        if read.duplicates:
            yield f"the server listed {wording.count(read.duplicates, 'record')} a second time"


def _event(state: CollectionState, done: int, size: int, began: datetime, now: datetime) -> ProgressEvent:
    seconds = max(0.0, (now - began).total_seconds())
    return ProgressEvent(step="read", subject=state.name, done=done, total=state.vectors, bytes=size, seconds=seconds)
