"""Schedules: what is one, and how long nothing happens between two runs."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from backup_engine.cron import Cron, parse_cron


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("0 2 * * *", timedelta(days=1)),
        ("0 2 * * 0", timedelta(days=7)),
        ("0 2 * * 7", timedelta(days=7)),
        ("0 2 * * SUN", timedelta(days=7)),
        ("*/10 * * * *", timedelta(minutes=10)),
        ("5/15 * * * *", timedelta(minutes=15)),
        ("0 */6 * * *", timedelta(hours=6)),
        ("0 1,13 * * *", timedelta(hours=12)),
        ("0 2 * * mon-fri", timedelta(days=3)),
        ("0 2 1 * *", timedelta(days=31)),
        ("0 2 1 jan *", timedelta(days=366)),
        ("0 2 29 2 *", timedelta(days=1461)),
        ("0 2 1 * 1", timedelta(days=7)),
    ],
)
def test_the_longest_gap_is_known(text, gap) -> None:
    assert parse_cron(text).longest_gap() == gap


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@daily", "five fields"),
        ("0 2 * *", "five fields"),
        ("0 2 * * * *", "five fields"),
        ("60 2 * * *", "'60' is no minute"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 2 0 * *", "'0' is no day of month"),
        ("0 2 * 13 *", "'13' is no month"),
        ("0 2 * * 8", "'8' is no day of week"),
        ("0 5-2 * * *", "'5-2' is no hour"),
        ("*/0 * * * *", r"'\*/0' is no minute"),
        ("a * * * *", "'a' is no minute"),
        ("0 2 30 2 *", "never comes"),
        ("", "five fields"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_field_that_is_wrong(text, message) -> None:
    with pytest.raises(ValueError, match=message):
        parse_cron(text)


_FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/20", "5,50", "10-40/15"]),
    st.sampled_from(["*", "2", "*/8", "1,13", "9-17"]),
    st.sampled_from(["*", "1", "15", "31"]),
    st.just("*"),
    st.sampled_from(["*", "0", "1-5", "sat"]),
)


@settings(max_examples=60, deadline=None)
@given(_FIELDS)
def test_airflows_own_reader_of_schedules_finds_no_longer_gap(fields) -> None:
    from croniter import croniter

    text = " ".join(fields)
    runs = croniter(text, datetime(2024, 1, 1, tzinfo=UTC))
    moments = [runs.get_next(datetime) for _ in range(400)]
    longest = max(later - earlier for earlier, later in pairwise(moments))
    assert longest <= parse_cron(text).longest_gap()


_MOMENTS = st.integers(0, 6 * 366 * 86_400).map(
    lambda seconds: datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
_ANY_FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*", "*/20", "5,50", "10-40/15", "59"]),
    st.sampled_from(["*", "2", "*/8", "1,13", "9-17", "23"]),
    st.sampled_from(["*", "1", "15", "29,31", "*/2"]),
    st.sampled_from(["*", "2", "jan,dec"]),
    st.sampled_from(["*", "0", "1-5", "sat", "*/3"]),
)


def _comes_at(text: str, cron: Cron, at: datetime) -> bool:
    """Read the fields as their definition says, one moment at a time."""
    by_date, by_weekday = at.day in cron.days, at.isoweekday() % 7 in cron.weekdays
    _, _, days, _, weekdays = text.split()
    either = not days.startswith("*") and not weekdays.startswith("*")
    on_day = (by_date or by_weekday) if either else (by_date and by_weekday)
    return on_day and at.month in cron.months and at.hour in cron.hours and at.minute in cron.minutes


@settings(max_examples=100, deadline=None)
@given(_ANY_FIELDS, _MOMENTS, st.integers(-14, 14))
def test_the_latest_time_is_the_first_that_a_walk_back_comes_to(fields, moment, zone) -> None:
    text, at = " ".join(fields), moment.astimezone(timezone(timedelta(hours=zone)))
    try:
        cron = parse_cron(text)
    except ValueError:
        reject()  # it never comes
    found, minute = cron.latest(at), moment.replace(second=0, microsecond=0)
    walked = (minute - timedelta(minutes=back) for back in range(3 * 24 * 60))
    expected = next((one for one in walked if _comes_at(text, cron, one)), None)
    if expected is not None:
        assert found == expected
    elif found is not None:
        assert found < minute - timedelta(days=2)
        assert _comes_at(text, cron, found)


@settings(max_examples=60, deadline=None)
@given(_FIELDS, _MOMENTS)
def test_the_latest_time_is_one_that_airflows_own_reader_gives_too(fields, at) -> None:
    from croniter import croniter

    text = " ".join(fields)
    just_after = at + timedelta(minutes=1)
    expected = croniter(text, just_after.replace(second=0, microsecond=0)).get_prev(datetime)
    assert parse_cron(text).latest(at) == expected


@pytest.mark.parametrize(
    ("text", "at", "latest"),
    [
        ("0 2 * * *", "2026-11-22T02:00:00+00:00", "2026-11-22T02:00:00+00:00"),
        ("0 2 * * *", "2026-11-22T01:59:59.999999+00:00", "2026-11-21T02:00:00+00:00"),
        ("0 2 * * *", "2026-11-22T03:30:00+02:00", "2026-11-21T02:00:00+00:00"),
        ("0 2 29 2 *", "2103-01-01T00:00:00+00:00", "2096-02-29T02:00:00+00:00"),
        ("0 2 29 2 */4", "2026-01-01T00:00:00+00:00", "2024-02-29T02:00:00+00:00"),
        ("0 2 1 * mon", "2026-11-22T00:00:00+00:00", "2026-11-16T02:00:00+00:00"),
    ],
)
def test_the_latest_time_is_found_over_days_zones_and_centuries(text, at, latest) -> None:
    assert parse_cron(text).latest(datetime.fromisoformat(at)) == datetime.fromisoformat(latest)


def test_where_time_itself_begins_nothing_came_before() -> None:
    assert parse_cron("0 2 * * *").latest(datetime(1, 1, 1, 1, tzinfo=UTC)) is None
