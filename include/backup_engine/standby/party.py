"""Who takes part: the store, the standby, and whoever brings one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backup_engine.model import Clock, Progress, silent
from backup_engine.ports import Server
from backup_engine.restore.guard import LEASE, LeasePlace
from backup_engine.run_key import run_key
from backup_engine.storage.contract import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What every step needs at hand.

    :param standby: the standby's id
    :param deployment: whose backups the store holds
    :param owner: who works, for those who meet a lease
    :param temporary: where things are kept meanwhile; None for the system's place
    """

    store: Store
    server: Server
    standby: str
    deployment: str
    clock: Clock
    owner: str
    progress: Progress = silent
    temporary: Path | None = None

    @property
    def lease(self) -> LeasePlace:
        """The lease that keeps two of them apart."""
        return LeasePlace(self.store, f"standby-{self.standby}")

    @property
    def restore_lease(self) -> LeasePlace:
        """The lease that restores to this server take, whoever starts them."""
        return LeasePlace(self.store, f"{LEASE}-{run_key(self.standby)}")
