"""Days, ISO weeks and months of a zone, and stretches of a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

PeriodOf = Callable[[datetime], str]
"""Names the period that an instant, in the zone that counts, falls in."""


def day_of(at: datetime) -> str:
    """Name its day, like 2026-11-22."""
    return f"{at:%Y-%m-%d}"


def week_of(at: datetime) -> str:
    """Name its ISO week, like 2026-W47: Monday to Sunday, and the year is that of its Thursday."""
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02d}"


def month_of(at: datetime) -> str:
    """Name its month, like 2026-11."""
    return f"{at:%Y-%m}"


PERIODS: Mapping[str, PeriodOf] = {"day": day_of, "week": week_of, "month": month_of}


def stretch_of(at: datetime, every: timedelta) -> tuple[str, int]:
    """Tell which stretch of its day, from midnight UTC, an instant falls in."""
    moment = at.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day_of(moment), (moment - midnight) // every


def local(at: datetime, zone: tzinfo) -> datetime:
    """Write an instant in the zone that counts; how it was written before makes no difference."""
    return at.astimezone(UTC).astimezone(zone)
