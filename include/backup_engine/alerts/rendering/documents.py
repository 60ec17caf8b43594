"""An alert as our own JSON, for any webhook: what programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backup_engine.alerts.alert import Alert, Told
from backup_engine.alerts.rendering.cleaning import link, one_line
from backup_engine.alerts.rendering.headline import title, worst_first

SCHEMA = "vectorizer-backup.alert/1"
"""Raised when a field changes its meaning or goes; fields may be added under the same."""

_TOLD, _LIST, _CHARS = 20, 20, 400


def document(alert: Alert) -> dict[str, Any]:
    """Give the JSON: texts are cut at 400 characters, lists at 20 entries, and ``told_in_all`` counts all."""
    whole: dict[str, Any] = alert.model_dump(mode="json", exclude={"told"})
    return {
        "schema": SCHEMA,
        "title": title(alert),
        "severity": alert.severity.value,
        "recovered": alert.recovered,
        **_bounded(whole),
        "run": _run(alert),
        "restores": link(alert.restores),
        "told": [_told(one) for one in worst_first(alert)[:_TOLD]],
        "told_in_all": len(alert.told),
    }


def _run(alert: Alert) -> dict[str, Any] | None:
    if alert.run is None:
        return None
    run: dict[str, Any] = _bounded(alert.run.model_dump(mode="json"))
    return {**run, "url": link(alert.run.url)}


def _told(one: Told) -> dict[str, Any]:
    concern: dict[str, Any] = _bounded(one.concern.model_dump(mode="json", exclude={"since", "grace_seconds"}))
    return {
        "occasion": one.occasion.value,
        "key": one_line(one.concern.key, _CHARS),
        "since": one.since.isoformat(),
        **concern,
    }


def _bounded(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return one_line(value, _CHARS)
    if isinstance(value, Mapping):
        return {key: _bounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_bounded(one) for one in value[:_LIST]]
    return value
