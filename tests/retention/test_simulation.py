"""What a simulation promises: the real planner on made up backups, and figures that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from backup_engine.retention.policy import IncrementalRetention, Policy, Slots, parse_slots
from backup_engine.retention.simulation import BANDS, Course, Simulation, simulate

END = datetime(2026, 11, 23, tzinfo=UTC)
NIGHTLY, HOURLY = "0 2 * * *", "0 * * * *"
FULL, INCREMENT = 2_000_000_000, 20_000_000


def course(
    slots: str = "30d/12w/12m", *, days: int = 400, incremental: str | None = None, full: str = NIGHTLY
) -> Course:
    return Course(
        policy=Policy(slots=parse_slots(slots)),
        full=full,
        incremental=incremental,
        full_bytes=FULL,
        increment_bytes=INCREMENT,
        begin=END - timedelta(days=days),
        end=END,
    )


def points(simulation: Simulation) -> dict[str, int]:
    return {band.age: band.points for band in simulation.bands}


@pytest.mark.parametrize("days", [3, 7, 29])
def test_nothing_goes_while_every_day_has_its_slot(days):
    last = simulate(course(days=days)).samples[-1]
    assert (last.fulls, last.incrementals, last.bytes) == (days, 0, days * FULL)


def test_nightly_fulls_come_to_as_many_as_days_weeks_and_months_have_firsts():
    """30 days, 2026-10-24 to 11-22; before them 8 Mondays of 12 weeks, from 2026-08-31; and 10 firsts of 12 months.

    No first of those months is one of these Mondays or days, but that of November, which is one of the 30 days.
    """
    nights = [datetime(2025, 11, 1, 2, tzinfo=UTC) + timedelta(days=day) for day in range(387)]
    days = set(nights[-30:])
    mondays = {at for at in nights if at.weekday() == 0}
    weeks = set(sorted(mondays)[-12:])
    months = set([at for at in nights if at.day == 1][-12:])
    last = simulate(course(days=400)).samples[-1]
    assert nights[-1] == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert last.fulls == len(days | weeks | months) == 30 + 8 + 11


def test_without_monthly_slots_nothing_is_older_than_the_weeks():
    simulation = simulate(course("7d/4w/0m"))
    assert simulation.oldest < timedelta(days=5 * 7).total_seconds()
    assert points(simulation)["to a year"] == points(simulation)["older"] == 0


def test_every_hour_of_the_last_day_every_eight_of_thirty_and_then_fulls_only():
    simulation = simulate(course(days=120, incremental=HOURLY))
    gaps = {band.age: band.largest_gap for band in simulation.bands}
    hour = 3600
    assert gaps["the last day"] == hour
    assert gaps["to a week"] == gaps["to 30 days"] == 8 * hour
    assert gaps["to 12 weeks"] == 7 * 24 * hour
    assert simulation.samples[-1].incrementals > 2 * 29


def test_coarser_thinning_leaves_fewer_increments_and_wider_gaps():
    given = course(days=60, incremental=HOURLY)
    daily = IncrementalRetention(every=timedelta(days=1))
    fine, coarse = (
        simulate(given),
        simulate(replace(given, policy=given.policy.model_copy(update={"incremental": daily}))),
    )
    assert coarse.samples[-1].incrementals < fine.samples[-1].incrementals
    assert coarse.samples[-1].bytes < fine.samples[-1].bytes


def test_the_first_increments_wait_for_a_full_to_hang_on():
    late = course(days=2, incremental=HOURLY, full="0 23 * * *")
    last = simulate(late).samples[-1]
    assert last.fulls == 2
    assert last.incrementals == 23  # of the second day


@pytest.mark.parametrize("slots", ["30d/12w/12m", "3d/2w/4m", "0d/4w/0m", "1d/0w/6m"])
def test_pruning_every_day_leaves_what_pruning_every_week_does(slots):
    weekly = course(slots, days=120, incremental=HOURLY)
    often, seldom = simulate(replace(weekly, step=timedelta(days=1))), simulate(weekly)
    assert len(often.samples) == 120
    assert (often.samples[-1], often.bands) == (seldom.samples[-1], seldom.bands)


def test_a_gap_is_told_where_it_ends_also_when_it_begins_in_a_younger_band():
    bands = {band.age: band for band in simulate(course("30d/0w/2m")).bands}
    alone = bands["to 12 weeks"]  # the first of October; the next younger is 2026-10-24, the 30th day
    assert (alone.points, alone.largest_gap) == (1, timedelta(days=23).total_seconds())


def test_each_point_is_in_exactly_one_band():
    simulation = simulate(course(days=120, incremental=HOURLY))
    assert sum(points(simulation).values()) == simulation.samples[-1].backups
    assert [band.age for band in simulation.bands] == [name for name, _ in BANDS]


def test_samples_go_on_in_time_to_the_end_and_add_up():
    simulation = simulate(course(days=100, incremental=HOURLY))
    assert all(one.at < other.at for one, other in pairwise(simulation.samples))
    assert simulation.samples[-1].at == END
    assert all(one.bytes == one.fulls * FULL + one.incrementals * INCREMENT for one in simulation.samples)
    assert simulation.most in simulation.samples
    assert simulation.most.bytes == max(one.bytes for one in simulation.samples)


def test_storage_is_bounded_however_long_it_goes_on():
    one_year, two = simulate(course(days=380)), simulate(course(days=760))
    assert two.most.fulls <= one_year.most.fulls + 1  # a Monday that is the first of its month more or less
    assert two.most.fulls <= sum(Slots().model_dump().values())


def test_a_schedule_that_makes_nothing_is_told_and_breaks_nothing():
    nothing = simulate(course(days=20, full="0 2 29 2 *"))
    assert nothing.samples[-1].backups == nothing.oldest == 0
    assert {band.largest_gap for band in nothing.bands} == {None}
