"""A message to every channel that says it is none: whether people would be told is found out before they must be."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator
from datetime import datetime

from backup_engine.alerts.alert import Alert, Occasion, Told
from backup_engine.alerts.settings import AlertSettings
from backup_engine.deployments import Loaded
from backup_engine.findings import Finding, Level
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity

PATIENCE = 30.0
"""Seconds for each message: somebody watches, and no worker is ended meanwhile."""


def try_channels(loaded: Loaded, names: Collection[str], now: datetime) -> Iterator[Finding]:
    """Send each channel a test message and its end, and tell what came of it.

    :param names: of the channels; empty: all
    """
    from vectorizer_backup.notifications.channels import deliver

    # As `airflow connections test` does it (3.3): without this, connections of the metadata database are not found.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    channels = (loaded.alerts or AlertSettings()).channels
    wanted = {name: channel for name, channel in channels.items() if not names or name in names}
    yield from _strange(channels, names)
    began = deliver(_message(Occasion.RAISED, now), wanted, PATIENCE)
    reached = {name: channel for name, channel in wanted.items() if name not in began}
    ended = deliver(_message(Occasion.RECOVERED, now), reached, PATIENCE) if reached else {}
    for name, channel in wanted.items():
        problem = began.get(name) or ended.get(name)
        remedy = "docs/alerts.md tells what belongs into its connection" if problem else ""
        found = problem or f"took a test message and its end ({channel.kind}); look whether both arrived"
        yield Finding(Level.MISSING if problem else Level.OK, f"channel {name}", found, remedy)


def _strange(channels: Collection[str], names: Collection[str]) -> Iterator[Finding]:
    known = ", ".join(sorted(channels)) or "none"
    for name in sorted(set(names) - set(channels)):
        yield Finding(Level.MISSING, f"channel {name}", f"no channel has this name; there are: {known}")
    if not channels and not names:
        remedy = "name one under `alerts.channels` in deployments.yaml"
        yield Finding(Level.MISSING, "alerts", "no channel is named: nobody would be told", remedy)


def _message(occasion: Occasion, now: datetime) -> Alert:
    concern = Concern(
        kind=ConcernKind.RUN_LATE,
        severity=Severity.WARNING,
        subject="this test",
        found=f"Somebody on {socket.gethostname()} wants to know whether messages arrive here "
        "(`vectorizer-backup airflow test-alert`). No backup has any trouble.",
        risk="Nothing is at risk.",
        remedy="Nothing has to be done.",
    )
    told = (Told(occasion=occasion, concern=concern, since=now),)
    return Alert(at=now, deployment="a test, nothing is wrong", told=told, unknown_because="this is a test")
