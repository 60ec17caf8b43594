"""Leases: who may work on something now, told by an object in the store.

A lease ends by itself when its owner stops renewing it. Each time it is acquired its fencing number grows, so a holder
that was taken over while it slept is recognised, by ``check`` and by whoever keeps the number. The object is never
deleted: a number never comes back. Expiry is judged by each worker's own clock, so clocks must agree to well within
the durations used.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import TracebackType
from typing import Self

from pydantic import Field, ValidationError

from backup_engine.errors import (
    BackupError,
    InvalidInput,
    LeaseHeld,
    LeaseLost,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    UnknownFormat,
)
from backup_engine.model import Clock, Document, Moment
from backup_engine.storage.contract import Store, checked_key, read_bytes

_LIMIT = 64 << 10  # bytes; a lease has about 150
_RELEASED = datetime.fromtimestamp(0, UTC)  # past by every clock, also one that is behind ours


class Lease(Document):
    """Who holds it and until when; nobody once ``expires_at`` is past. Releasing sets that to the year 1970.

    :param fencing: grows by one each time the lease is acquired
    """

    owner: str
    fencing: int = Field(ge=1)
    expires_at: Moment


class HeldLease:
    """A lease in hand. As a context manager it is released at the end of the block. One thread may renew it while
    another works.

    :param lease: what was written when it was acquired
    """

    def __init__(self, store: Store, name: str, lease: Lease, duration: timedelta, clock: Clock) -> None:
        self._store = store
        self._name = name
        self._lease = lease
        self._duration = duration
        self._clock = clock
        self._lock = Lock()

    @property
    def fencing(self) -> int:
        """The number that no other holder of this lease ever has."""
        return self._lease.fencing

    @property
    def expires_at(self) -> datetime:
        """Until when it is held without a renewal."""
        return self._lease.expires_at

    def check(self) -> None:
        """Make sure that it is still ours, by the store and by the clock; to be called before what must not go wrong.

        :raises LeaseLost: it ran out, was released, or was taken over
        """
        self._current()

    def renew(self) -> None:
        """Hold it for another full duration from now.

        :raises LeaseLost: it ran out, was released, or was taken over
        """
        with self._lock:
            self._lease = self._rewrite(self._current(), self._clock() + self._duration)

    def release(self) -> None:
        """Let others have it at once; fine when it is lost already. Its fencing number stays."""
        with self._lock, suppress(LeaseLost):
            self._lease = self._rewrite(self._current(), _RELEASED)

    def __enter__(self) -> Self:
        """Hold it for the length of the block; renewing is up to the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Release it; what the block raised goes first, with a note when releasing failed too."""
        try:
            self.release()
        except BackupError as problem:
            if error is None:
                raise
            error.add_note(f"{self._title} could not be released and ends by itself: {problem}")

    @property
    def _title(self) -> str:
        return f"lease {self._name!r} number {self._lease.fencing} of {self._lease.owner!r}"

    def _current(self) -> str:
        """Give the version under which the store holds our lease."""
        found = _read(self._store, self._name)
        if found is None:
            raise LeaseLost(f"{self._title} is gone from {self._store.url}: start again")
        lease, version = found
        if (lease.owner, lease.fencing) != (self._lease.owner, self._lease.fencing):
            raise LeaseLost(f"{self._title} was taken over by {lease.owner!r} as number {lease.fencing}: start again")
        if lease.expires_at <= self._clock():
            ended = "was released" if lease.expires_at == _RELEASED else f"ended at {lease.expires_at.isoformat()}"
            raise LeaseLost(f"{self._title} {ended}: start again")
        return version

    def _rewrite(self, version: str, expires_at: datetime) -> Lease:
        lease = Lease(owner=self._lease.owner, fencing=self._lease.fencing, expires_at=expires_at)
        try:
            self._store.replace(_key(self._name), lease.model_dump_json().encode(), version=version)
        except ObjectChanged as error:
            raise LeaseLost(f"{self._title} was taken over this moment: start again") from error
        return lease


def acquire(store: Store, name: str, owner: str, duration: timedelta, clock: Clock) -> HeldLease:
    """Take the lease if nobody holds it; never waits.

    :param name: a plain segment of a key
    :param owner: who asks, for people: a run, a command on a host
    :param duration: how long it is held without a renewal
    :raises LeaseHeld: somebody else does, or the same owner from before; ``retry_after`` says when that ends
    """
    if duration <= timedelta(0):
        raise InvalidInput(f"lease {name!r} was asked for {duration}; a positive duration was expected")
    found = _read(store, name)
    now = clock()
    if found is not None and found[0].expires_at > now:
        raise _held(name, found[0], now)
    lease = Lease(owner=owner, fencing=found[0].fencing + 1 if found else 1, expires_at=now + duration)
    try:
        _write(store, name, lease, found[1] if found else None)
    except (ObjectExists, ObjectChanged) as error:
        raise LeaseHeld(f"lease {name!r} was taken by somebody else this moment; {owner!r} has to try again") from error
    return HeldLease(store, name, lease, duration, clock)


def held_by(store: Store, name: str, clock: Clock) -> Lease | None:
    """Tell who holds the lease now; None when nobody does."""
    found = _read(store, name)
    return found[0] if found is not None and found[0].expires_at > clock() else None


def last_fencing(store: Store, name: str) -> int:
    """Tell the number of whoever holds the lease or held it last; 0 when nobody ever did.

    Equal before and after some work: nobody acquired the lease meanwhile.
    """
    found = _read(store, name)
    return found[0].fencing if found is not None else 0


def _key(name: str) -> str:
    return checked_key(f"leases/{name}.json")


def _read(store: Store, name: str) -> tuple[Lease, str] | None:
    """Give the lease and a version it is not younger than: a replace with it fails if it changed in between."""
    key = _key(name)
    try:
        version = store.stat(key).version
        content = read_bytes(store, key, limit=_LIMIT)
    except ObjectNotFound:
        return None
    try:
        return Lease.model_validate_json(content), version
    except ValidationError as error:
        raise UnknownFormat(
            f"{store.url}/{key} is not a lease of this product ({error.error_count()} of its fields are wrong): "
            "make sure that nothing works on this store, then remove it"
        ) from error


def _write(store: Store, name: str, lease: Lease, version: str | None) -> None:
    content = lease.model_dump_json().encode()
    if version is None:
        store.create(_key(name), [content])
    else:
        store.replace(_key(name), content, version=version)


def _held(name: str, lease: Lease, now: datetime) -> LeaseHeld:
    left = (lease.expires_at - now).total_seconds()
    return LeaseHeld(
        f"lease {name!r} is held by {lease.owner!r} until {lease.expires_at.isoformat()}, unless renewed; try then",
        retry_after=left,
    )
