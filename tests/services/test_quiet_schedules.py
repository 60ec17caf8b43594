"""Schedules that stay out of the way: Airflow would make no run by itself, now or within the hour."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.cron import parse_cron
from backup_engine.deployments import read_deployments
from backup_engine.tiers import TIERS, Tier
from services.quiet_schedules import quiet_schedules, quietened

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = """
deployments:
  one:
    tier: production
    server: {connection: vectorizer_default, url: "http://localhost:15002"}
    store: file:///backups
    schedule: {incremental: never, sync: "5 5 * * *"}
"""


def _quiet(schedule: str, now: datetime) -> bool:
    cron = parse_cron(schedule)
    last = cron.latest(now)
    following = cron.between(now, now + timedelta(hours=1))
    return last is not None and now - last > cron.longest_gap() / 10 and not [*following]


@given(st.timedeltas(timedelta(0), timedelta(days=1500)).map(lambda later: NEW_YEAR + later))
def test_whatever_the_time_nothing_has_just_been_due_or_soon_will_be(now: datetime) -> None:
    assert [name for name, schedule in quiet_schedules(now).items() if not _quiet(schedule, now)] == []


@pytest.mark.parametrize(("hour", "quiet"), [(1, False), (2, False), (4, False), (5, True), (23, True)])
def test_the_schedule_of_a_tier_is_in_the_way_for_some_hours_of_each_day(hour: int, quiet: bool) -> None:
    now = datetime(2026, 11, 24, hour, 20, tzinfo=UTC)
    assert _quiet(TIERS[Tier.PRODUCTION].full, now) is quiet


def test_what_an_entry_says_itself_stays() -> None:
    now = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)
    (entry,) = read_deployments(quietened(TEXT, now)).deployments.values()
    assert (entry.terms.full, entry.terms.sync, entry.terms.incremental) == ("10 16 * * *", "5 5 * * *", None)
