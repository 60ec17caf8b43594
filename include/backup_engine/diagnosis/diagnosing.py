"""Trying out what the guide's troubleshooting list names, all of it side by side."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from backup_engine.alerts.alert import Probe
from backup_engine.backup import Backup
from backup_engine.capture.planning import needed_for
from backup_engine.catalog import Catalog
from backup_engine.deployment import Deployment
from backup_engine.diagnosis import answers
from backup_engine.diagnosis.beside import begin, came_of
from backup_engine.diagnosis.network import NETWORK, Endpoint, endpoint_of, reach
from backup_engine.diagnosis.trying import Served, ServerLook, ask, try_rights
from backup_engine.errors import BackupError
from backup_engine.findings import Level
from backup_engine.freshness.attempts import Attempt
from backup_engine.freshness.scoping import of_scope
from backup_engine.model import Clock
from backup_engine.ports import Source
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store

S = TypeVar("S")
T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that all probes together may take: as long as somebody who was woken waits for a first answer."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One store of the deployment, and what was begun there."""

    url: str
    primary: bool
    rights: Attempt[str]
    free: Attempt[int | None]


@dataclass(frozen=True, slots=True)
class _Begun:
    """Everything that is being tried."""

    server_url: str
    places: tuple[_Place, ...]
    server: Attempt[ServerLook]
    newest: Attempt[Backup | None]
    network: tuple[tuple[Endpoint, Attempt[Probe]], ...]


def diagnose(
    deployment: Deployment,
    open_root: Callable[[str], Store],
    open_server: Callable[[], Source],
    clock: Clock,
    token: str,
    *,
    seconds: float = PATIENCE,
    server_url: str | None = None,
) -> tuple[Probe, ...]:
    """Try disk, rights, network, server and traffic out, and say of each what was found and what to do.

    Nothing is raised, and all of it takes so many seconds at most; what hangs is left behind and said to hang. Each
    store gets one tiny object below ``.staging/``, which is deleted again. The openers are called here, one after the
    other; what they give is used from other threads.

    :param token: names that object
    :param seconds: that all of it may take
    :param server_url: where the server really is, if not where the configuration says
    """
    begun = _begin(
        deployment,
        open_root,
        open_server,
        clock,
        token,
        seconds=seconds,
        server_url=server_url or deployment.server.url,
    )
    server, newest = came_of(begun.server), came_of(begun.newest)
    last = newest.manifest if isinstance(newest, Backup) else None
    probes = [
        *_stores(deployment, begun.places, server, newest),
        *filter(None, [answers.server_rights(begun.server_url, server)]),
        *(_network(endpoint, reached) for endpoint, reached in begun.network),
        answers.server_state(begun.server_url, server, last, clock()),
        answers.traffic(server, newest),
    ]
    return answers.in_order(probes)


def _begin(
    deployment: Deployment,
    open_root: Callable[[str], Store],
    open_server: Callable[[], Source],
    clock: Clock,
    token: str,
    *,
    seconds: float,
    server_url: str,
) -> _Begun:
    stores = {root: _tried(partial(open_root, root)) for root in deployment.roots}
    places = tuple(
        _Place(
            url=parse_address(root).url,
            primary=root == deployment.root,
            rights=_with(store, lambda it: try_rights(it, deployment.name, token, clock), seconds),
            free=_with(store, lambda it: it.free_bytes(), seconds),
        )
        for root, store in stores.items()
    )
    newest = _with(stores[deployment.root], lambda it: Catalog(it, clock).newest_good(), seconds)
    server = _with(_tried(open_server), ask, seconds)
    network = tuple((one, begin(partial(reach, one), seconds)) for one in _endpoints(server_url, stores))
    return _Begun(server_url, places, server, newest, network)


def _tried(open_it: Callable[[], T]) -> T | BackupError:
    try:
        return open_it()
    except BackupError as error:
        return error


def _with(opened: S | BackupError, work: Callable[[S], T], seconds: float) -> Attempt[T]:
    """Begin to work with what was opened; what could not be is what comes of it."""

    def carry_out() -> T:
        if isinstance(opened, BackupError):
            raise opened
        return work(opened)

    return begin(carry_out, seconds)


def _endpoints(server_url: str, stores: Mapping[str, Store | BackupError]) -> Iterator[Endpoint]:
    """Name every machine that a backup needs, each once."""
    urls = {server_url: "the server"}
    for root, store in stores.items():
        if isinstance(store, Served):
            urls.setdefault(store.endpoint, parse_address(root).url)
    yield from filter(None, (endpoint_of(what, url) for url, what in urls.items()))


def _stores(deployment: Deployment, places: Iterable[_Place], server: object, newest: object) -> Iterator[Probe]:
    for place in places:
        rights, free = came_of(place.rights), came_of(place.free)
        yield answers.store_rights(place.url, rights)
        room = answers.disk_of_store(place.url, free, _needed(deployment, server, newest, primary=place.primary))
        if room:
            yield room
    folder = tempfile.gettempdir()
    yield answers.disk_of_machine(socket.gethostname(), folder, shutil.disk_usage(folder).free)


def _needed(deployment: Deployment, server: object, newest: object, *, primary: bool) -> int | None:
    """Guess what the next backup takes: of the primary store by what the server lists, of a copy by the last one."""
    last: int | None = newest.archive.bytes if isinstance(newest, Backup) else None
    if not primary:
        return last
    if isinstance(server, ServerLook):
        return needed_for(of_scope(deployment, server.states))
    return None if last is None else 2 * last  # what was read and the archive lie side by side for a while


def _network(endpoint: Endpoint, reaching: Attempt[Probe]) -> Probe:
    reached = came_of(reaching)
    if isinstance(reached, Probe):
        return reached
    return Probe(
        what=NETWORK,
        level=Level.MISSING,
        found=f"{endpoint.what}: {endpoint.host}: {reached}",
        remedy="look at the name service and the network of this machine",
    )
