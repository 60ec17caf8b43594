"""What a place tells of its retention: prunings, what lies in quarantine, and what should have gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from backup_engine.archive.manifest import sidecar_key
from backup_engine.backup import Backup
from backup_engine.catalog import CLOCK_TOLERANCE, Catalog
from backup_engine.deployment import Deployment
from backup_engine.freshness.sighting import PruningGlance
from backup_engine.pruning.journal import prunings
from backup_engine.retention.plan import Quarantined
from backup_engine.retention.planning import Setting, plan_retention
from backup_engine.retention.quarantine import quarantined
from backup_engine.storage.contract import Store

LATELY = timedelta(days=3)
"""Where something was pruned since then, nobody asks what should have gone."""

_COMPARED = 16  # prunings: sizes are compared for a week, and some are made by hand
_BEING_MADE = timedelta(days=2)  # an archive comes before its manifest; what is left of that is swept after a day
_FOREIGN = "it belongs to no backup"


def pruned(store: Store) -> tuple[PruningGlance, ...]:
    """Read what the last prunings did here, the newest first; one that died counts with what it deleted until then."""
    return tuple(
        PruningGlance(at=one.ended_at or one.began_at, kept=one.kept, deleted=len(one.deleted), freed=one.freed_bytes)
        for one in prunings(store, most=_COMPARED)
    )


class Sorted(NamedTuple):
    """What lies in a place.

    :param believed: backups that can be what they say, none from the future
    :param strange: what is no backup, or cannot be what it says: a sentence each, except what is said elsewhere: what
        is from the future, what cannot be read, what is being made or deleted
    """

    believed: tuple[Backup, ...]
    strange: tuple[str, ...]


def sort_out(catalog: Catalog, deployment: str, now: datetime) -> Sorted:
    """Tell what is to be believed from what is not."""
    believed, found = quarantined(catalog.backups(), catalog.sizes, deployment, catalog.unreadable, now)
    return Sorted(believed, tuple(_strange(found, catalog, now)))


def _strange(found: Iterable[Quarantined], catalog: Catalog, now: datetime) -> Iterator[str]:
    told = {said.partition(": ")[0] for said in catalog.unreadable}
    told |= {sidecar_key(one.folder, one.name) for one in catalog.backups() if one.captured_at > now + CLOCK_TOLERANCE}
    going = {_stem(key) for key in catalog.listed if ".records/withdrawal-" in key}
    known = {_stem(key) for key in told}
    for one in found:
        foreign = one.reason.startswith(_FOREIGN)
        if one.key in told or (foreign and (_stem(one.key) in known | going or _is_young(one, catalog, now))):
            continue
        yield f"{one.key}: {one.reason}"


def overdue(believed: Iterable[Backup], deployment: Deployment, store_id: str, now: datetime) -> int:
    """Count the backups that the primary would let go of if it were pruned now."""
    setting = Setting(deployment=deployment.name, store="", store_id=store_id)
    return len(plan_retention(believed, deployment.retention.policy(deployment.tier), now, setting).delete)


def _stem(key: str) -> str:
    """Give folder and name of the backup that an object lies with."""
    folder, _, rest = key.partition("/")
    return f"{folder}/{rest.partition('.')[0]}"


def _is_young(one: Quarantined, catalog: Catalog, now: datetime) -> bool:
    info = catalog.listed.get(one.key)
    return info is not None and now - info.modified_at < _BEING_MADE
