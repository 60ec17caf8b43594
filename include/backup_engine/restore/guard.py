"""The restore lease, held while one process changes a server and renewed beside its work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import NamedTuple

from backup_engine.errors import BackupError, LeaseLost, TransientError
from backup_engine.lease import HeldLease, acquire
from backup_engine.model import Clock
from backup_engine.storage.contract import Store

LEASE = "restore"
"""The lease's name: a capture that meets it waits."""
DURATION = timedelta(minutes=2)
"""How long a restore that died keeps others waiting. Renewed four times as often, since a single flush of a large
server takes longer than that."""

_DEADLINE = 60.0  # seconds for the last renewal to come back


class LeasePlace(NamedTuple):
    """Where a server's lease lies: in the store of the deployment that captures this server.

    :param name: another one than the default for a server that no deployment captures
    """

    store: Store
    name: str = LEASE

    @classmethod
    def of(cls, store: Store | None) -> LeasePlace | None:
        """Give the place of the lease of the server that is captured into this store."""
        return None if store is None else cls(store)


class Guard:
    """What stands between a restore and a server that is somebody else's by now.

    :param held: None when there is no store to hold a lease in
    """

    def __init__(self, held: HeldLease | None) -> None:
        self._held = held
        self._lost: BackupError | None = None

    def renew(self) -> bool:
        """Renew once; tell whether it is worth going on. A store that does not answer is asked again next time."""
        if self._held is None:
            return False
        try:
            self._held.renew()
        except TransientError:
            return True
        except BackupError as error:
            self._lost = error
            return False
        return True

    def glance(self) -> None:
        """Make sure, without asking the store, that no renewal failed for good.

        :raises LeaseLost: one did
        """
        if self._lost is not None:
            raise LeaseLost(f"the restore stops, what it loaded stays aside; resume it: {self._lost}") from self._lost

    def check(self) -> None:
        """Make sure, by the store, that the server is still ours; before whatever readers see.

        :raises LeaseLost: it is not
        """
        self.glance()
        if self._held is not None:
            self._held.check()


@contextmanager
def guarded(place: LeasePlace | None, owner: str, clock: Clock) -> Iterator[Guard]:
    """Hold the restore lease for the length of the block.

    :param place: None: there is no store to hold it in, so nobody is kept away
    :raises LeaseHeld: another restore works on this deployment's server
    """
    if place is None:
        yield Guard(None)
        return
    with acquire(place.store, place.name, owner, DURATION, clock) as held:
        guard, ended = Guard(held), Event()
        renewer = Thread(target=_keep_renewing, args=(guard, ended), name="restore-lease", daemon=True)
        renewer.start()
        try:
            yield guard
        finally:
            ended.set()
            renewer.join(_DEADLINE)


def _keep_renewing(guard: Guard, ended: Event) -> None:
    while not ended.wait(DURATION.total_seconds() / 4) and guard.renew():
        pass
