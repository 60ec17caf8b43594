"""Planning a capture: what will be read, by how many streams, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind, ServerVersion
from backup_engine.backup import Backup
from backup_engine.capture import staging
from backup_engine.capture.basing import Bases, Found, choose_bases
from backup_engine.capture.made import backup_of_run
from backup_engine.capture.plan import CapturePlan, PlannedCollection, PreparedCapture
from backup_engine.capture.request import CaptureRequest
from backup_engine.capture.scope import choose_scope
from backup_engine.catalog import Catalog
from backup_engine.errors import InvalidInput, LeaseHeld, NothingToBackUp
from backup_engine.lease import held_by, last_fencing
from backup_engine.model import Clock, CollectionState, ServerFacts
from backup_engine.ports import Source
from backup_engine.restore.names import is_reserved
from backup_engine.storage.capacity import check_room
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import check_identity

RESTORE_LEASE = "restore"
"""The lease that a restore of this deployment's server holds."""

_PAYLOAD_BYTES = 512  # id and payload of a record: a guess, on the safe side of what texts have
_COLLECTION_BYTES = 64 << 10  # what a collection costs without any record
_CHANGED_SHARE = 0.25  # of a collection, between two captures: a guess; one that changed more finds out when it writes
_MARGIN = 1.1
_COPIES = 2  # fragments and archive lie side by side until the commit sweeps


def plan_capture(
    request: CaptureRequest,
    facts: ServerFacts,
    states: Sequence[CollectionState],
    aliases: Mapping[str, str],
    *,
    attempt: str,
    started_at: datetime,
    answered_at: datetime,
    restore_fencing: int,
    backups: Sequence[Backup] = (),
) -> CapturePlan:
    """Decide what to read.

    :param started_at: before the server was asked for anything
    :param answered_at: when ``facts`` came
    :param backups: all that the store holds: what an incremental can build on
    :raises UnknownCollection: a chosen collection is not listed
    :raises NothingToBackUp: the scope holds no vector at all, and that was not allowed
    :raises InvalidInput: an incremental of a chosen subset
    """
    _check_incremental(request)
    scope = choose_scope(request, states)
    if not request.allow_empty and not any(state.vectors for state in scope.states):
        raise NothingToBackUp(_nothing(request, facts, scope.states, len(states)))
    version = _version(facts, answered_at)
    found = Found(facts, scope.states, started_at, answered_at, version, restore_fencing)
    bases = choose_bases(backups, found) if request.incremental else Bases({}, ())
    collections = tuple(
        PlannedCollection(key=f"c{number:04d}", state=state, basis=bases.of.get(state.name))
        for number, state in enumerate(scope.states, 1)
    )
    names = {state.name for state in scope.states}
    return CapturePlan(
        request=request,
        attempt=attempt,
        started_at=started_at,
        restore_fencing=restore_fencing,
        server_url=facts.url,
        server=version,
        collections=collections,
        streams=balance(collections, request.streams),
        left_out=scope.left_out,
        aliases={alias: name for alias, name in sorted(aliases.items()) if name in names and not is_reserved(alias)},
        kind=BackupKind.INCREMENTAL if bases.of else BackupKind.FULL,
        remarks=_remarks(request, bases),
    )


def _check_incremental(request: CaptureRequest) -> None:
    if request.incremental and request.collections is not None:
        raise InvalidInput(
            f"{request.deployment}: an incremental of {wording.listing(map(repr, request.collections))} was asked for, "
            "and incrementals are of the whole scope; leave the choice out, or make a full of these"
        )


def _version(facts: ServerFacts, answered_at: datetime) -> ServerVersion:
    uptime = facts.uptime_seconds
    return ServerVersion(
        version=facts.version, started_at=None if uptime is None else answered_at - timedelta(seconds=uptime)
    )


def _remarks(request: CaptureRequest, bases: Bases) -> tuple[str, ...]:
    if not request.incremental or bases.of:
        return bases.remarks
    return ("an incremental was asked for, and this is a full", *bases.remarks)


def estimated_bytes(state: CollectionState) -> int:
    """Guess how much a collection holds: vectors as float32, and half a kilobyte for id and payload of each."""
    return state.vectors * (state.dimension * 4 + _PAYLOAD_BYTES) + _COLLECTION_BYTES


def balance(collections: Sequence[PlannedCollection], streams: int) -> tuple[tuple[str, ...], ...]:
    """Spread collections over streams: the largest first, each to the stream that has least. One that is not read is
    no load.

    :param streams: at most so many; never more than collections to read, never fewer than one
    """
    number = max(1, min(streams, sum(_load(collection) > 0 for collection in collections)))
    loads = [(0, stream) for stream in range(number)]
    heapify(loads)
    spread: list[list[str]] = [[] for _ in range(number)]
    for collection in sorted(collections, key=lambda one: (-_load(one), one.key)):
        load, stream = heappop(loads)
        spread[stream].append(collection.key)
        heappush(loads, (load + _load(collection), stream))
    return tuple(tuple(keys) for keys in spread)


def _load(collection: PlannedCollection) -> int:
    unchanged = collection.basis is not None and collection.basis.unchanged
    return 0 if unchanged else estimated_bytes(collection.state)


def prepare_capture(request: CaptureRequest, source: Source, store: Store, clock: Clock, token: str) -> PreparedCapture:
    """List the server, plan, and freeze the plan in staging.

    :param token: of this attempt; no other attempt of the run has it
    :raises LeaseHeld: a restore of this server is running; try again after it
    :raises StoreFull: what is to be read will not fit
    """
    check_identity(store, request.store_id)
    key = staging.plan_key(request.run_key, token)
    made = backup_of_run(store, request.run_key)
    if made is not None:
        return PreparedCapture(plan_key=key, streams=1, vectors=0, already=made.manifest.clear.name)
    fencing = _fencing_while_free(store, clock)
    started_at = clock()
    facts, answered_at = source.facts(), clock()
    plan = plan_capture(
        request,
        facts,
        source.collections(),
        source.aliases(),
        attempt=token,
        started_at=started_at,
        answered_at=answered_at,
        restore_fencing=fencing,
        backups=Catalog(store, clock).backups() if request.incremental else (),
    )
    check_room(store, needed_bytes(plan))
    staging.keep(store, key, plan)
    return PreparedCapture(plan_key=key, streams=len(plan.streams), vectors=plan.vectors)


def needed_bytes(plan: CapturePlan) -> int:
    """Guess the room a capture takes at its widest: of what is compared, a share only."""
    compared = [one for one in plan.collections if one.basis is not None]
    share = int(_CHANGED_SHARE * sum(_load(one) for one in compared) * _MARGIN * _COPIES)
    return share + needed_for(one.state for one in plan.collections if one.basis is None)


def needed_for(states: Iterable[CollectionState]) -> int:
    """Guess the room that capturing these collections takes at its widest."""
    return int(sum(estimated_bytes(state) for state in states) * _MARGIN * _COPIES)


def _fencing_while_free(store: Store, clock: Clock) -> int:
    """Give the restore lease's number. It is read before the holder: one who comes in between shows as either."""
    fencing = last_fencing(store, RESTORE_LEASE)
    lease = held_by(store, RESTORE_LEASE, clock)
    if lease is not None:
        raise LeaseHeld(
            f"{lease.owner!r} restores to this server until {lease.expires_at.isoformat()}, unless it renews; "
            "a backup of it now would be of neither state: start again after",
            retry_after=max(0.0, (lease.expires_at - clock()).total_seconds()),
        )
    return fencing


def _nothing(request: CaptureRequest, facts: ServerFacts, states: Sequence[CollectionState], listed: int) -> str:
    found = f"{wording.count(len(states), 'collection')} without a single vector" if states else "no collection"
    return (
        f"{request.deployment}: the scope holds {found} ({facts.url} lists {wording.count(listed, 'collection')}); "
        "check server and patterns, or allow an empty backup"
    )
