"""A metric never says fresh after a run that failed, or whose backup is partial, suspect, empty, a part, or unread."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupKind, BackupState, Folder
from backup_engine.deployment import Deployment
from backup_engine.freshness.judging import judge
from backup_engine.freshness.metrics import samples
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting, ServerSighting, Sighting
from tests.freshness.standing import NOW

DEPLOYMENT = Deployment.model_validate({
    "name": "prod",
    "tier": "production",
    "server": {"url": "http://localhost:15002"},
    "store": "file:///var/backups",
})
WORTHLESS = {
    "partial": {"state": BackupState.PARTIAL},
    "suspect": {"state": BackupState.SUSPECT},
    "empty": {"vectors": 0, "collections": 0},
    "subset": {"whole_scope": False},
    "unverified": {"verified_at": None},
}
EVENTS = ("good", "failed", *WORTHLESS, "damage found", "read back later")


def backup(at: datetime, **changes) -> BackupGlance:
    facts = {
        "name": f"backup-{at:%Y%m%d-%H%M}",
        "folder": Folder.DAILY,
        "kind": BackupKind.FULL,
        "state": BackupState.GOOD,
        "whole_scope": True,
        "started_at": at,
        "captured_at": at + timedelta(minutes=3),
        "seconds": 180.0,
        "vectors": 1000,
        "collections": 2,
        "moving": 0,
        "bytes": 5000,
        "verified_at": at + timedelta(minutes=5),
        "damaged": False,
    }
    return BackupGlance.model_validate({**facts, **changes})


def after(event: str, at: datetime, there: list[BackupGlance]) -> list[BackupGlance]:
    """What the store holds after one more run, or one more look at an older backup."""
    if event == "failed":
        return there
    if event == "damage found":
        found = next((one for one in there if one.fresh), None)
        hurt = {"damaged": True, "verified_at": None}
        return [one.model_copy(update=hurt) if one is found else one for one in there]
    if event == "read back later":
        found = next((one for one in there if one.verified_at is None and not one.damaged), None)
        return [one.model_copy(update={"verified_at": at}) if one is found else one for one in there]
    return [backup(at, **WORTHLESS.get(event, {})), *there]


def told(at: datetime, there: list[BackupGlance]) -> dict[str, float]:
    """The figures about the newest backup, by short name."""
    place = PlaceSighting(url="file:///var/backups/prod", copy_of_it=False, backups=tuple(there))
    server = ServerSighting(url="http://localhost:15002", vectors=1000, collections=2)
    seen = Sighting(at=at, deployment="prod", places=(place,), server=server)
    figures = {one.name.removeprefix("vectorizer_backup_"): one.value for one in samples(judge(DEPLOYMENT, seen))}
    return {name: value for name, value in figures.items() if name.startswith(("newest_", "restorable"))}


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(10, 3000)), max_size=12))
def test_only_a_good_whole_undamaged_backup_that_was_read_back_moves_the_recovery_point(history):
    at, there = NOW - timedelta(days=60), []
    for event, minutes in history:
        before = told(at, there)
        at += timedelta(minutes=minutes)
        there = after(event, at, there)
        now = told(at, there)
        worth = [one for one in there if one.fresh]
        newest = max((one.started_at.timestamp() for one in worth), default=None)
        assert now.get("newest_good_timestamp_seconds") == newest, "absent where there is none"
        assert now["restorable"] == bool(worth)
        assert now.get("newest_good_age_seconds") == (None if newest is None else at.timestamp() - newest)
        if event not in {"good", "read back later", "damage found"}:
            moments = {name for name in now if "timestamp" in name}
            assert {name: now[name] for name in moments} == {name: before[name] for name in moments}
            assert now.get("newest_good_vectors") == before.get("newest_good_vectors")


@pytest.mark.parametrize("event", ["failed", *WORTHLESS])
def test_a_first_run_without_a_good_backup_leaves_every_figure_of_one_absent(event):
    figures = told(NOW, after(event, NOW, []))
    assert set(figures) == {"restorable", "newest_unverified"}
    assert figures["restorable"] == 0
    assert figures["newest_unverified"] == (event == "unverified")


def test_damage_takes_the_recovery_point_back_to_the_one_before():
    there = after("good", NOW, after("good", NOW - timedelta(days=1), []))
    assert told(NOW, there)["newest_good_timestamp_seconds"] == NOW.timestamp()
    hurt = told(NOW, after("damage found", NOW, there))
    assert hurt["newest_good_timestamp_seconds"] == (NOW - timedelta(days=1)).timestamp()


def test_the_age_of_a_point_grows_with_nothing_but_time():
    there = after("good", NOW, [])
    later = NOW + timedelta(hours=7)
    assert told(later, there)["newest_good_age_seconds"] == 7 * 3600
    assert told(later, there)["newest_good_timestamp_seconds"] == NOW.timestamp()
