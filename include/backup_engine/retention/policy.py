"""How long backups are kept: the guide's 30 daily, 12 weekly, 12 monthly, and what surrounds them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from backup_engine.lengths import Duration
from backup_engine.model import Document

_DAY = timedelta(days=1)
_WRITTEN = re.compile(r"(?P<daily>\d{1,4})d/(?P<weekly>\d{1,4})w/(?P<monthly>\d{1,4})m\Z")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone; a name like UTC or Europe/Berlin was expected") from error
    return value


class Slots(Document):
    """How many periods keep a full: for each of the newest days, weeks and months that have a good one, the first.

    Periods without a good full are not counted: an outage uses up nothing.
    """

    daily: int = Field(default=30, ge=0, le=9999)
    weekly: int = Field(default=12, ge=0, le=9999)
    monthly: int = Field(default=12, ge=0, le=9999)

    @model_validator(mode="after")
    def _not_nothing(self) -> Self:
        if not (self.daily or self.weekly or self.monthly):
            raise ValueError("daily, weekly and monthly are all 0: at least one of them has to keep something")
        return self

    def __str__(self) -> str:
        """Write it as people do, like 30d/12w/12m."""
        return f"{self.daily}d/{self.weekly}w/{self.monthly}m"


class IncrementalRetention(Document):
    """How long incrementals are kept; all ages are counted back from the newest good backup.

    :param all_for: every one of them
    :param every: older ones are thinned: one for each such stretch of the day, counted from midnight UTC
    :param thinned_for: none is older, unless something hangs on it
    """

    all_for: Duration = _DAY
    every: Duration = timedelta(hours=8)
    thinned_for: Duration = timedelta(days=30)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if not timedelta(0) < self.every <= _DAY or _DAY % self.every:
            raise ValueError("`every` has to be a part of a day that fits into it evenly, like 2h or 8h")
        if self.thinned_for < self.all_for:
            raise ValueError("`thinned_for` is shorter than `all_for`: it is counted from the same instant")
        return self


class Policy(Document):
    """What one store keeps.

    :param slots: fulls that stand for their day, week or month
    :param zone: in which days, weeks and months are counted
    :param incremental: of those that are not needed by anything kept
    :param floor: nothing younger goes, whatever it is; ages are counted back from the newest good backup
    :param set_aside: how long partial, suspect, damaged and broken ones are kept: they take no slot
    :param chosen: how long backups of chosen collections are kept: they take no slot either
    """

    slots: Slots = Slots()
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    incremental: IncrementalRetention = IncrementalRetention()
    floor: Duration = _DAY
    set_aside: Duration = timedelta(days=7)
    chosen: Duration = timedelta(days=30)


def parse_slots(text: str) -> Slots:
    """Read what people write, like 30d/12w/12m.

    :raises ValueError: it is not written so, or keeps nothing
    """
    match = _WRITTEN.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no policy: days, weeks and months were expected, like 30d/12w/12m")
    return Slots(**{period: int(number) for period, number in match.groupdict().items()})
