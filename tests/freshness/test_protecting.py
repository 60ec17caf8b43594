"""How well a deployment is protected: never better than it is."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupState
from backup_engine.freshness.concerns import Severity
from backup_engine.freshness.judging import judge
from backup_engine.freshness.protecting import protection
from tests.freshness.sightings import (
    COPY,
    NOW,
    PRIMARY,
    ago,
    backup,
    days,
    deployment,
    gone,
    place,
    restore,
    server,
    sighting,
)

ONE, BOTH = deployment(), deployment(copies=True)
DAY = timedelta(days=1).total_seconds()

GLANCES = st.builds(
    lambda minutes, state, whole, vectors, verified, damaged: backup(
        ago(minutes=minutes),
        state=state,
        whole_scope=whole,
        vectors=vectors,
        verified_at=ago(minutes=max(0, minutes - 5)) if verified and not damaged else None,
        damaged=damaged,
    ),
    st.integers(-4, 60 * 24 * 40),
    st.sampled_from(BackupState),
    st.booleans(),
    st.sampled_from([0, 1, 5_000_000]),
    st.booleans(),
    st.booleans(),
)
PLACES = st.lists(GLANCES, max_size=6).map(lambda glances: tuple({one.name: one for one in glances}.values()))
SIGHTINGS = st.builds(
    lambda primary, copied, answers, vectors: sighting(
        place(backups=primary),
        place(copy=True, backups=copied) if answers else gone(copy=True),
        server=server(vectors=vectors),
    ),
    PLACES,
    PLACES,
    st.booleans(),
    st.sampled_from([0, 100]),
)


@given(SIGHTINGS)
def test_only_what_is_fresh_somewhere_that_answers_moves_the_recovery_point(seen):
    judged = protection(BOTH, seen)
    fresh = [one for place_ in seen.places for one in place_.backups if one.fresh]
    if not fresh:
        assert (judged.rpo_real, judged.fresh, judged.verified_at, judged.vectors) == (None, None, None, 0)
    else:
        true = (NOW - max(one.started_at for one in fresh)).total_seconds()
        assert judged.rpo_real == max(0.0, true)
        assert judged.rpo_achieved >= judged.rpo_real, "what is worse than now was never better"


@given(SIGHTINGS)
def test_a_copy_more_never_makes_it_worse_and_one_that_is_away_never_better(seen):
    with_copy = protection(BOTH, seen).rpo_real
    alone = protection(BOTH, sighting(seen.places[0], gone(copy=True))).rpo_real
    assert alone is None or with_copy <= alone


@given(SIGHTINGS)
def test_every_sighting_can_be_judged_and_each_concern_stands_once(seen):
    found = judge(BOTH, seen).concerns
    keys = [one.key for one in found]
    assert len(keys) == len(set(keys))
    assert all(one.found and one.remedy for one in found)
    assert not [one for one in found if "None" in f"{one.found}{one.risk}{one.remedy}"]


def is_old(seen) -> bool:
    return any(
        one.key == "recovery-point-old" and one.severity is Severity.CRITICAL for one in judge(BOTH, seen).concerns
    )


@given(SIGHTINGS, GLANCES)
def test_a_backup_that_is_no_good_never_silences_an_alarm(seen, more):
    bad = more.model_copy(update={"state": BackupState.PARTIAL, "name": "bad"})
    primary, copied = seen.places
    with_more = seen.model_copy(
        update={"places": (primary.model_copy(update={"backups": (*primary.backups, bad)}), copied)}
    )
    assert is_old(with_more) == is_old(seen)
    assert protection(BOTH, with_more).rpo_real == protection(BOTH, seen).rpo_real


@given(SIGHTINGS, st.integers(0, 60 * 24 * 40))
def test_no_alarm_goes_away_by_waiting(seen, minutes):
    later = seen.model_copy(update={"at": seen.at + timedelta(minutes=minutes)})
    assert is_old(later) or not is_old(seen)


@given(SIGHTINGS)
def test_the_alarm_goes_off_at_the_promised_age_of_what_is_fresh_and_by_nothing_else(seen):
    every = [one for place_ in seen.places for one in place_.backups]
    fresh = [one.started_at for one in every if one.fresh]
    nothing_to_lose = seen.server.vectors == 0 and not any(one.good for one in every)
    too_old = not fresh or seen.at - max(fresh) > ONE.terms.rpo
    assert is_old(seen) == (too_old and not nothing_to_lose)


def test_the_recovery_points_of_two_weeks_show_what_was_achieved():
    missing_a_day = tuple(one for one in days(10) if one.started_at != ago(days=4, hours=10))
    judged = protection(ONE, sighting(place(backups=missing_a_day)))
    assert judged.rpo_achieved == 2 * DAY
    assert protection(ONE, sighting(place(backups=days(10)))).rpo_achieved == DAY


def test_a_gap_that_ended_more_than_two_weeks_ago_is_past():
    def after_gap(end: timedelta):
        recent = tuple(
            backup(NOW - end + timedelta(days=day)) for day in range(14, -1, -1) if timedelta(days=day) < end
        )
        return protection(ONE, sighting(place(backups=(*recent, backup(NOW - end - timedelta(days=5)))))).rpo_achieved

    assert after_gap(timedelta(days=14)) == 5 * DAY
    assert after_gap(timedelta(days=14, seconds=1)) == DAY


def test_since_the_last_one_counts_too():
    judged = protection(ONE, sighting(place(backups=days(8)[6:])))
    assert judged.rpo_achieved == judged.rpo_real == 6 * DAY + 36_000


def test_backups_that_were_not_read_back_are_no_recovery_points_of_the_past_either():
    newest, unread, *older = days(5)
    spoilt = unread.model_copy(update={"verified_at": None})
    assert protection(ONE, sighting(place(backups=(newest, spoilt, *older)))).rpo_achieved == 2 * DAY


def test_newest_and_fresh_are_told_apart():
    unread = backup(ago(hours=1), verified_at=None, vectors=7)
    judged = protection(ONE, sighting(place(backups=(unread, *days()))))
    assert (judged.newest, judged.newest_at) == (unread.name, unread.started_at)
    assert (judged.fresh, judged.vectors) == (days()[0].name, 1_000_000)


def test_a_backup_verified_in_one_place_is_fresh_and_its_last_verification_counts():
    newest = backup(ago(hours=2), verified_at=None)
    there = newest.model_copy(update={"verified_at": ago(minutes=5)})
    judged = protection(BOTH, sighting(place(backups=(newest,)), place(copy=True, backups=(there,))))
    assert (judged.fresh, judged.verified_at) == (newest.name, ago(minutes=5))


def test_places_stand_as_they_are_seen():
    judged = protection(BOTH, sighting(place(), place(copy=True, backups=days()[2:], bytes=9)))
    primary, copied = judged.places
    assert (primary.url, primary.behind, primary.backups, primary.answers) == (PRIMARY, 0.0, 5, True)
    assert (copied.url, copied.behind, copied.backups, copied.bytes) == (COPY, 2 * DAY, 3, 9)
    away = protection(BOTH, sighting(place(), gone(copy=True))).places[1]
    assert (away.answers, away.behind, away.newest_good, away.backups) == (False, None, None, 0)


def test_the_newest_whole_restore_proves_and_measures():
    in_place = restore(restore_id="1" * 12, rate=0.0, seconds=1.0, backup="b")
    parts = restore(restore_id="2" * 12, whole=False, seconds=2.0)
    judged = protection(ONE, sighting(restores=(parts, in_place, restore())))
    assert (judged.proven, judged.rto_measured) == ("b", 2_500.0)
