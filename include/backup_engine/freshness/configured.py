"""What is wrong with the configuration, as concerns. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

from backup_engine.deployments import ALERTS, Loaded
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
_SAVED_AGAIN = timedelta(minutes=5)
"""Who is still editing is not called."""

WHOLE_FILE = ""
"""Stands for the file where a deployment's name is expected."""


def configuration_concerns(loaded: Loaded) -> dict[str, Concern]:
    """Tell what is wrong, by deployment; ``""`` is the file, or what in it belongs to no deployment."""
    invalid = {name: text for name, text in loaded.problems.items() if _names_a_deployment(name)}
    others = {name: text for name, text in loaded.problems.items() if name not in invalid}
    found = {name: _invalid(name, text) for name, text in invalid.items()}
    return found | ({WHOLE_FILE: _unreadable(others, loaded)} if others else {})


def _names_a_deployment(name: str) -> bool:
    return name != ALERTS and bool(_NAME.match(name))


def _invalid(name: str, text: str) -> Concern:
    return Concern(
        kind=ConcernKind.DEPLOYMENT_INVALID,
        severity=Severity.CRITICAL,
        found=f"The entry {name!r} of deployments.yaml cannot be used: {text}",
        risk="It has no DAGs any more: no backup of it is made, and nobody looks how well it is protected.",
        remedy="Correct the entry; `vectorizer-backup config check` says whether it is right.",
        grace_seconds=_SAVED_AGAIN.total_seconds(),
    )


def _unreadable(problems: dict[str, str], loaded: Loaded) -> Concern:
    only_alerts = problems.keys() == {ALERTS}
    said = "; ".join(f"{name}: {text}" for name, text in problems.items())
    nothing_left = not loaded.deployments
    return Concern(
        kind=ConcernKind.CONFIGURATION_UNREADABLE,
        severity=Severity.CRITICAL if nothing_left else Severity.WARNING,
        found=f"The configuration cannot be used as it stands: {said}",
        risk=_risk(only_alerts=only_alerts, nothing_left=nothing_left),
        remedy="Correct the file; `vectorizer-backup config check` says whether it is right.",
        grace_seconds=_SAVED_AGAIN.total_seconds(),
    )


def _risk(*, only_alerts: bool, nothing_left: bool) -> str:
    if nothing_left:
        return "No deployment has DAGs any more: no backup is made of any."
    if only_alerts:
        return "People are told as the last readable configuration said, which may not be what was meant."
    return "What stands there is not done; the other deployments go on."
