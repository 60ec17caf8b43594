"""Sightings made by hand: a deployment that is well, and what a test changes about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from backup_engine.archive.manifest import BackupKind, BackupState, Folder
from backup_engine.deployment import Deployment
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.judging import judge
from backup_engine.freshness.measures import Measure
from backup_engine.freshness.sighting import (
    BackupGlance,
    DagSighting,
    PlaceSighting,
    RestoreGlance,
    ServerSighting,
    Sighting,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
"""A Thursday noon: the last full began at 02:00, the last verification was on Sunday."""

BASE, COPY_BASE = "file:///backups", "s3://bucket/base"
PRIMARY, COPY = f"{BASE}/production", f"{COPY_BASE}/production"
MILLION = 1_000_000


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def deployment(*, copies: bool | list[str] = False, **changes) -> Deployment:
    """A deployment whose promise its daily fulls keep with room to spare; incrementals come only if asked for."""
    changes["schedule"] = {"incremental": "never", **changes.get("schedule", {})}
    given = {
        "name": "production",
        "tier": "production",
        "server": {"url": "http://vectors:15002"},
        "store": BASE,
        "copies": copies if isinstance(copies, list) else (COPY_BASE,) if copies else (),
        "rpo": "26h",
    }
    return Deployment.model_validate(given | changes)


def backup(began: datetime, **changes) -> BackupGlance:
    """A good full that was read back five minutes after it was read."""
    given = {
        "name": f"backup-{began:%Y%m%d-%H%M}",
        "folder": Folder.DAILY,
        "kind": BackupKind.FULL,
        "state": BackupState.GOOD,
        "whole_scope": True,
        "started_at": began,
        "captured_at": began + timedelta(minutes=2),
        "seconds": 120.0,
        "vectors": MILLION,
        "collections": 3,
        "moving": 0,
        "bytes": 500 * MILLION,
        "verified_at": began + timedelta(minutes=5),
        "damaged": False,
    }
    return BackupGlance.model_validate(given | changes)


def days(number: int = 5, **changes) -> tuple[BackupGlance, ...]:
    """A good full of each of the last days, newest first."""
    return tuple(backup(ago(hours=10, days=day), **changes) for day in range(number))


def place(*, copy: bool = False, **changes) -> PlaceSighting:
    given = {
        "url": COPY if copy else PRIMARY,
        "copy_of_it": copy,
        "created_at": ago(days=90),
        "backups": days(),
        "bytes": 3_000 * MILLION,
    }
    return PlaceSighting.model_validate(given | changes)


def gone(*, copy: bool = False, **changes) -> PlaceSighting:
    """A place that does not answer."""
    given = {"created_at": None, "backups": (), "bytes": 0, "problem": "the disk is not there"}
    return place(copy=copy, **(given | changes))


def server(**changes) -> ServerSighting:
    given = {
        "url": "http://vectors:15002",
        "version": "3.5.0",
        "collections": 3,
        "vectors": MILLION,
        "capture_bytes": 1_200 * MILLION,
        "clock_ahead": 0.4,
    }
    return ServerSighting.model_validate(given | changes)


def silent_server(problem: str = "connection refused") -> ServerSighting:
    return ServerSighting(url="http://vectors:15002", problem=problem)


def restore(**changes) -> RestoreGlance:
    given = {
        "restore_id": "0" * 12,
        "backup": days()[0].name,
        "finished_at": ago(days=2),
        "seconds": 2_500.0,
        "vectors": MILLION,
        "rate": 400.0,
        "whole": True,
    }
    return RestoreGlance.model_validate(given | changes)


def dag(purpose: str = "full_backup", **changes) -> DagSighting:
    given = {"dag_id": f"vectorizer_production_{purpose}", "purpose": purpose, "due": ago(hours=10)}
    return DagSighting.model_validate(given | changes)


def sighting(*places: PlaceSighting, **changes) -> Sighting:
    given = {
        "at": NOW,
        "deployment": "production",
        "places": places or (place(),),
        "server": server(),
        "restores": (),
        "dags": (),
    }
    return Sighting.model_validate(given | changes)


def concerns(
    seen: Sighting, of: Deployment | None = None, measures: Mapping[str, tuple[Measure, ...]] | None = None
) -> tuple[Concern, ...]:
    """Everything that is found wrong, but that all backups lie in one place."""
    found = judge(of or deployment(copies=len(seen.places) > 1), seen, measures or {}).concerns
    return tuple(one for one in found if one.kind is not ConcernKind.ONE_PLACE)


def only(kind: ConcernKind, found: tuple[Concern, ...], subject: str = "") -> Concern:
    """The one concern there is, of this kind."""
    assert [(one.kind, one.subject) for one in found] == [(kind, subject)]
    assert all(text and text == text.strip() for text in (found[0].found, found[0].remedy))
    return found[0]


def of_kind(kind: ConcernKind, found: tuple[Concern, ...]) -> Concern | None:
    return next((one for one in found if one.kind is kind), None)


def told(found: tuple[Concern, ...]) -> list[ConcernKind]:
    """The kinds that somebody would be told of."""
    return [one.kind for one in found if one.severity is not Severity.NOTE]
