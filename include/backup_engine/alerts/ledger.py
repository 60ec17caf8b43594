"""What was told and is not over: how everybody is told once."""

from __future__ import annotations

from pydantic import Field

from backup_engine.freshness.concerns import Concern, Severity
from backup_engine.freshness.measures import Measure
from backup_engine.model import Document, Moment


class Incident(Document):
    """A concern from when it was first seen until it is over, and for some time after that.

    :param told: the worst severity that people were told; None: not yet, or they were told that it is over
    :param told_at: when they were last told
    :param owed: channels that could not be reached then
    :param over: since when nobody sees it any more; None: it is open
    :param relapses: how often it came back soon after it was over
    """

    concern: Concern
    since: Moment
    told: Severity | None = None
    told_at: Moment | None = None
    owed: tuple[str, ...] = ()
    over: Moment | None = None
    relapses: int = Field(default=0, ge=0)


class Ledger(Document):
    """Everything remembered about one deployment between two looks.

    :param incidents: by the concern's key; some are over
    :param failures: runs that ended red, by purpose, ever
    :param red: ids of the last of them, by purpose, oldest first: none is counted or told of twice
    :param measures: by the place's url, oldest first, one a day
    """

    incidents: dict[str, Incident] = {}
    failures: dict[str, int] = {}
    red: dict[str, tuple[str, ...]] = {}
    measures: dict[str, tuple[Measure, ...]] = {}

    @property
    def open(self) -> tuple[Incident, ...]:
        """Those that are not over."""
        return tuple(one for one in self.incidents.values() if one.over is None)
