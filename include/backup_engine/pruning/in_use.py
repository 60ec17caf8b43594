"""What somebody works with at this moment: none of it is pruned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from backup_engine.capture import staging
from backup_engine.capture.plan import CapturePlan
from backup_engine.errors import ObjectNotFound, UnknownFormat
from backup_engine.model import Clock
from backup_engine.restore.lifecycle import KnownRestore, Progression, list_restores
from backup_engine.standby.state import read_standby
from backup_engine.storage.contract import Store

PENDING = timedelta(days=7)
"""A restore that was planned and never begun keeps its backup for so long: somebody may still approve it."""

_PLAN = re.compile(r"\.staging/[0-9a-f]{16}/[A-Za-z0-9._-]+/plan\.json\Z")
_STANDBY = re.compile(r"standby/(?P<standby>[A-Za-z0-9._-]+)\.json\Z")


def in_use(store: Store, clock: Clock) -> Mapping[str, str]:
    """Tell by name which backups are needed now, and what for; all they hang on is needed with them.

    :raises DamagedArchive: a capture's plan cannot be read, so nobody knows what it builds on
    :raises UnknownFormat: likewise what a standby holds, or a restore needs
    """
    found: dict[str, str] = {}
    for name, why in (*_captures(store), *_restores(store, clock), *_standbys(store)):
        found.setdefault(name, why)
    return found


def _captures(store: Store) -> Iterator[tuple[str, str]]:
    for info in [one for one in store.list(".staging/") if _PLAN.match(one.key)]:
        try:
            plan = staging.load(store, info.key, CapturePlan)
        except ObjectNotFound:  # committed meanwhile: its manifest says what it hangs on
            continue
        for one in plan.collections:
            for base in (one.basis.newest, one.basis.base) if one.basis else ():
                yield base.name, f"run {staging.run_of(info.key)} builds on it"


def _restores(store: Store, clock: Clock) -> Iterator[tuple[str, str]]:
    for known in list_restores(store):
        if known.plan is None and clock() - known.planned_at < PENDING:
            raise UnknownFormat(
                f"{store.url}: restore {known.restore_id} cannot be read, so nobody knows which backup it needs "
                f"({known.problem}); nothing is deleted. Finish it with the version that planned it"
            )
        if known.plan is not None and _unfinished(known, clock):
            yield known.plan.request.backup, f"restore {known.restore_id} is {known.progression.value} and not finished"


def _unfinished(known: KnownRestore, clock: Clock) -> bool:
    if known.progression is Progression.PLANNED:
        return clock() - known.planned_at < PENDING
    return known.progression is Progression.STARTED


def _standbys(store: Store) -> Iterator[tuple[str, str]]:
    names = [match["standby"] for info in store.list("standby/") if (match := _STANDBY.match(info.key))]
    for standby in names:
        state = read_standby(store, standby)
        if state is not None:
            needed = [state.backup, *(one.backup for one in (state.in_flight, state.loading) if one)]
            yield from ((name, f"standby {standby} stands on it") for name in needed if name is not None)
