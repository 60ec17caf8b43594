"""What retention leaves alone: it is told, never counted, never deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.backup import Backup
from backup_engine.retention.quarantine import TOLERANCE, quarantined
from tests.retention.histories import START, full

NOW = START + timedelta(days=1)


def sizes(*backups: Backup) -> dict[str, int]:
    return {
        key: size
        for one in backups
        for key, size in {
            f"daily/{one.name}.tar.gz": one.bytes,
            f"daily/{one.name}.json": 300,
            f"daily/{one.name}.records/verification-1.json": 200,
        }.items()
    }


def test_what_is_as_it_should_be_is_decided_about():
    one = full("one", START)
    assert quarantined([one], sizes(one), "production", (), NOW) == ((one,), ())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"captured_at": NOW + TOLERANCE + timedelta(seconds=1)}, "which is to come"),
        ({"deployment": "other"}, "a backup of deployment 'other', and this is a store of 'production'"),
        ({"started_at": START + timedelta(seconds=1)}, "ended before it began"),
        ({"bytes": 999}, "its archive has 1,000 bytes, and its manifest says 999"),
    ],
)
def test_what_cannot_be_is_left_alone(changes: dict[str, object], why: str):
    odd, good = full("odd", START, **changes), full("good", START)
    there, strange = quarantined([odd, good], sizes(full("odd", START), good), "production", (), NOW)
    assert there == (good,)
    assert [one.key for one in strange] == ["daily/odd.json"]
    assert why in strange[0].reason


def test_five_minutes_are_no_future():
    one = full("one", NOW + TOLERANCE)
    assert quarantined([one], sizes(one), "production", (), NOW)[0] == (one,)


def test_a_manifest_without_its_archive_is_left_alone():
    one = full("one", START)
    there, strange = quarantined([one], {"daily/one.json": 1}, "production", (), NOW)
    assert not there
    assert "archive is missing" in strange[0].reason


def test_of_two_with_one_name_neither_is_decided_about():
    one, twin = full("one", START), full("one", START, folder="weekly")
    every = sizes(one) | {"weekly/one.tar.gz": 1000}
    there, strange = quarantined([one, twin], every, "production", (), NOW)
    assert not there
    assert len(strange) == 2


def test_files_of_nobody_and_manifests_that_nobody_can_read_are_told():
    one = full("one", START)
    every = sizes(one) | {
        "daily/notes.txt": 5,
        "monthly/lost.tar.gz": 7,
        "daily/odd.json": 9,
        "index/catalog.json.gz": 1,
    }
    _, strange = quarantined([one], every, "production", ("daily/odd.json: it is no manifest",), NOW)
    assert [(one.key, one.reason) for one in strange] == [
        ("daily/odd.json", "it is no manifest"),
        ("daily/notes.txt", "it belongs to no backup that can be read here"),
        ("monthly/lost.tar.gz", "it belongs to no backup that can be read here"),
    ]
