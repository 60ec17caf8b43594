"""Clearing away what dead runs have left; never what may be a backup, or may become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import NamedTuple

from backup_engine.capture import staging
from backup_engine.catalog import Catalog
from backup_engine.errors import DamagedArchive, HostileArchive, ObjectNotFound
from backup_engine.lease import HeldLease
from backup_engine.model import Clock
from backup_engine.names import Place, Reservation, reservation_key
from backup_engine.pruning.erasing import erase
from backup_engine.pruning.journal import PLANS
from backup_engine.pruning.leftovers import Remains, remains, unfinished
from backup_engine.storage.contract import ListedObject, Store

OLD = timedelta(days=1)
"""Whatever a run left behind for so long, nobody goes on with."""
OLD_PLAN = timedelta(days=30)
"""A plan that nobody agreed to for so long is none any more."""

_RUN = re.compile(r"\.staging/(?P<run>[0-9a-f]{16})/")
_TRIAL = re.compile(r"\.staging/(?:check|clock)-[^/]+")
_NAME = re.compile(r"names/(?P<name>[^/]+)\Z")
_POINTER = re.compile(r"names/runs/(?P<run>[0-9a-f]{16})\.json\Z")


class Swept(NamedTuple):
    """What was cleared away."""

    objects: int
    bytes: int


def sweep_held(store: Store, clock: Clock, catalog: Catalog, held: HeldLease) -> Swept:
    """Finish what dead prunings began, and clear away what dead runs left in staging and beside the backups.

    :param catalog: of now
    :param held: the lease of the pruning
    """
    sweep = _Sweep(store, clock, catalog)
    other = [*sweep.found()]
    dead = [one for one in unfinished(catalog.listed) if not has_manifest(store, one)]
    infos = {info.key: info for info in other}
    infos |= {key: catalog.listed[key] for one in dead for key in one.keys}
    held.renew()
    erase(store, dead, sweep.runs(dead))
    store.delete([info.key for info in other])
    return Swept(len(infos), sum(info.size for info in infos.values()))


def has_manifest(store: Store, one: Remains) -> bool:
    """Tell whether somebody made a backup of it since it was listed."""
    try:
        store.stat(f"{one.stem}.json")
    except ObjectNotFound:
        return False
    return True


@dataclass
class _Sweep:
    store: Store
    clock: Clock
    catalog: Catalog

    def __post_init__(self) -> None:
        self._staged = [*self.store.list(".staging/")]
        self._working = {match["run"] for info in self._staged if (match := _RUN.match(info.key))}
        self._names = [*self.store.list("names/")]
        self._reserved = {info.key for info in self._names}

    def found(self) -> Iterator[ListedObject]:
        """Give what is deleted without any order."""
        yield from self._old_groups(self._staged, _RUN)
        yield from self._old_groups(self._staged, _TRIAL)
        yield from (info for info in self.store.list(PLANS) if self._older(info, OLD_PLAN))
        for one in remains(self.catalog.listed):
            yield from self._strays(one)
        yield from self._idle_names()

    def runs(self, dead: Iterable[Remains]) -> dict[str, str]:
        """Tell which runs made them, by their reservations."""
        found = {one.name: self._reservation(reservation_key(one.name)) for one in dead}
        return {name: reservation.run_key for name, reservation in found.items() if reservation}

    def _old_groups(self, listed: Iterable[ListedObject], pattern: re.Pattern[str]) -> Iterator[ListedObject]:
        """Give what lies in folders in which nothing was written for long."""
        ours = ((match[0], info) for info in listed if (match := pattern.match(info.key)))
        for _, group in groupby(ours, key=lambda pair: pair[0]):
            infos = [info for _, info in group]
            if all(self._older(info, OLD) for info in infos):
                yield from infos

    def _strays(self, one: Remains) -> Iterator[ListedObject]:
        """Give an archive that a dead run did not make a backup of, or words about what was deleted meanwhile.

        What has both an archive and records was a backup once, and stays for a person to look at.
        """
        infos = [self.catalog.listed[key] for key in one.keys]
        if one.manifest or one.withdrawals or not all(self._older(info, OLD) for info in infos):
            return
        orphan = bool(one.archive) and not one.records and self._left_by_dead_run(one.name)
        words = bool(one.records) and not one.archive and reservation_key(one.name) not in self._reserved
        if (orphan or words) and not has_manifest(self.store, one):
            yield from infos

    def _left_by_dead_run(self, name: str) -> bool:
        found = self._reservation(reservation_key(name))
        return found is not None and found.run_key not in self._working

    def _idle_names(self) -> Iterator[ListedObject]:
        """Give names that nothing has any more, and pointers to them."""
        taken: set[str | None] = {None, *(one.name for one in remains(self.catalog.listed))}
        busy = self._working | {one.outline.run_key for one in self.catalog.backups()}
        for info in self._names:
            name, pointer = _NAME.match(info.key), _POINTER.match(info.key)
            if not self._older(info, OLD) or (name and name["name"] in taken):
                continue
            if name:
                found = self._reservation(info.key)
                if found is not None and found.run_key not in self._working:
                    yield info
            elif pointer and pointer["run"] not in busy and self._pointed_at(info.key) not in taken:
                yield info

    def _pointed_at(self, key: str) -> str | None:
        try:
            return staging.load(self.store, key, Place).name
        except (ObjectNotFound, DamagedArchive, HostileArchive):
            return None

    def _reservation(self, key: str) -> Reservation | None:
        """Read one; None: there is none, or nobody can read it."""
        try:
            return staging.load(self.store, key, Reservation)
        except (ObjectNotFound, DamagedArchive, HostileArchive):
            return None

    def _older(self, info: ListedObject, age: timedelta) -> bool:
        return self.clock() - info.modified_at > age
