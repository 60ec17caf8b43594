"""How deployments stand, as tables a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from backup_engine import wording
from backup_engine.cli.output import table
from backup_engine.freshness.concerns import Concern
from backup_engine.freshness.figures import up_to_date
from backup_engine.freshness.judgement import Judgement, Protection

_STYLES = {"critical": "bold red", "warning": "yellow", "note": "dim"}


def table_of(judgements: Sequence[Judgement], unjudged: Mapping[str, Concern]) -> RenderableType:
    """Show deployments side by side, and below them what is wrong, the worst first."""
    shown = table(
        "deployment",
        "tier",
        "RPO promised#",
        "real#",
        "newest good#",
        "verified#",
        "proven#",
        "copies",
        "RTO promised#",
        "forecast#",
    )
    for one in judgements:
        shown.add_row(*row_of(one.protection))
    for name in sorted(filter(None, unjudged)):
        shown.add_row(name, "INVALID", *["unknown"] * 8)
    found = [
        *((name or "the configuration", one) for name, one in unjudged.items()),
        *((one.protection.deployment, concern) for one in judgements for concern in one.concerns),
    ]
    there = shown if shown.row_count else "No deployments."
    return Group(there, "", _concerns(found) if found else "Nothing is wrong.")


def row_of(protection: Protection) -> tuple[str, ...]:
    """Give the cells of one deployment; what is not known is said in words."""
    known = any(place.answers for place in protection.places)
    return (
        protection.deployment,
        protection.tier.value,
        wording.duration(protection.rpo),
        _real(protection) if known else "unknown",
        _newest(protection) if known else "unknown",
        _ago(protection.verified_at, protection.at) if known else "unknown",
        _ago(protection.proven_at, protection.at) if known else "unknown",
        _copies(protection),
        wording.duration(protection.rto),
        _forecast(protection) if known else "unknown",
    )


def _real(protection: Protection) -> str:
    return "all is lost" if protection.rpo_real is None else wording.duration(protection.rpo_real)


def _newest(protection: Protection) -> str:
    if protection.newest_at is None:
        return "none"
    unread = "" if protection.newest == protection.fresh else ", unread"
    return _ago(protection.newest_at, protection.at) + unread


def _ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{wording.duration(max(0.0, (now - moment).total_seconds()))} ago"


def _copies(protection: Protection) -> str:
    copies = [place for place in protection.places if place.copy_of_it]
    if not copies:
        return "none"
    if not any(copy.answers for copy in copies):
        return f"0 of {len(copies)} answer"
    if protection.newest is None:
        return f"{len(copies)} without backup"
    return f"{sum(up_to_date(copy, protection) for copy in copies)} of {len(copies)} up to date"


def _forecast(protection: Protection) -> str:
    if protection.rto_forecast is None:
        return "nothing there"
    about = "" if protection.rate_measured else "about "
    return f"{about}{wording.duration(protection.rto_forecast)}"


def _concerns(found: Iterable[tuple[str, Concern]]) -> RenderableType:
    shown = table("severity", "deployment", "what is wrong", "what to do")
    for name, one in sorted(found, key=lambda pair: (-pair[1].severity.rank, pair[0])):
        since = f" (since {wording.moment(one.since)})" if one.since else ""
        said = " ".join(filter(None, [one.found + since, one.risk]))
        severity = Text(one.severity.value, style=_STYLES[one.severity.value])
        shown.add_row(severity, Text(name), Text(said), Text(one.remedy))
    return shown
