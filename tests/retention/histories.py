"""Histories of backups, made of outlines and records alone: nothing of them lies anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from backup_engine.archive.manifest import BackupKind, BackupState, Folder, Sidecar
from backup_engine.backup import Backup
from backup_engine.outline import HangsOn, Outline
from backup_engine.records import Pin, Proof, Record, Unpin, Verification, VerificationLevel
from backup_engine.retention.plan import RetentionPlan
from backup_engine.retention.planning import Setting, plan_retention
from backup_engine.retention.policy import Policy, Slots

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""A now after everything: nothing is from the future, every pin has ended."""

PLAIN = Policy(slots=Slots(daily=30, weekly=12, monthly=12), floor=timedelta(0))
SETTING = Setting(deployment="production", store="memory://store", store_id="id")


def unread() -> Sidecar:
    raise AssertionError("retention asked for a manifest")


def full(name: str, at: datetime, *records: Record, **changes: object) -> Backup:
    given = {
        "folder": Folder.DAILY,
        "name": name,
        "kind": BackupKind.FULL,
        "state": BackupState.GOOD,
        "whole_scope": True,
        "deployment": "production",
        "store_id": "id",
        "run_key": f"run of {name}",
        "started_at": at,
        "captured_at": at,
        "vectors": 10,
        "stored": 10,
        "collections": 1,
        "bytes": 1000,
        "fingerprint": name,
    }
    return Backup(Outline.model_validate(given | changes), records, sidecar=unread)


def delta(name: str, at: datetime, base: Backup, *records: Record, number: int = 1, **changes: object) -> Backup:
    on = (HangsOn(folder=base.folder, name=base.name, run_key=base.outline.run_key),)
    given = {"kind": BackupKind.INCREMENTAL, "folder": Folder.INCREMENTAL, "bases": on, "number": number}
    return full(name, at, *records, **(given | changes))


def days(number: int, *, start: datetime = START, prefix: str = "full") -> list[Backup]:
    """A good full each day, at the same time."""
    return [full(f"{prefix}-{day:04d}", start + timedelta(days=day)) for day in range(number)]


def hourly(base: Backup, hours: Iterable[int]) -> list[Backup]:
    """A day's incrementals on a full, each on the one before it with its lowest bit taken off."""
    made = {0: base}
    for hour in hours:
        name = f"{base.name}-{hour:02d}"
        made[hour] = delta(name, base.captured_at + timedelta(hours=hour), made[hour & (hour - 1)], number=hour)
    return [one for hour, one in made.items() if hour]


def looked(at: datetime, *, passed: bool = True) -> Verification:
    return Verification(
        at=at,
        token="v",
        level=VerificationLevel.FULL,
        passed=passed,
        entries=1,
        vectors=1,
        bytes=1,
        seconds=1,
        host="h",
    )


def proof(at: datetime) -> Proof:
    return Proof(at=at, token="p", restore_id="0" * 12, server="http://s", vectors=10, seconds=1)


def pin(at: datetime, until: datetime) -> Pin:
    return Pin(at=at, token="n", by="anna", why="audit", until=until)


def unpin(at: datetime) -> Unpin:
    return Unpin(at=at, token="u", by="anna")


def plan(
    backups: Iterable[Backup], policy: Policy = PLAIN, now: datetime = LATER, setting: Setting = SETTING
) -> RetentionPlan:
    return plan_retention(backups, policy, now, setting)


def kept(made: RetentionPlan) -> set[str]:
    return {one.name for one in made.keep}


def gone(made: RetentionPlan) -> set[str]:
    return {one.name for one in made.delete}


def reasons(made: RetentionPlan, name: str) -> Sequence[str]:
    return next(one.reasons for one in made.keep if one.name == name)


def left(backups: Iterable[Backup], made: RetentionPlan) -> list[Backup]:
    """What a pruning that carried the plan out would leave."""
    return [one for one in backups if one.name in kept(made)]
