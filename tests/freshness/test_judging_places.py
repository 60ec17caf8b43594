"""Stores: silent, new, behind, unreadable, with another clock; and when that is nothing to be woken for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.judging import judge
from backup_engine.freshness.measures import Measure
from tests.freshness.sightings import (
    COPY,
    NOW,
    PRIMARY,
    ago,
    backup,
    concerns,
    days,
    deployment,
    gone,
    of_kind,
    only,
    place,
    sighting,
    told,
)

BEHIND = ConcernKind.COPY_BEHIND
NO_STORE = {"no_store": True, "problem": "no store.json there"}


def test_a_primary_that_is_gone_is_critical_where_nothing_else_can_be_restored():
    found = of_kind(ConcernKind.STORE_UNREACHABLE, concerns(sighting(gone())))
    assert found
    assert found.severity is Severity.CRITICAL
    assert found.grace_seconds == 600
    assert found.found == f"The primary store {PRIMARY} cannot be read: the disk is not there."
    assert found.risk == "No backup can be made and none can be restored."
    assert f"store check '{PRIMARY}'" in found.remedy


def test_a_primary_that_is_gone_while_a_copy_answers_is_a_warning_that_names_what_can_be_restored():
    found = only(ConcernKind.STORE_UNREACHABLE, concerns(sighting(gone(), place(copy=True))))
    assert found.severity is Severity.WARNING
    assert "backup-20261126-0200" in found.risk


def test_a_copy_that_is_gone_is_a_warning_about_that_copy():
    found = only(ConcernKind.COPY_UNREACHABLE, concerns(sighting(place(), gone(copy=True))), COPY)
    assert found.severity is Severity.WARNING
    assert found.grace_seconds == 600


def test_the_commands_name_the_address_with_its_connection_and_options():
    of = deployment(copies=["s3://aws@bucket/base?sse=AES256"])
    found = of_kind(ConcernKind.COPY_UNREACHABLE, concerns(sighting(place(), gone(copy=True, **NO_STORE)), of))
    assert found
    assert "store init 's3://aws@bucket/base/production?sse=AES256' --deployment production" in found.remedy


def test_what_others_say_ends_as_they_end_it():
    found = of_kind(ConcernKind.STORE_UNREACHABLE, concerns(sighting(gone(problem="is it mounted?"))))
    assert found
    assert found.found.endswith("cannot be read: is it mounted?")


def test_a_deployment_that_was_just_written_down_is_told_to_make_its_store_and_nobody_is_called_for_its_backups():
    found = concerns(sighting(gone(**NO_STORE)))
    assert told(found) == [ConcernKind.STORE_UNREACHABLE]
    store = of_kind(ConcernKind.STORE_UNREACHABLE, found)
    assert store
    assert store.severity is Severity.WARNING
    assert f"store init '{PRIMARY}' --deployment production" in store.remedy


def test_a_place_where_there_was_a_store_with_backups_is_no_new_one():
    measures = {PRIMARY: (Measure(at=ago(days=3), backups=4, bytes=1),)}
    found = concerns(sighting(gone(**NO_STORE)), measures=measures)
    assert [one.severity for one in found] == [Severity.CRITICAL, Severity.CRITICAL]
    assert "store init" not in "".join(one.remedy for one in found)


def test_what_lies_where_manifests_lie_and_is_none_is_told_with_its_name():
    unreadable = ("daily/x.json: it is no manifest", "daily/y.json: it is cut off")
    found = only(ConcernKind.MANIFEST_UNREADABLE, concerns(sighting(place(unreadable=unreadable))), PRIMARY)
    assert found.severity is Severity.WARNING
    assert "2 things lie" in found.found
    assert "daily/x.json: it is no manifest" in found.found


def copied(*, missing: int, allowed_since: timedelta, **changes):
    """The copy lacks the newest few; the oldest of these was captured so long ago."""
    newer = tuple(backup(NOW - allowed_since + timedelta(hours=n) - timedelta(minutes=2)) for n in range(missing))[::-1]
    return sighting(place(backups=(*newer, *days()[1:])), place(copy=True, backups=days()[1:], **changes))


ALLOWED = timedelta(hours=7, minutes=4)
"""The sync's gap of six hours, an hour, and twice what reading takes."""


def test_a_copy_may_be_as_far_behind_as_the_sync_lets_it_and_no_further():
    assert of_kind(BEHIND, concerns(copied(missing=2, allowed_since=ALLOWED))) is None
    found = only(BEHIND, concerns(copied(missing=2, allowed_since=ALLOWED + timedelta(seconds=1))), COPY)
    assert found.severity is Severity.WARNING
    assert found.since == NOW - timedelta(seconds=1)
    assert "its newest is backup-20261125-0200" in found.found
    assert "lacks 2 newer good backups" in found.found


def test_a_copy_is_behind_by_the_oldest_backup_it_lacks_however_new_the_newest_is():
    seen = copied(missing=8, allowed_since=timedelta(hours=8))
    found = only(BEHIND, concerns(seen), COPY)
    assert "lacks 8 newer good backups" in found.found
    assert "and 5 more" in found.found
    newest, here = seen.places[0].backups[0], seen.places[1].backups[0]
    standing = judge(deployment(copies=True), seen).protection.places[1]
    assert standing.behind == (newest.started_at - here.started_at).total_seconds()


def test_a_new_copy_is_given_the_time_to_be_filled():
    def new(**age: float):
        return concerns(sighting(place(), place(copy=True, backups=(), bytes=0, created_at=ago(**age))))

    assert new(hours=7, minutes=4) == ()
    found = only(BEHIND, new(hours=7, minutes=5), COPY)
    assert "it holds no good backup" in found.found


def test_a_copy_that_holds_what_was_found_damaged_there_is_damaged_and_not_behind():
    newest = backup(ago(hours=9))
    spoilt = newest.model_copy(update={"damaged": True, "verified_at": None})
    seen = sighting(place(backups=(newest, *days()[1:])), place(copy=True, backups=(spoilt, *days()[1:])))
    only(ConcernKind.NEWEST_DAMAGED, concerns(seen), COPY)


def test_partial_backups_are_not_missed_in_a_copy():
    partial = backup(ago(hours=9), state="partial")
    assert concerns(sighting(place(backups=(partial, *days())), place(copy=True))) == ()


def test_one_place_for_everything_is_worth_a_note_and_a_copy_ends_it():
    alone = judge(deployment(), sighting()).concerns
    found = of_kind(ConcernKind.ONE_PLACE, alone)
    assert found
    assert found.severity is Severity.NOTE
    assert PRIMARY in found.found
    both = sighting(place(), place(copy=True))
    assert of_kind(ConcernKind.ONE_PLACE, judge(deployment(copies=True), both).concerns) is None


@pytest.mark.parametrize("way", [1, -1])
def test_a_stores_clock_is_told_from_a_minute_and_is_critical_from_where_backups_are_of_the_future(way):
    def clock(seconds: float):
        return concerns(sighting(place(clock_ahead=way * seconds)))

    assert clock(60) == ()
    assert only(ConcernKind.CLOCKS_APART, clock(61), PRIMARY).severity is Severity.WARNING
    assert only(ConcernKind.CLOCKS_APART, clock(300), PRIMARY).severity is Severity.WARNING
    found = only(ConcernKind.CLOCKS_APART, clock(301), PRIMARY)
    assert found.severity is Severity.CRITICAL
    assert ("ahead of this" if way > 0 else "behind this") in found.found


def test_backups_of_the_future_are_told_and_count_for_nothing():
    seen = sighting(place(future=("backup-20300101 says it was captured on 2030-01-01",)))
    found = only(ConcernKind.CLOCKS_APART, concerns(seen), f"{PRIMARY} (backups)")
    assert found.severity is Severity.WARNING
    assert "backup-20300101" in found.found


def lacking_old(age: int, **changes):
    """A copy that lacks one full in the middle, of so many days ago."""
    every = days(age + 2)
    return concerns(sighting(place(backups=every), place(copy=True, backups=every[:age] + every[age + 1 :], **changes)))


def test_a_copy_that_lacks_an_old_backup_is_told_when_pruning_would_wait_for_it_no_longer():
    assert lacking_old(6) == ()
    found = only(BEHIND, lacking_old(7), COPY)
    assert "lacks 1 good backup that the primary store has (backup-20261119-0200) for more than 7 d" in found.found
    assert "somebody is asked" in found.risk


def test_a_new_copy_has_the_same_time_to_get_what_is_old():
    assert lacking_old(20, created_at=ago(days=7)) == ()
    assert of_kind(BEHIND, lacking_old(20, created_at=ago(days=7, minutes=1)))
