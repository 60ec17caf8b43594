"""One look at one place, or at the server: what it answers, as it answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from backup_engine import wording
from backup_engine.archive.manifest import Manifest
from backup_engine.backup import Backup
from backup_engine.capture.planning import needed_for
from backup_engine.catalog import CLOCK_TOLERANCE, Catalog
from backup_engine.deployment import Deployment
from backup_engine.errors import UnknownFormat
from backup_engine.freshness.clocks import clock_ahead
from backup_engine.freshness.glancing import glance_at_restore, glance_at_standby, glances, held_by
from backup_engine.freshness.retaining import LATELY, overdue, pruned, sort_out
from backup_engine.freshness.scoping import of_scope
from backup_engine.freshness.sighting import PlaceSighting, RestoreGlance, ServerSighting, StandbyGlance
from backup_engine.model import Clock, CollectionState, ServerFacts
from backup_engine.ports import Source
from backup_engine.readiness import assess_readiness
from backup_engine.restore.lifecycle import finished_restores
from backup_engine.standby.state import read_standby, standby_id
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import identity_for

_RESTORES = 10  # read in each place: some drills, and who looks further back looks into the catalog


@dataclass(frozen=True, slots=True)
class SeenPlace:
    """What a place showed.

    :param last: the manifest of its newest good backup
    """

    sighting: PlaceSighting
    restores: tuple[RestoreGlance, ...] = ()
    last: Manifest | None = None


@dataclass(frozen=True, slots=True)
class SeenServer:
    """What the server showed.

    :param ahead: its clock minus ours, seconds; None: it does not tell
    """

    facts: ServerFacts
    states: tuple[CollectionState, ...]
    ahead: float | None
    at: datetime


def see_place(root: str, deployment: Deployment, open_root: Callable[[str], Store], clock: Clock) -> SeenPlace:
    """Read one place's catalog, and what else it tells for nothing.

    :raises BackupError: it cannot be read
    """
    store = open_root(root)
    identity = identity_for(store, deployment.name)
    catalog, now = Catalog(store, clock), clock()
    believed, strange = sort_out(catalog, deployment.name, now)
    ahead = clock_ahead(believed, catalog.listed)
    good, primary, done = catalog.newest_good(), root == deployment.root, pruned(store)
    late = primary and (not done or now - done[0].at > LATELY)
    sighting = PlaceSighting(
        url=parse_address(root).url,
        copy_of_it=not primary,
        created_at=identity.created_at,
        backups=glances(believed, believed),
        future=tuple(_from_the_future(catalog.backups(), now)),
        unreadable=catalog.unreadable,
        bytes=sum(catalog.sizes.values()),
        free_bytes=store.free_bytes(),
        clock_ahead=None if ahead is None else ahead.total_seconds(),
        standby=_standby(store, deployment) if primary else None,
        prunings=done,
        quarantined=strange,
        overdue=overdue(believed, deployment, identity.store_id, now) if late else 0,
    )
    return SeenPlace(sighting, tuple(_restores(store, catalog)), good.manifest if good else None)


def see_server(open_server: Callable[[], Source], clock: Clock) -> SeenServer:
    """Ask the server what it is and what it lists.

    :raises BackupError: it gives no answer
    """
    source = open_server()
    before = clock()
    facts = source.facts()
    after = clock()
    ahead = None if facts.now is None else (facts.now - (before + (after - before) / 2)).total_seconds()
    return SeenServer(facts, source.collections(), ahead, after)


def sighting_of_server(seen: SeenServer, deployment: Deployment, last: Manifest | None) -> ServerSighting:
    """Tell how the server is, measured by the newest good backup there is.

    :raises BackupError: what it lists makes no sense
    """
    states = of_scope(deployment, seen.states)
    never = datetime.max.replace(tzinfo=UTC)
    readiness = assess_readiness(seen.facts, seen.states, last, seen.at, never)
    return ServerSighting(
        url=seen.facts.url,
        loading=readiness.reasons,
        version=seen.facts.version,
        collections=len(states),
        vectors=sum(state.vectors for state in states),
        capture_bytes=needed_for(states),
        clock_ahead=seen.ahead,
    )


def _standby(store: Store, deployment: Deployment) -> StandbyGlance | None:
    if deployment.standby is None:
        return None
    connection = deployment.standby.connection
    try:
        return glance_at_standby(connection, read_standby(store, standby_id(connection)))
    except UnknownFormat as error:
        return StandbyGlance(connection=connection, wrong=(str(error),))


def _from_the_future(backups: Iterable[Backup], now: datetime) -> Iterator[str]:
    for backup in backups:
        if backup.captured_at > now + CLOCK_TOLERANCE:
            ahead = wording.duration((backup.captured_at - now).total_seconds())
            yield f"{backup.name} says it was captured on {wording.moment(backup.captured_at)}, which is in {ahead}"


def _restores(store: Store, catalog: Catalog) -> Iterator[RestoreGlance]:
    held = {backup.name: backup for backup in catalog.backups()}
    for known in finished_restores(store, most=_RESTORES):
        backup = held.get(known.report.backup) if known.report else None
        seen = glance_at_restore(known, held_by(backup) if backup else None)
        if seen is not None:
            yield seen
