"""An alert as PagerDuty's Events API v2 wants it: an event for each concern, so that each is resolved by itself."""

from __future__ import annotations

import hashlib
from typing import Any

from backup_engine.alerts.alert import Alert, Occasion, Told
from backup_engine.alerts.rendering.cleaning import one_line, shorten
from backup_engine.alerts.rendering.content import PLACES, STANDING, TRIED, Budget, Content, content
from backup_engine.alerts.rendering.headline import in_words, worst_first
from backup_engine.freshness.concerns import Severity

_KEY, _SUMMARY, _FIELD = 255, 1024, 200
"""Characters, https://developer.pagerduty.com/docs/send-alert-event"""

_DETAILS = Budget(lines=10, chars=1000)
_SEVERITIES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.NOTE: "info"}


def pagerduty(alert: Alert, routing_key: str) -> tuple[dict[str, Any], ...]:
    """Give the JSON of the requests, the worst first.

    :param routing_key: the secret; it stands in its field and nowhere else
    """
    whole = content(alert, _DETAILS)
    details, links = _details(whole), [{"href": one.url, "text": one.words} for one in whole.links]
    return tuple(_event(alert, told, routing_key, details, links) for told in worst_first(alert))


def _event(
    alert: Alert, told: Told, routing_key: str, details: dict[str, Any], links: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "routing_key": routing_key,
        "event_action": "resolve" if told.occasion is Occasion.RECOVERED else "trigger",
        "dedup_key": _dedup_key(alert.deployment, told.concern.key),
        "client": "Vectorizer Backup",
        "links": links,
        "payload": _payload(alert, told, details),
    }


def _payload(alert: Alert, told: Told, details: dict[str, Any]) -> dict[str, Any]:
    concern = told.concern
    where = one_line(alert.deployment, _FIELD) or "configuration"
    return {
        "summary": shorten(f"{where}: {in_words(told)}. {one_line(concern.found, _SUMMARY)}", _SUMMARY),
        "severity": _SEVERITIES[concern.severity],
        "source": where,
        "component": one_line(concern.subject, _FIELD) or where,
        "class": concern.kind.value,
        "timestamp": alert.at.isoformat(),
        "custom_details": {
            "found": one_line(concern.found, 1000),
            "since": told.since.isoformat(),
            "risk": one_line(concern.risk, 1000),
            "what to do": one_line(concern.remedy, 1000),
            **details,
        },
    }


def _details(whole: Content) -> dict[str, Any]:
    shown = {STANDING, TRIED, PLACES}
    return {
        section.heading: [f"{line.opening}{line.text}" for line in section.lines]
        for section in whole.sections
        if section.heading in shown
    }


def _dedup_key(deployment: str, key: str) -> str:
    whole = f"vectorizer-backup/{deployment}/{key}"
    if len(whole) <= _KEY:
        return whole
    digest = hashlib.sha256(whole.encode(errors="replace")).hexdigest()
    return f"{whole[: _KEY - len(digest) - 1]}-{digest}"
