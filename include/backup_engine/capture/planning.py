"""Planning a capture: what will be read, by how many streams, and whether there is room for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from backup_engine import wording
from backup_engine.archive.manifest import ServerVersion
from backup_engine.capture import staging
from backup_engine.capture.made import backup_of_run
from backup_engine.capture.plan import CapturePlan, PlannedCollection, PreparedCapture
from backup_engine.capture.request import CaptureRequest
from backup_engine.capture.scope import choose_scope
from backup_engine.errors import LeaseHeld, NothingToBackUp
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
) -> CapturePlan:
    """Decide what to read.

    :param started_at: before the server was asked for anything
    :param answered_at: when ``facts`` came
    :raises UnknownCollection: a chosen collection is not listed
    :raises NothingToBackUp: the scope holds no vector at all, and that was not allowed
    """
    scope = choose_scope(request, states)
    if not request.allow_empty and not any(state.vectors for state in scope.states):
        raise NothingToBackUp(_nothing(request, facts, scope.states, len(states)))
    collections = tuple(
        PlannedCollection(key=f"c{number:04d}", state=state) for number, state in enumerate(scope.states, 1)
    )
    names = {state.name for state in scope.states}
    uptime = facts.uptime_seconds
    return CapturePlan(
        request=request,
        attempt=attempt,
        started_at=started_at,
        restore_fencing=restore_fencing,
        server_url=facts.url,
        server=ServerVersion(
            version=facts.version, started_at=None if uptime is None else answered_at - timedelta(seconds=uptime)
        ),
        collections=collections,
        streams=balance(collections, request.streams),
        left_out=scope.left_out,
        aliases={alias: name for alias, name in sorted(aliases.items()) if name in names and not is_reserved(alias)},
    )


def estimated_bytes(state: CollectionState) -> int:
    """Guess how much a collection holds: vectors as float32, and half a kilobyte for id and payload of each."""
    return state.vectors * (state.dimension * 4 + _PAYLOAD_BYTES) + _COLLECTION_BYTES


def balance(collections: Sequence[PlannedCollection], streams: int) -> tuple[tuple[str, ...], ...]:
    """Spread collections over streams: the largest first, each to the stream that has least.

    :param streams: at most so many; never more than collections, never fewer than one
    """
    number = max(1, min(streams, len(collections)))
    loads = [(0, stream) for stream in range(number)]
    heapify(loads)
    spread: list[list[str]] = [[] for _ in range(number)]
    for collection in sorted(collections, key=lambda one: (-estimated_bytes(one.state), one.key)):
        load, stream = heappop(loads)
        spread[stream].append(collection.key)
        heappush(loads, (load + estimated_bytes(collection.state), stream))
    return tuple(tuple(keys) for keys in spread)


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
    )
    check_room(store, needed_bytes(plan))
    staging.keep(store, key, plan)
    return PreparedCapture(plan_key=key, streams=len(plan.streams), vectors=plan.vectors)


def needed_bytes(plan: CapturePlan) -> int:
    """Guess the room a capture takes at its widest."""
    return needed_for(one.state for one in plan.collections)


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
