"""Whether people would be told: channels, the heartbeat, and what tells of late runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from airflow.jobs.job import most_recent_job
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.utils.session import create_session
from sqlalchemy.exc import SQLAlchemyError

from backup_engine.alerts.settings import AlertSettings, Channel, NotifierChannel
from backup_engine.deployments import Loaded
from backup_engine.findings import Finding, Level

_TRIGGERER = "TriggererJob"


def check_alerts(loaded: Loaded) -> Iterator[Finding]:
    """Look whether there is somebody to tell, and whether the connections are there; nobody is told anything."""
    settings = loaded.alerts or AlertSettings()
    if not settings.channels:
        found = "no channel is named: nobody is told when a backup fails, is late or is missing"
        yield Finding(Level.NOTE, "alerts", found, "name one under `alerts.channels` in deployments.yaml")
    for name, channel in settings.channels.items():
        yield _channel(name, channel)
    if settings.heartbeat is None:
        found = "none: when Airflow itself stands still, nobody hears of it"
        yield Finding(Level.NOTE, "heartbeat", found, "name a connection under `alerts.heartbeat` in deployments.yaml")
    else:
        yield _connection("heartbeat", settings.heartbeat, "http")
    yield _triggerer()


def _channel(name: str, channel: Channel) -> Finding:
    what = f"channel {name}"
    if isinstance(channel, NotifierChannel):
        return _notifier(what, channel.notifier)
    return _connection(what, channel.connection, "smtp" if channel.kind == "mail" else "http")


def _connection(what: str, connection: str, kind: str) -> Finding:
    try:
        Connection.get(connection)
    except AirflowNotFoundException:
        remedy = f"airflow connections add {connection} --conn-type {kind} --conn-host …"
        return Finding(Level.MISSING, what, f"its connection {connection!r} is not there", remedy)
    return Finding(Level.OK, what, f"its connection {connection!r} is there")


def _notifier(what: str, path: str) -> Finding:
    module, _, name = path.rpartition(".")
    try:
        getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        remedy = "install the provider that has it into the Python of every Airflow component, or correct the name"
        return Finding(Level.MISSING, what, f"{path} cannot be imported: {error}", remedy)
    return Finding(Level.OK, what, f"{path} is there")


def _triggerer() -> Finding:
    try:
        with create_session() as session:
            job = most_recent_job(_TRIGGERER, session=session)
            alive = job is not None and job.is_alive()
    except SQLAlchemyError as error:
        return Finding(
            Level.MISSING, "triggerer", f"cannot be asked after: {type(error).__name__}", "airflow db migrate"
        )
    if alive:
        return Finding(Level.OK, "triggerer", "it runs")
    return Finding(
        Level.NOTE, "triggerer", "none runs: nobody is told of a run that is late", "start airflow triggerer"
    )
