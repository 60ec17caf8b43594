"""How much a deployment matters, and what it is promised for that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated

from pydantic import AfterValidator

from backup_engine import wording
from backup_engine.cron import parse_cron
from backup_engine.lengths import Duration
from backup_engine.model import Document

VERIFICATION_SCHEDULE = "0 6 * * 0"
"""Sunday 06:00 UTC: four hours after the fulls, when the week's are all there."""

SYNC_SCHEDULE = "45 */6 * * *"
"""Every six hours, clear of the full hours at which everything else begins: with nothing to bring it takes seconds."""

STANDBY_COMPARISON_SCHEDULE = "30 3 * * *"
"""Every night, when the full has been read back."""


def _cron(value: str) -> str:
    parse_cron(value)
    return value


Schedule = Annotated[str, AfterValidator(_cron)]


@cache
def _longest_gap(schedule: str) -> timedelta:
    """Four years are gone through for it, and a look asks again and again."""
    return parse_cron(schedule).longest_gap()


class Tier(StrEnum):
    """How much a deployment matters."""

    CRITICAL = "critical"
    PRODUCTION = "production"
    DEVELOPMENT = "development"


class Terms(Document):
    """What is promised.

    :param full: cron schedule of full backups, UTC
    :param incremental: cron schedule of what changed since, UTC; None: none is made by itself
    :param verification: cron schedule of verifying older backups again, UTC
    :param rpo: how old the newest recovery point may be
    :param rto: how long a restore may take
    """

    full: Schedule
    incremental: Schedule | None = None
    rpo: Duration
    rto: Duration
    verification: Schedule = VERIFICATION_SCHEDULE
    sync: Schedule = SYNC_SCHEDULE

    @property
    def gap(self) -> timedelta:
        """How far apart the schedules put recovery points at most."""
        return min(_longest_gap(one) for one in (self.full, self.incremental) if one is not None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say where these terms cannot be kept."""
        gap = self.gap
        if gap <= self.rpo:
            return ()
        said = (
            f"a recovery point at most {spoken(self.rpo)} old is promised, but backups at "
            f"{self.incremental or self.full!r} lie up to {spoken(gap)} apart: that much can be lost. Back up more "
            f"often with `schedule: {{incremental: …}}`, or accept it with `rpo: {max(1, gap // timedelta(hours=1))}h`."
        )
        return (said,)


TIERS: Mapping[Tier, Terms] = {
    Tier.CRITICAL: Terms(full="0 2 * * *", incremental="*/10 * * * *", rpo="15min", rto="1h"),
    Tier.PRODUCTION: Terms(full="0 2 * * *", incremental="0 * * * *", rpo="1h", rto="4h"),
    Tier.DEVELOPMENT: Terms(full="0 2 * * 0", rpo="24h", rto="24h"),
}
"""From the operating guide; a deployment overrides what it needs."""


def spoken(length: timedelta) -> str:
    """Write a length of time for people."""
    return wording.duration(length.total_seconds())
