"""Make a server that was the first one before the new standby."""

from __future__ import annotations

from backup_engine.standby.applying import apply_newest, preview
from backup_engine.standby.failover import demote
from backup_engine.standby.outcome import Applied
from backup_engine.standby.party import Party
from backup_engine.standby.plan import StandbyPlan


def plan_rejoin(party: Party) -> StandbyPlan:
    """Tell what would become of all that the server holds; nothing is written anywhere.

    :raises UnknownBackup: there is no backup to bring it to
    """
    return preview(party, repair=True, in_place=True)


def rejoin(party: Party) -> Applied:
    """Bring a server that has other contents to the newest backup. Most of it is there already: collections with the
    same settings are compared, and only what differs is written. What is replaced stays on the server, as a snapshot
    or aside, until somebody lets go of it. Done again, it goes on.

    :raises RestoreRefused: the newest backup was captured from this very server, or it cannot take what it holds
    """
    demote(party)
    return apply_newest(party, repair=True, in_place=True)
