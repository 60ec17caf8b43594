"""Reserving a backup's place. Two objects decide: ``names/<name>`` which run has the name, and ``names/runs/<run>``
which name the run has. Both outlive the run's staging, so a worker that wakes up late finds what became of its run.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from backup_engine.archive.manifest import BackupKind
from backup_engine.capture import staging
from backup_engine.commit.freezing import FrozenCommit
from backup_engine.errors import CaptureRefused, ObjectChanged, ObjectExists
from backup_engine.names import (
    Place,
    Reservation,
    place_backup,
    place_incremental,
    pointer_key,
    reservation_key,
    takes_slot,
)
from backup_engine.outline import Outline
from backup_engine.storage.contract import Store

_MOST_TRIES = 100


def reserve_place(store: Store, run_key: str, commit: FrozenCommit, history: Iterable[Outline]) -> Place:
    """Decide folder and name, and hold them for the run; again gives the same place.

    :param history: every backup the store holds
    """
    others = [one for one in history if one.run_key != run_key]
    taken = {one.name for one in others}
    held = [one.captured_at for one in others if takes_slot(one)]
    for _ in range(_MOST_TRIES):
        place, version = _point(store, run_key, _wanted(commit, held, taken))
        if place.name not in taken:
            other = _claim(store, place, run_key, commit)
            if other is None:
                return place
            _note(other, place, taken, held)
        _point_elsewhere(store, run_key, _wanted(commit, held, taken), version)
    raise CaptureRefused(f"{_MOST_TRIES} names were taken one after the other at {commit.captured_at}; start again")


def _wanted(commit: FrozenCommit, held: Iterable[datetime], taken: set[str]) -> Place:
    if commit.kind is BackupKind.INCREMENTAL:
        return place_incremental(commit.captured_at, taken)
    return place_backup(commit.captured_at, slot=commit.takes_slot, held=held, taken=taken)


def _note(other: Reservation, place: Place, taken: set[str], held: list[datetime]) -> None:
    """Another run has this name and will be, or is, a backup under it."""
    taken.add(place.name)
    if other.takes_slot:
        held.append(other.captured_at)


def _point(store: Store, run_key: str, wanted: Place) -> tuple[Place, str]:
    """Give the place that the run's pointer says, which is the wanted one if there was no pointer."""
    key = pointer_key(run_key)
    try:
        return wanted, store.create(key, [wanted.model_dump_json().encode()]).version
    except ObjectExists:
        version = store.stat(key).version  # read before the content: a change in between makes a replace fail
        return staging.load(store, key, Place), version


def _point_elsewhere(store: Store, run_key: str, place: Place, version: str) -> None:
    try:
        store.replace(pointer_key(run_key), place.model_dump_json().encode(), version=version)
    except ObjectChanged:
        return  # another worker of this run has decided: its decision is read next


def _claim(store: Store, place: Place, run_key: str, commit: FrozenCommit) -> Reservation | None:
    """Reserve the name for the run; give the other run's reservation if it has the name."""
    key = reservation_key(place.name)
    wanted = Reservation(
        run_key=run_key, folder=place.folder, captured_at=commit.captured_at, takes_slot=commit.takes_slot
    )
    try:
        staging.keep(store, key, wanted)
    except ObjectExists:
        found = staging.load(store, key, Reservation)
        return None if found.run_key == run_key else found
    return None
