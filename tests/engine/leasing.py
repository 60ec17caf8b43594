"""What the tests of leases share."""

from datetime import UTC, datetime, timedelta

from backup_engine.errors import LeaseLost
from backup_engine.lease import acquire

START = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class HandClock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def advance(self, by):
        self.now += by


def take(store, clock, owner="first"):
    return acquire(store, "restore", owner, MINUTE, clock)


def holds(lease):
    try:
        lease.check()
    except LeaseLost:
        return False
    return True
