"""Schedules far from now, for whoever switches DAGs on and counts what they made.

Airflow makes the latest run of a schedule as soon as its DAG is switched on, if less than a tenth of the way to the
next one has passed: the backup of 02:00 is made by itself until 04:24, a weekly one for most of a day.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import yaml

HALF_A_DAY, HALF_A_WEEK = timedelta(hours=12), timedelta(days=3, hours=12)


def quiet_schedules(now: datetime) -> Mapping[str, str]:
    """Write schedules whose last and next times lie half a day from now, or half a week where it is a weekly one."""
    daily, weekly = now + HALF_A_DAY, now + HALF_A_WEEK
    once_a_day = f"{daily.minute} {daily.hour} * * *"
    return {
        "full": once_a_day,
        "verification": f"{weekly.minute} {weekly.hour} * * {weekly.isoweekday() % 7}",
        "sync": once_a_day,
        "standby_comparison": once_a_day,
    }


def quietened(text: str, now: datetime) -> str:
    """Give a deployments.yaml those schedules, wherever an entry does not say otherwise itself.

    Incrementals stay: some times an hour nothing is far.
    """
    document = yaml.safe_load(text)
    for entry in document["deployments"].values():
        entry["schedule"] = {**quiet_schedules(now), **entry.get("schedule", {})}
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
