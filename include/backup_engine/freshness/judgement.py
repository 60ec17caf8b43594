"""How a deployment stands against what it was promised: what `status` shows, metrics tell and messages quote."""

from __future__ import annotations

from datetime import datetime

from backup_engine.freshness.concerns import Concern, Severity
from backup_engine.freshness.sighting import PruningGlance
from backup_engine.model import Document, Moment
from backup_engine.tiers import Tier


class PlaceStanding(Document):
    """How up to date one place is.

    :param newest_good: name of the newest good backup there
    :param newest_good_at: when reading it began
    :param behind: seconds between the newest good backup of any place and the newest here; None: nothing is here
    :param pruned: what the last pruning here did; None: there was none
    :param quarantined: how much lies here that is not what a backup can be
    """

    url: str
    copy_of_it: bool
    answers: bool
    newest_good: str | None = None
    newest_good_at: Moment | None = None
    behind: float | None = None
    backups: int = 0
    bytes: int = 0
    pruned: PruningGlance | None = None
    quarantined: int = 0


class Protection(Document):
    """How well a deployment is protected at one moment. Lengths of time are seconds.

    A backup counts here when it is good, of the whole scope, not empty, not found damaged; as *fresh* only when every
    byte of it was read back too.

    :param rpo: promised
    :param rpo_real: since reading of the newest fresh backup began: what would be lost now; None: everything
    :param rpo_achieved: the longest time between two recovery points of the last two weeks, or since the last; None:
        there are none
    :param rpo_measured: what could have been lost at most until the newest fresh backup was there: the time since the
        recovery point before it; None: there was none
    :param rto: promised
    :param rto_forecast: a whole restore would take this long, or switching to a standby that is up to date; None: there
        is nothing to restore
    :param rto_measured: the newest whole restore took this long; None: there was none
    :param rate: vectors a second the forecast is made with
    :param rate_measured: whether that rate was measured here, or is what servers usually take
    :param newest: the newest good backup, fresh or not
    :param newest_at: when reading it began
    :param fresh: the newest fresh backup
    :param fresh_at: when reading it began
    :param fresh_full_at: when reading of the newest fresh full backup began
    :param verified_at: when it was last read back whole
    :param standby: the backup whose state the standby holds; None: there is no standby, or nothing is on it
    :param standby_behind: what the newest fresh backup is ahead of it; None: there is none
    :param standby_ready: it can be relied on, and is as new as recovery points are to be
    :param proven: the newest backup that was restored whole and compared
    :param proven_at: when that restore ended
    :param vectors: in the newest fresh backup
    :param bytes: of its archive
    :param seconds: reading it took
    """

    deployment: str
    tier: Tier
    at: Moment
    rpo: float
    rpo_real: float | None
    rpo_achieved: float | None = None
    rpo_measured: float | None = None
    rto: float
    rto_forecast: float | None
    rto_measured: float | None
    rate: float
    rate_measured: bool
    newest: str | None
    newest_at: Moment | None
    fresh: str | None
    fresh_at: Moment | None
    fresh_full_at: Moment | None = None
    verified_at: Moment | None
    standby: str | None = None
    standby_behind: float | None = None
    standby_ready: bool = False
    proven: str | None
    proven_at: Moment | None
    vectors: int
    bytes: int
    seconds: float
    places: tuple[PlaceStanding, ...]

    @property
    def fresh_for(self) -> dict[str, datetime]:
        """By purpose, when reading of the newest fresh backup began that makes good what its runs failed to make: a
        full makes good for an incremental too.
        """
        known = {"full_backup": self.fresh_full_at, "incremental_backup": self.fresh_at}
        return {purpose: at for purpose, at in known.items() if at is not None}


class Judgement(Document):
    """A deployment's protection, and what is wrong with it.

    :param concerns: the worst first
    """

    protection: Protection
    concerns: tuple[Concern, ...]

    @property
    def worst(self) -> Severity | None:
        """The severity of its worst concern; None: there is none."""
        return max((one.severity for one in self.concerns), key=lambda one: one.rank, default=None)

    @property
    def well(self) -> bool:
        """Nothing is wrong beyond what is only worth knowing."""
        return self.worst in {None, Severity.NOTE}
