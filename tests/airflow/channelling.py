"""Something to tell, and who may be told: channels at real receivers, and notifiers of a team's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import requests
from airflow.sdk import BaseNotifier

from backup_engine.alerts.alert import Alert, Occasion, RunReference, Told
from backup_engine.alerts.settings import AlertSettings, Channel
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOUND = "No run made a good backup since yesterday."
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} {% raw %}\r\nBcc: everyone@example.org\r\n\r\nspam \u202e\x00"
SECRET = "T0/B0/s3cr3t-of-the-hook"
kept: list[dict[str, Any]] = []
"""What the notifiers below were asked to tell."""


def an_alert(*found: str, severity: Severity = Severity.CRITICAL, deployment: str = "production") -> Alert:
    """One message, with a concern for each finding."""
    kinds = [ConcernKind.RECOVERY_POINT_OLD, ConcernKind.SERVER_UNREACHABLE, ConcernKind.STORE_UNREACHABLE]
    told = tuple(
        Told(occasion=Occasion.RAISED, concern=Concern(kind=kind, severity=severity, found=one), since=NOW)
        for kind, one in zip(kinds, found or (FOUND,), strict=False)
    )
    run = RunReference(dag_id="d", run_id="r", url="https://airflow.example/dags/d/runs/r")
    return Alert(at=NOW, deployment=deployment, told=told, run=run, restores="https://airflow.example/dags/restore")


def channels(**fields: dict[str, Any]) -> dict[str, Channel]:
    """Read channels as the configuration has them."""
    return dict(AlertSettings.model_validate({"channels": fields}).channels)


def hook(url: str, **fields: Any) -> str:
    """Write an HTTP connection."""
    return json.dumps({"conn_type": "http", "host": url, **fields})


class Keeping(BaseNotifier):
    """Keeps what it was asked to tell."""

    template_fields = ("message", "details")

    def __init__(self, message: str, details: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message
        self.details = details or {}

    def notify(self, context: Any) -> None:
        kept.append({"message": self.message, **self.details})


class Stumbling(Keeping):
    """Fails as often as it is told to, in the way that is set."""

    error: Exception = ConnectionError("connection reset")
    left = 0

    def notify(self, context: Any) -> None:
        if type(self).left:
            type(self).left -= 1
            raise self.error
        super().notify(context)


class Blabbing(BaseNotifier):
    """Fails with an error that holds the address it called."""

    def notify(self, context: Any) -> None:
        requests.post(f"http://127.0.0.1:9/{SECRET}", timeout=5)


class AsyncOnly(BaseNotifier):
    """Knows how to tell in the triggerer only."""

    async def async_notify(self, context: Any) -> None:
        raise AssertionError("nobody calls this")


def no_notifier() -> None:
    """Is none."""
