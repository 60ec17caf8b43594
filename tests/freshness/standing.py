"""Judgements made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.judgement import Judgement, PlaceStanding, Protection
from backup_engine.freshness.sighting import PruningGlance
from backup_engine.tiers import Tier

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRIMARY = "file:///var/backups/prod"
COPY = "s3://bucket/a.b/prod"


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def concern(kind: ConcernKind, severity: Severity = Severity.WARNING, subject: str = "") -> Concern:
    return Concern(kind=kind, severity=severity, subject=subject, found=f"{kind} was found", remedy="mend it")


def place(url: str = PRIMARY, **changes) -> PlaceStanding:
    facts = {"copy_of_it": url != PRIMARY, "answers": True, "newest_good": "b", "newest_good_at": ago(hours=10)}
    facts["pruned"] = PruningGlance(at=ago(hours=9), kept=3, deleted=2, freed=700)
    return PlaceStanding(url=url, **{**facts, "behind": 0.0, "backups": 3, "bytes": 900, **changes})


def protection(**changes) -> Protection:
    facts = {
        "deployment": "prod",
        "tier": Tier.PRODUCTION,
        "at": NOW,
        "rpo": 3600.0,
        "rpo_real": 36000.0,
        "rpo_achieved": 86400.0,
        "rpo_measured": 87000.0,
        "standby_behind": 600.0,
        "rto": 14400.0,
        "rto_forecast": 7800.0,
        "rto_measured": 5000.0,
        "rate": 400.0,
        "rate_measured": True,
        "newest": "b",
        "newest_at": ago(hours=10),
        "fresh": "b",
        "fresh_at": ago(hours=10),
        "verified_at": ago(hours=9),
        "proven": "a",
        "proven_at": ago(days=3),
        "vectors": 1000,
        "bytes": 300,
        "seconds": 20.0,
        "places": (place(), place(COPY)),
    }
    return Protection.model_validate({**facts, **changes})


def nothing(**changes) -> Protection:
    """Of a deployment that has no backup at all, in places that answer."""
    empty = {"newest_good": None, "newest_good_at": None, "behind": None, "backups": 0, "bytes": 0}
    unknown = dict.fromkeys((
        "rpo_real",
        "rpo_achieved",
        "rpo_measured",
        "rto_forecast",
        "rto_measured",
        "newest",
        "newest_at",
        "fresh",
        "fresh_at",
    )) | dict.fromkeys(("verified_at", "proven", "proven_at"))
    figures = {"vectors": 0, "bytes": 0, "seconds": 0.0, "rate_measured": False}
    return protection(**{**unknown, **figures, "places": (place(**empty), place(COPY, **empty)), **changes})


def judgement(of: Protection | None = None, *concerns: Concern) -> Judgement:
    return Judgement(protection=of or protection(), concerns=concerns)
