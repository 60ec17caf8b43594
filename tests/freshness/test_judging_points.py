"""Recovery points: too old, unread, damaged, none at all; and when nobody may be woken."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.judging import judge
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
    server,
    sighting,
    silent_server,
    told,
)

OLD = ConcernKind.RECOVERY_POINT_OLD


def test_of_a_deployment_that_is_well_nothing_is_said():
    assert concerns(sighting(place(), place(copy=True))) == ()
    assert judge(deployment(copies=True), sighting(place(), place(copy=True))).well


def with_newest(**age: float):
    newest = backup(ago(**age))
    return sighting(place(backups=(newest, *days(8)[6:])))


def test_a_recovery_point_is_too_old_once_it_is_older_than_promised():
    assert told(concerns(with_newest(hours=26))) == []
    found = only(OLD, concerns(with_newest(hours=26, seconds=1)))
    assert found.severity is Severity.CRITICAL
    assert "is 1 d 2 h old" in found.found
    assert "at most 1 d 2 h is promised" in found.found
    assert found.since == NOW - timedelta(seconds=1)
    assert found.grace_seconds == 0


def test_where_the_schedule_cannot_keep_the_promise_that_is_said_and_nobody_is_woken_each_night():
    rare = deployment(rpo="1h")
    after_an_hour = concerns(with_newest(minutes=59), rare)
    assert told(after_an_hour) == []
    assert of_kind(ConcernKind.SCHEDULE_TOO_RARE, after_an_hour)
    found = only(ConcernKind.SCHEDULE_TOO_RARE, concerns(with_newest(hours=24, minutes=34), rare))
    assert found.severity is Severity.WARNING
    assert "lie up to 1 d apart" in found.found
    assert "rpo: 25h" in found.remedy
    assert told(concerns(with_newest(hours=24, minutes=35), rare)) == [OLD, ConcernKind.SCHEDULE_TOO_RARE]


def test_a_promise_of_just_the_schedules_gap_is_not_broken_by_the_run_that_keeps_it():
    tight = deployment(rpo="24h")
    found = only(ConcernKind.SCHEDULE_TOO_RARE, concerns(with_newest(hours=24, minutes=30), tight))
    assert found.severity is Severity.NOTE
    assert "and one takes 2 min" in found.found
    assert told(concerns(with_newest(hours=24, minutes=35), tight)) == [OLD]


def test_a_schedule_that_keeps_the_promise_is_no_concern():
    often = deployment(rpo="1h", schedule={"full": "*/30 * * * *"})
    assert concerns(with_newest(minutes=20), often) == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": BackupState.PARTIAL}, "it is partial"),
        ({"state": BackupState.SUSPECT}, "it is suspect"),
        ({"vectors": 0}, "it is empty"),
        ({"verified_at": None}, "it was not read back yet"),
        ({"verified_at": None, "damaged": True}, "it was found damaged"),
    ],
)
def test_only_a_backup_that_is_good_and_was_read_back_moves_the_recovery_point(changes, why):
    seen = sighting(place(backups=(backup(ago(hours=10), **changes), *days(3)[2:])))
    found = of_kind(OLD, concerns(seen))
    assert found
    assert found.severity is Severity.CRITICAL
    assert f"Newer is backup-20261126-0200, which does not count: {why}" in found.found
    assert judge(deployment(), seen).protection.rpo_real == timedelta(days=2, hours=10).total_seconds()


def test_a_backup_of_a_few_collections_moves_nothing_and_is_not_named():
    seen = sighting(place(backups=(backup(ago(hours=1), whole_scope=False), *days(3)[2:])))
    found = only(OLD, concerns(seen))
    assert "backup-20261126" not in found.found


def test_a_copy_that_answers_counts_as_a_recovery_point():
    seen = sighting(place(backups=days()[3:]), place(copy=True))
    assert of_kind(OLD, concerns(seen)) is None
    assert judge(deployment(copies=True), seen).protection.fresh == "backup-20261126-0200"


def test_a_primary_that_is_away_for_a_moment_does_not_make_the_recovery_point_old():
    found = of_kind(OLD, concerns(sighting(gone(), place(copy=True, backups=days()[2:]))))
    assert found
    assert found.grace_seconds == 600


def test_what_is_given_grace_is_not_said_to_have_begun_long_ago():
    seen = sighting(
        gone(), place(copy=True, backups=days()[2:], clock_ahead=500.0, free_bytes=0), server=silent_server()
    )
    assert not [one for one in concerns(seen) if one.grace_seconds and one.since]


def test_where_no_place_answers_the_recovery_point_is_unknown_and_not_recovered():
    found = concerns(sighting(gone(), gone(copy=True)))
    old = of_kind(OLD, found)
    assert old
    assert old.severity is Severity.CRITICAL
    assert old.grace_seconds == 600
    assert "cannot be told" in old.found
    assert PRIMARY in old.found
    assert COPY in old.found


def fresh_install(**changes):
    return sighting(place(backups=(), bytes=0, **changes))


def test_a_new_deployment_without_a_backup_wakes_nobody_until_one_was_due():
    found = only(OLD, concerns(fresh_install(created_at=ago(hours=26))))
    assert found.severity is Severity.NOTE
    assert "the store was made 1 d 2 h ago" in found.found
    found = only(OLD, concerns(fresh_install(created_at=ago(hours=26, seconds=1))))
    assert found.severity is Severity.CRITICAL
    assert "has no good backup at all" in found.found
    assert found.risk == "Everything is lost if the server is lost now."


def test_a_new_weekly_deployment_waits_for_its_week():
    weekly = deployment(tier="development", rpo="24h")
    assert told(concerns(fresh_install(created_at=ago(days=7)), weekly)) == []
    assert told(concerns(fresh_install(created_at=ago(days=7, minutes=31)), weekly)) == [OLD]


def test_the_first_backup_may_take_its_time_to_be_read_back():
    seen = sighting(place(backups=days(1, verified_at=None), created_at=ago(hours=11)))
    assert told(concerns(seen)) == []
    assert judge(deployment(), seen).protection.rpo_real is None


def test_a_server_that_holds_nothing_has_nothing_to_lose():
    found = only(OLD, concerns(fresh_install().model_copy(update={"server": server(vectors=0)})))
    assert found.severity is Severity.NOTE
    assert "nothing to lose" in found.found


def test_a_server_that_lost_everything_is_not_taken_for_one_that_never_had_anything():
    seen = sighting(place(backups=days(8)[6:]), server=server(vectors=0))
    assert OLD in told(concerns(seen))


def test_nothing_read_back_for_longer_than_the_schedules_gap_and_a_day_is_told():
    def verified(**age: float):
        return concerns(
            sighting(place(backups=tuple(one.model_copy(update={"verified_at": ago(**age)}) for one in days())))
        )

    assert verified(days=8) == ()
    found = only(ConcernKind.VERIFICATION_OLD, verified(days=8, seconds=1))
    assert found.severity is Severity.WARNING
    assert found.since == NOW - timedelta(seconds=1)
    assert "for 8 d; the last time was 2026-11-18 11:59:59Z" in found.found


def test_backups_that_were_never_read_back_are_told_after_the_same_time():
    lax = deployment(rpo="60d")
    unread = days(9, verified_at=None)
    assert of_kind(ConcernKind.VERIFICATION_OLD, concerns(sighting(place(backups=unread[:8])), lax)) is None
    found = of_kind(ConcernKind.VERIFICATION_OLD, concerns(sighting(place(backups=unread)), lax))
    assert found
    assert "none ever was" in found.found


def test_reading_old_backups_again_and_again_does_not_hide_that_no_new_one_is_read():
    lax = deployment(rpo="60d")
    old = backup(ago(days=9), verified_at=ago(hours=1))
    seen = sighting(place(backups=(*days(3, verified_at=None), old)))
    found = of_kind(ConcernKind.VERIFICATION_OLD, concerns(seen, lax))
    assert found
    assert "Only old backups are read back" in found.found
    newer = old.model_copy(update={"started_at": ago(days=7)})
    assert concerns(sighting(place(backups=(*days(3, verified_at=None), newer))), lax) == ()


def test_a_verification_in_a_copy_counts():
    unread = days(9, verified_at=None)
    seen = sighting(place(backups=unread), place(copy=True))
    assert of_kind(ConcernKind.VERIFICATION_OLD, concerns(seen)) is None


DAMAGED = {"damaged": True, "verified_at": None}


def test_a_damaged_newest_backup_is_critical_where_no_other_place_has_it():
    seen = sighting(place(backups=(backup(ago(hours=1), **DAMAGED), *days())))
    found = only(ConcernKind.NEWEST_DAMAGED, concerns(seen), PRIMARY)
    assert found.severity is Severity.CRITICAL
    assert "The newest that can be is backup-20261126-0200" in found.risk


def test_a_damaged_newest_backup_that_a_copy_has_whole_is_a_warning_that_names_the_copy():
    newest = backup(ago(hours=1))
    spoilt = newest.model_copy(update=DAMAGED)
    seen = sighting(place(backups=(spoilt, *days())), place(copy=True, backups=(newest, *days())))
    found = only(ConcernKind.NEWEST_DAMAGED, concerns(seen), PRIMARY)
    assert found.severity is Severity.WARNING
    assert COPY in found.risk
    swapped = sighting(place(backups=(newest, *days())), place(copy=True, backups=(spoilt, *days())))
    assert only(ConcernKind.NEWEST_DAMAGED, concerns(swapped), COPY).severity is Severity.WARNING


def test_damage_that_a_newer_backup_has_overtaken_is_not_told_for_ever():
    seen = sighting(place(backups=(*days(2), backup(ago(days=3), **DAMAGED))))
    assert concerns(seen) == ()
