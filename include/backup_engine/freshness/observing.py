"""Look at a deployment: its places, its server and its DAGs, side by side, so that one that hangs hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from backup_engine import wording
from backup_engine.archive.manifest import Manifest
from backup_engine.deployment import Deployment
from backup_engine.errors import BackupError, ServerUnavailable, StoreNotInitialised, StoreUnavailable
from backup_engine.freshness.attempts import Attempt
from backup_engine.freshness.seeing import SeenPlace, SeenServer, see_place, see_server, sighting_of_server
from backup_engine.freshness.sighting import DagSighting, PlaceSighting, RestoreGlance, ServerSighting, Sighting
from backup_engine.model import Clock
from backup_engine.ports import Source
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store

PLACE_SECONDS = 120.0
"""A catalog of a hundred backups takes some seconds on any store that is well; the watch looks every five minutes."""

SERVER_SECONDS = 60.0
"""Two requests of half a minute at most, where the client is a hasty one."""


def observe(
    deployment: Deployment,
    open_root: Callable[[str], Store],
    open_server: Callable[[], Source],
    clock: Clock,
    dags: Iterable[DagSighting] = (),
    *,
    place_seconds: float = PLACE_SECONDS,
    server_seconds: float = SERVER_SECONDS,
) -> Sighting:
    """See how a deployment stands. A place or a server that gives no answer is a problem of the result.

    :param open_root: opens one of the deployment's roots; called in a thread of its own
    :param open_server: gives the server; called in a thread of its own, best a client that does not try for long
    :param dags: what Airflow says of its DAGs, where there is one
    :param place_seconds: a place that takes longer counts as one that does not answer
    :param server_seconds: so does a server
    """
    at = clock()
    places = [_begin_place(root, deployment, open_root, clock, place_seconds) for root in deployment.roots]
    server = _begin_server(deployment, open_server, clock, server_seconds)
    seen = [_seen(root, deployment, attempt) for root, attempt in zip(deployment.roots, places, strict=True)]
    return Sighting(
        at=at,
        deployment=deployment.name,
        places=tuple(one.sighting for one in seen),
        server=_server(deployment, server, _newest(seen)),
        restores=_together(seen),
        dags=tuple(dags),
    )


def _begin_place(
    root: str, deployment: Deployment, open_root: Callable[[str], Store], clock: Clock, seconds: float
) -> Attempt[SeenPlace]:
    late = StoreUnavailable(
        f"{parse_address(root).url} gave no whole answer within {wording.duration(seconds)}: is the disk or the share "
        "mounted and quick, the network up, the bucket's service well?"
    )
    return Attempt(partial(see_place, root, deployment, open_root, clock), seconds, late)


def _begin_server(
    deployment: Deployment, open_server: Callable[[], Source], clock: Clock, seconds: float
) -> Attempt[SeenServer]:
    late = ServerUnavailable(
        f"{deployment.server.url} gave no answer within {wording.duration(seconds)}: is it up, loading, or overloaded?"
    )
    return Attempt(partial(see_server, open_server, clock), seconds, late)


def _seen(root: str, deployment: Deployment, attempt: Attempt[SeenPlace]) -> SeenPlace:
    try:
        return attempt.outcome()
    except BackupError as error:
        return SeenPlace(
            PlaceSighting(
                url=parse_address(root).url,
                copy_of_it=root != deployment.root,
                problem=str(error),
                no_store=isinstance(error, StoreNotInitialised),
            )
        )


def _server(deployment: Deployment, attempt: Attempt[SeenServer], last: Manifest | None) -> ServerSighting:
    try:
        return sighting_of_server(attempt.outcome(), deployment, last)
    except BackupError as error:
        return ServerSighting(url=deployment.server.url, problem=str(error))


def _newest(seen: Sequence[SeenPlace]) -> Manifest | None:
    manifests = [one.last for one in seen if one.last is not None]
    return max(manifests, key=lambda one: one.clear.captured_at, default=None)


def _together(seen: Sequence[SeenPlace]) -> tuple[RestoreGlance, ...]:
    """Take each restore once, wherever it was noted down."""
    every = {glance.restore_id: glance for one in reversed(seen) for glance in one.restores}
    return tuple(sorted(every.values(), key=lambda one: (one.finished_at, one.restore_id), reverse=True))
