"""Exporting a stream: each of its collections into a fragment of its own, problems of one as data in its result."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from backup_engine.capture import staging
from backup_engine.capture.base_archives import LostBase
from backup_engine.capture.desk import SINGLE_PAGE_BYTES, Desk
from backup_engine.capture.outcome import unchanged, unreadable
from backup_engine.capture.plan import CapturePlan, PlannedCollection
from backup_engine.capture.reading import CollectionReader
from backup_engine.capture.results import CollectionResult, DroppedCollection, StreamResult, StreamSummary
from backup_engine.capture.watching import CreatedAnew, Vanished, Watch
from backup_engine.errors import (
    AccessDenied,
    BackupError,
    CaptureRefused,
    InvalidInput,
    ObjectNotFound,
    RequestRefused,
    ServerFault,
    ServerUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.model import Clock, Progress, silent
from backup_engine.ports import Source
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import check_identity, read_identity

_OF_ONE_COLLECTION = (
    RequestRefused,
    UnexpectedAnswer,
    Unsupported,
    AccessDenied,
    InvalidInput,
    CaptureRefused,
    ServerFault,
)
"""Errors about what was asked for, after the client's own retries. All others are about the server or the store, and
the whole stream is tried again.
"""

_ANEW = "it was created anew, or is sharded (of such ones the server gives no lasting creation time, and no records)"
_MOST_BEGINNINGS = 3  # of one collection: it is created anew under our eyes, the connection breaks, its base is lost


def export_stream(
    plan_key: str,
    stream: int,
    source: Source,
    store: Store,
    clock: Clock,
    token: str,
    progress: Progress = silent,
    *,
    temporary: Path | None = None,
    single_page_bytes: int = SINGLE_PAGE_BYTES,
) -> StreamSummary:
    """Read the collections of one stream into staging.

    :param stream: from 0
    :param token: of this attempt; no other attempt has it
    :param temporary: where to spill what does not fit into memory; None for the system's place
    :param single_page_bytes: JSON a server may be asked for at once when a collection moves
    :raises TransientError: the server or the store; the same stream may be exported again, with another token
    """
    plan = load_plan(store, plan_key)
    if not 0 <= stream < len(plan.streams):
        raise InvalidInput(f"{plan_key} has streams 0 to {len(plan.streams) - 1}; {stream} was asked for")
    desk = Desk(plan, plan_key, source, store, clock, token, progress, temporary, single_page_bytes)
    read: list[CollectionResult] = []
    dropped: list[DroppedCollection] = []
    for planned in plan.stream(stream):
        result = read_collection(planned, desk)
        dropped.append(result) if isinstance(result, DroppedCollection) else read.append(result)
    outcome = StreamResult(stream=stream, ended_at=clock(), collections=tuple(read), dropped=tuple(dropped))
    key = staging.result_key(plan_key, stream, token)
    staging.keep(store, key, outcome)
    return _summary(key, outcome)


def load_plan(store: Store, plan_key: str) -> CapturePlan:
    """Read a plan from the store it was made for.

    :raises WrongStore: this is another store
    :raises CaptureRefused: the plan is gone: its run has committed, or was swept
    """
    read_identity(store)
    try:
        plan = staging.load(store, plan_key, CapturePlan)
    except ObjectNotFound as error:
        raise CaptureRefused(
            f"{store.url}/{plan_key} is gone: its run has made its backup already, or was given up; start a new one"
        ) from error
    check_identity(store, plan.request.store_id)
    return plan


def read_collection(planned: PlannedCollection, desk: Desk) -> CollectionResult | DroppedCollection:
    """Read one collection; whatever is wrong with it is in the result.

    A connection that breaks is the whole server's trouble unless the server goes on answering.

    :raises ServerLoading: the server was started meanwhile and has not loaded it yet
    :raises ServerUnavailable: the server does not answer any more, whatever is asked
    """
    if planned.basis is not None and planned.basis.unchanged:
        try:
            return unchanged(planned, planned.basis, desk.archives.held(planned.basis.newest))
        except LostBase as lost:
            return _read_collection(_without_basis(planned), desk, str(lost))
    return _read_collection(planned, desk)


def _read_collection(
    planned: PlannedCollection, desk: Desk, lost: str | None = None
) -> CollectionResult | DroppedCollection:
    numbers, problem = count(1), ""
    for _ in range(_MOST_BEGINNINGS):
        watch = Watch(desk.plan, planned, desk.source, desk.clock)
        found = _read(planned, watch, desk, numbers, lost)
        if isinstance(found, CollectionResult):
            return found
        if isinstance(found, Vanished):
            return DroppedCollection(key=planned.key, name=planned.state.name)
        if isinstance(found, LostBase):
            planned, lost = _without_basis(planned), str(found)
            continue
        if isinstance(found, _OF_ONE_COLLECTION):
            return unreadable(planned, str(found))
        anew = isinstance(found, CreatedAnew)
        problem = _ANEW if anew else f"{found} (the server answers otherwise: see its log)"
    return unreadable(planned, f"{_MOST_BEGINNINGS} times, while it was read: {problem}")


def _without_basis(planned: PlannedCollection) -> PlannedCollection:
    return planned.model_copy(update={"basis": None})


def _read(
    planned: PlannedCollection, watch: Watch, desk: Desk, numbers: Iterator[int], lost: str | None
) -> CollectionResult | BackupError | Vanished | CreatedAnew | LostBase:
    """Read it once, or tell what came between: that it is gone or another one explains every other trouble."""
    try:
        return CollectionReader(planned, watch, desk, numbers, lost).read()
    except (Vanished, CreatedAnew, LostBase) as change:
        return change
    except (ServerUnavailable, *_OF_ONE_COLLECTION) as error:
        trouble = error
    try:
        watch.look()
    except (Vanished, CreatedAnew) as change:
        return change
    return trouble


def _summary(key: str, outcome: StreamResult) -> StreamSummary:
    incomplete = (one for one in outcome.collections if not one.complete)
    return StreamSummary(
        result_key=key,
        vectors=sum(one.summary.vectors for one in outcome.collections),
        bytes=sum(one.fragment.bytes for one in outcome.collections if one.fragment),
        problems=tuple(f"{one.private.name!r}: {one.private.problem}" for one in incomplete),
    )
