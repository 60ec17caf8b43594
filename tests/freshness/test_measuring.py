"""Figures of earlier days: one a day, thirty days of them, whatever clocks and places do."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from backup_engine.freshness.measures import Measure
from backup_engine.freshness.measuring import KEPT, measured
from tests.freshness.sightings import COPY, NOW, PRIMARY, days, gone, place, sighting

LOOKS = st.lists(st.tuples(st.integers(0, 60 * 24 * 90), st.booleans(), st.integers(0, 9)), max_size=60)


def test_the_first_look_of_a_day_is_kept_and_later_ones_change_nothing():
    first = measured({}, sighting(place(), place(copy=True, backups=(), bytes=7)))
    assert first == {
        PRIMARY: (Measure(at=NOW, backups=5, bytes=3_000_000_000),),
        COPY: (Measure(at=NOW, backups=0, bytes=7),),
    }
    later = sighting(place(backups=days(9), bytes=1), at=NOW + timedelta(hours=11, minutes=59))
    assert measured(first, later) == first
    tomorrow = measured(first, later.model_copy(update={"at": NOW + timedelta(hours=12)}))
    assert [one.backups for one in tomorrow[PRIMARY]] == [5, 9]


def test_a_place_that_does_not_answer_is_not_measured_and_keeps_its_past():
    past = measured({}, sighting(place()))
    seen = sighting(gone(), at=NOW + timedelta(days=1))
    assert measured(past, seen) == past
    assert measured({}, seen) == {}


def test_thirty_days_are_kept_and_no_more():
    past = {PRIMARY: (Measure(at=NOW, backups=1, bytes=1),)}
    assert len(measured(past, sighting(place(), at=NOW + KEPT))[PRIMARY]) == 2
    assert len(measured(past, sighting(place(), at=NOW + KEPT + timedelta(seconds=1)))[PRIMARY]) == 1


def test_a_place_nobody_names_any_more_is_forgotten_in_time():
    past = {COPY: (Measure(at=NOW, backups=1, bytes=1),)}
    assert COPY in measured(past, sighting(place(), at=NOW + KEPT))
    assert COPY not in measured(past, sighting(place(), at=NOW + KEPT + timedelta(days=1)))


def test_a_figure_of_the_future_goes_when_the_clock_is_right_again():
    past = {PRIMARY: (Measure(at=NOW + timedelta(days=900), backups=1, bytes=1),)}
    assert [one.at for one in measured(past, sighting(place()))[PRIMARY]] == [NOW]


@given(LOOKS)
def test_whatever_looks_come_there_is_one_figure_a_day_oldest_first_and_none_too_old(looks):
    measures: dict[str, tuple[Measure, ...]] = {}
    for minutes, answers, number in sorted(looks):
        at = NOW + timedelta(minutes=minutes)
        seen = sighting(place(backups=days(number)) if answers else gone(), at=at)
        measures = measured(measures, seen)
        assert measured(measures, seen) == measures
        kept = measures.get(PRIMARY, ())
        dates = [one.at.date() for one in kept]
        assert dates == sorted(set(dates))
        assert len(dates) <= 31
        assert all(at - KEPT <= one.at <= at for one in kept)
        assert not answers or dates[-1] == at.date()
