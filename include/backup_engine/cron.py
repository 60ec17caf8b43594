"""Schedules as five cron fields: checked before Airflow sees them, and measured for the gaps they leave.

Airflow refuses a wrong schedule by dropping every DAG of the file, so an entry's schedule is checked with the entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_STEP = re.compile(r"(?P<first>\*|\d+)(?:-(?P<last>\d+))?(?:/(?P<step>\d+))?\Z")
_DAYS_BACK = 40 * 366
"""A 29 February on a given weekday comes every 28 years, and once in 40 where a century has none."""
_FOUR_YEARS = [date(2024, 1, 1) + timedelta(days=day) for day in range(4 * 365 + 1)]


@dataclass(frozen=True, slots=True)
class Cron:
    """When something runs, in UTC.

    :param either_day: a day needs to match only one of day of month and day of week (both were restricted)
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def longest_gap(self) -> timedelta:
        """Longest time between two runs, over four years with their leap day."""
        times = sorted(hour * 60 + minute for hour in self.hours for minute in self.minutes)
        days = [day.toordinal() for day in _FOUR_YEARS if self._falls_on(day)]
        within = max((later - earlier for earlier, later in pairwise(times)), default=0)
        between = max((later - earlier for earlier, later in pairwise(days)), default=len(_FOUR_YEARS))
        return timedelta(minutes=max(within, between * 1440 + times[0] - times[-1]))

    def latest(self, at: datetime) -> datetime | None:
        """Tell when it last came, at or before ``at``; None: not within some forty years.

        :param at: with a zone; the answer is in UTC
        """
        moment = at.astimezone(UTC)
        times = sorted((time(hour, minute, tzinfo=UTC) for hour in self.hours for minute in self.minutes), reverse=True)
        for back in range(min(_DAYS_BACK, moment.toordinal())):
            day = moment.date() - timedelta(days=back)
            if self._falls_on(day):
                came = (datetime.combine(day, one) for one in times)
                found = next((one for one in came if one <= moment), None)
                if found is not None:
                    return found
        return None

    def between(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Give every time it comes from ``begin`` on and before ``end``, both with a zone; in UTC, in order."""
        first, last = begin.astimezone(UTC), end.astimezone(UTC)
        times = sorted(time(hour, minute, tzinfo=UTC) for hour in self.hours for minute in self.minutes)
        for number in range(first.toordinal(), last.toordinal() + 1):
            if self._falls_on(day := date.fromordinal(number)):
                yield from (at for one in times if first <= (at := datetime.combine(day, one)) < last)

    def _falls_on(self, day: date) -> bool:
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_date or by_weekday if self.either_day else by_date and by_weekday)


def parse_cron(text: str) -> Cron:
    """Read five fields of numbers, ``*``, ranges, steps and lists; months and weekdays may be English names.

    :raises ValueError: it is not such a schedule, or one that never comes; the message says which field is wrong
    """
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{text!r} is no schedule: five fields were expected (minute hour day month weekday)")
    fields[3], fields[4] = _numbered(fields[3], _MONTHS, 1), _numbered(fields[4], _WEEKDAYS, 0)
    values = [frozenset(_values(field, *limits)) for field, limits in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = values
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    cron = Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)
    if not any(cron._falls_on(day) for day in _FOUR_YEARS):
        raise ValueError(f"{text!r} never comes: no month has such a day")
    return cron


def _numbered(field: str, names: tuple[str, ...], first: int) -> str:
    for number, name in enumerate(names, first):
        field = field.replace(name, str(number))
    return field


def _values(field: str, name: str, lowest: int, highest: int) -> Iterator[int]:
    for item in field.split(","):
        match = _STEP.match(item)
        if match is None:
            raise ValueError(f"{item!r} is no {name}: a number, a range, * or a step like */6 was expected")
        first = lowest if match["first"] == "*" else int(match["first"])
        open_ended = match["first"] == "*" or (match["step"] and not match["last"])
        last = int(match["last"]) if match["last"] else highest if open_ended else first
        step = int(match["step"] or 1)
        if not (lowest <= first <= last <= highest and step >= 1):
            raise ValueError(f"{item!r} is no {name}: {lowest} to {highest} was expected")
        yield from range(first, last + 1, step)
