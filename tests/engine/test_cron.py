"""Schedules: what is one, and how long nothing happens between two runs."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.cron import parse_cron


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
