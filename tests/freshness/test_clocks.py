"""A store's clock, told by the records that lie there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import Folder, records_prefix
from backup_engine.freshness.clocks import clock_ahead
from backup_engine.records import Acknowledgement, Copied, Verification, VerificationLevel, record_key
from backup_engine.storage.contract import ListedObject
from tests.engine.captures import SUNDAY

MINUTE = timedelta(minutes=1)


@dataclass
class Noted:
    """A backup as far as clocks look at it."""

    records: tuple[object, ...]
    folder: Folder = Folder.DAILY
    name: str = "backup-20261122"


def verified(at, *, seconds: float = 0.0) -> Verification:
    return Verification(
        at=at,
        token="t",
        level=VerificationLevel.FULL,
        passed=True,
        entries=1,
        vectors=1,
        bytes=1,
        seconds=seconds,
        host="here",
    )


def ahead(*stamps, make=verified):
    """What is told by records of these times, each listed with the store's time."""
    noted, listed = [], {}
    for number, (at, modified_at) in enumerate(stamps):
        record = make(at)
        backup = Noted((record,), name=f"backup-{number}")
        key = record_key(records_prefix(backup.folder, backup.name), record)
        listed[key] = ListedObject(key, 100, modified_at)
        noted.append(backup)
    return clock_ahead(noted, listed)


def hours(number: int):
    return SUNDAY + timedelta(hours=number)


def test_where_nothing_lies_nothing_is_told():
    assert ahead() is None
    assert clock_ahead([Noted((verified(SUNDAY),))], {}) is None, "a record that no listing shows"


def test_a_small_difference_is_believed_at_once():
    assert ahead((SUNDAY, SUNDAY + MINUTE)) == MINUTE
    assert ahead((SUNDAY, SUNDAY - MINUTE)) == -MINUTE


def test_a_large_one_only_when_two_records_show_it():
    off = timedelta(minutes=3)
    assert ahead((SUNDAY, SUNDAY + off)) is None
    assert ahead((SUNDAY, SUNDAY + off), (hours(1), hours(1) + off + MINUTE)) == off
    assert ahead((SUNDAY, SUNDAY + off), (hours(1), hours(1) + off + 2 * MINUTE)) is None
    assert ahead((SUNDAY, SUNDAY - off), (hours(1), hours(1) - off)) == -off


def test_two_records_of_one_moment_are_one_witness():
    off = timedelta(minutes=3)
    near, far = timedelta(minutes=9), timedelta(minutes=10)
    assert ahead((SUNDAY, SUNDAY + off), (SUNDAY + near, SUNDAY + near + off)) is None
    assert ahead((SUNDAY, SUNDAY + off), (SUNDAY + far, SUNDAY + far + off)) == off


def test_a_clock_that_was_set_right_is_right():
    off = timedelta(minutes=30)
    assert ahead((SUNDAY, SUNDAY + off), (hours(1), hours(1) + off), (hours(2), hours(2))) == timedelta(0)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True), st.integers(1, 10_000))
def test_a_store_that_was_carried_to_another_disk_is_never_taken_for_one_with_another_clock(at_hours, later):
    carried = hours(10_000 + later)
    assert ahead(*((hours(one), carried) for one in at_hours)) is None


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=30, unique=True), st.integers(-10_000, 10_000))
def test_a_clock_that_is_off_is_told_as_it_is(at_hours, seconds):
    off = timedelta(seconds=seconds)
    assert ahead(*((hours(one), hours(one) + off) for one in at_hours)) == off


def test_what_looking_took_is_no_difference():
    def long(at):
        return verified(at, seconds=3600)

    assert ahead((SUNDAY, hours(1)), make=long) == timedelta(0)
    assert ahead((SUNDAY, SUNDAY), make=long) == timedelta(0), "vouched for in a copy, in no time"
    assert ahead((SUNDAY, hours(1) + MINUTE), make=long) == MINUTE
    assert ahead((SUNDAY, SUNDAY - MINUTE), make=long) == -MINUTE


def test_copies_tell_the_time_and_what_people_said_does_not():
    def copied(at):
        return Copied(at=at, token="t", to="s3://b", store_id="store-2", bytes=1)

    def acknowledged(at):
        return Acknowledgement(at=at, token="t", by="me", why="so")

    assert ahead((SUNDAY, SUNDAY), make=copied) == timedelta(0)
    assert ahead((SUNDAY, hours(50)), (hours(1), hours(51)), make=acknowledged) is None
