"""How a deployment stands at this moment, for a message about it: looked at for so long and no longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from airflow.sdk.exceptions import AirflowNotFoundException

from backup_engine.diagnosis.beside import begin, came_of
from backup_engine.errors import BackupError, ConfigurationError
from vectorizer_backup.hooks.vectorizer import VectorizerHook

if TYPE_CHECKING:
    from backup_engine.alerts.alert import Probe
    from backup_engine.deployment import Deployment
    from backup_engine.freshness.judgement import Judgement, Protection
    from backup_engine.ports import Source
    from backup_engine.storage.contract import Store

T = TypeVar("T")

_SHARE = 0.9
"""Of the time there is: whoever does not answer by then is judged as silent, and the others are told of."""


class Look(NamedTuple):
    """What a message says beside what is wrong.

    :param protection: how the deployment stands; None: ``unknown_because`` says why that is not known
    """

    protection: Protection | None = None
    unknown_because: str = ""
    probes: tuple[Probe, ...] = ()


class Opened:
    """A deployment's stores and its server, ready to be asked from any thread.

    Connections are looked up here and now: only the thread that Airflow gave us may ask Airflow for them.
    """

    def __init__(self, deployment: Deployment) -> None:
        from vectorizer_backup.connecting import open_root

        connection = deployment.server.connection
        self._stores: Mapping[str, Store | BackupError] = {
            root: _tried(partial(open_root, root)) for root in deployment.roots
        }
        self._server: Source | BackupError = _tried(lambda: VectorizerHook(connection).get_hasty_conn())
        url = _tried(lambda: VectorizerHook(connection).url)
        self.server_url = deployment.server.url if isinstance(url, BackupError) else url

    def root(self, url: str) -> Store:
        """Give the store at a root, as ``connecting.open_root`` does."""
        return _required(self._stores[url])

    def server(self) -> Source:
        """Give the server."""
        return _required(self._server)


def look_at(deployment: Deployment, seconds: float, *, probing: bool) -> Look:
    """Look how it stands.

    :param seconds: at most
    :param probing: try out the troubleshooting list too
    """
    from backup_engine.diagnosis.diagnosing import diagnose
    from backup_engine.model import system_clock
    from vectorizer_backup.connecting import new_token

    opened = Opened(deployment)
    judged = begin(lambda: _judged(deployment, opened, seconds * _SHARE), seconds)
    probes = (
        diagnose(
            deployment,
            opened.root,
            opened.server,
            system_clock,
            new_token(),
            seconds=seconds,
            server_url=opened.server_url,
        )
        if probing
        else ()
    )
    came = came_of(judged)
    protection, why = _protection(came)
    return Look(protection, why, probes)


def _judged(deployment: Deployment, opened: Opened, seconds: float) -> Judgement:
    from backup_engine.freshness.judging import judge
    from backup_engine.freshness.observing import observe
    from backup_engine.model import system_clock

    sighting = observe(
        deployment, opened.root, opened.server, system_clock, place_seconds=seconds, server_seconds=seconds
    )
    return judge(deployment, sighting)


def _protection(judged: Judgement | BaseException) -> tuple[Protection | None, str]:
    if isinstance(judged, BaseException):
        return None, f"{type(judged).__name__}: {judged}"
    if not any(place.answers for place in judged.protection.places):
        return None, "none of its stores answers this machine"
    return judged.protection, ""


def _tried(open_it: Callable[[], T]) -> T | BackupError:
    try:
        return open_it()
    except BackupError as error:
        return error
    except AirflowNotFoundException as error:
        return ConfigurationError(f"{error}; add it under Admin, Connections")


def _required(opened: T | BackupError) -> T:
    if isinstance(opened, BackupError):
        raise opened
    return opened
