"""How far behind the standby is."""

from __future__ import annotations

from datetime import datetime, timedelta

from backup_engine.backup import Backup
from backup_engine.catalog import LATEST, Catalog
from backup_engine.errors import UnknownBackup
from backup_engine.model import Clock, Document, Moment
from backup_engine.standby.state import StandbyState, read_standby
from backup_engine.storage.contract import Store


class StandbyStatus(Document):
    """What is known of a standby.

    :param lag: how old what it holds is: what was written to the first server since then is not on it; None: it holds
        nothing
    :param behind: how much older than the newest backup that can be restored; None where there is none
    :param newest: that backup's name
    :param waiting: backups that were captured since the one it holds
    """

    standby: str
    at: Moment
    known: StandbyState | None
    lag: timedelta | None = None
    behind: timedelta | None = None
    newest: str | None = None
    waiting: int = 0


def standby_lag(state: StandbyState | None, now: datetime) -> timedelta | None:
    """Tell how old what the standby holds is, from when reading it began; None: it holds nothing."""
    if state is None or state.started_at is None:
        return None
    return max(timedelta(0), now - state.started_at)


def status_of(store: Store, standby: str, clock: Clock) -> StandbyStatus:
    """Tell how far behind it is, without asking it."""
    state, now, newest = read_standby(store, standby), clock(), newest_good(store, clock)
    captured_at = state.captured_at if state else None
    catalog = Catalog(store, clock)
    since = [one for one in catalog.backups() if one.good_whole and (not captured_at or one.captured_at > captured_at)]
    behind = max(timedelta(0), newest.captured_at - captured_at) if newest and captured_at else None
    return StandbyStatus(
        standby=standby,
        at=now,
        known=state,
        lag=standby_lag(state, now),
        behind=behind,
        newest=newest.name if newest else None,
        waiting=len(since),
    )


def newest_good(store: Store, clock: Clock) -> Backup | None:
    """Give the newest good backup that can be restored; None: there is none."""
    try:
        return Catalog(store, clock).find(LATEST)
    except UnknownBackup:
        return None
