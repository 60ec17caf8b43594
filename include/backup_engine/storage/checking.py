"""Whether a place keeps what the store contract promises, asked before the first backup is trusted to it.

Stores speak the same protocol and still differ: some ignore the condition "only if it is not there", some are behind a
proxy that answers ranges with the whole, some credentials may write and never delete. Each probe does what the product
does, on keys of its own, and looks what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from backup_engine.errors import (
    BackupError,
    StoreDenied,
    StoreFull,
    StoreNotInitialised,
    StoreUnavailable,
    UnknownFormat,
)
from backup_engine.findings import Finding, Level
from backup_engine.model import Clock
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import IDENTITY_KEY, read_identity
from backup_engine.storage.probes import PROBES, Broken, Desk, Probe, delete_all

_REMEDIES: tuple[tuple[type[BackupError], str], ...] = (
    (
        StoreDenied,
        "grant these credentials that right (the documentation has the policy for a writer), then check again",
    ),
    (StoreNotInitialised, "mount it, make the bucket, or make the folder with `store init`, then check again"),
    (StoreFull, "make room, or raise the quota, then check again"),
    (StoreUnavailable, "make sure that it can be reached from this machine, then check again"),
)
_ELSE = "do not keep backups there: it breaks what every backup relies on. Another store, or a newer one, may not"


@runtime_checkable
class LooksAtSettings(Protocol):
    """A store that can tell how its place is set up: versions, locks, expiry, encryption."""

    def look_at_settings(self) -> Iterator[Finding]:
        """Say what is set, what should be, and why."""


@dataclass(slots=True)
class _Course:
    """What came of the probes so far.

    :param gone: there is no place at all, so nothing was written that could stay
    """

    denied: list[str] = field(default_factory=list)
    stopped: bool = False
    gone: bool = False


def check_store(store: Store, clock: Clock, token: str) -> Iterator[Finding]:
    """Probe a store, and say of each promise whether it is kept. Nothing is raised, and nothing is left behind.

    :param token: names this check's own folder, ``.staging/check-<token>/``; nothing else is written
    """
    course, desk = _Course(), Desk(store, clock, f".staging/check-{token}/")
    yield _whose(store, course)
    try:
        for probe in PROBES:
            if course.stopped:
                break
            yield _tried(probe, desk, course)
        if course.gone:
            return
        yield _cleared(desk, course)
        yield _rights(course)
        if isinstance(store, LooksAtSettings):
            yield from _settings(store)
    finally:
        with suppress(BackupError):  # what stays was told, unless whoever asked has stopped listening
            delete_all(desk)


def _whose(store: Store, course: _Course) -> Finding:
    what = "whose store it is"
    try:
        identity = read_identity(store)
    except StoreNotInitialised:
        return Finding(Level.NOTE, what, f"no {IDENTITY_KEY} yet", "`store init` makes it a store, once")
    except UnknownFormat as error:
        return Finding(Level.MISSING, what, str(error), "name another root, or bring back the original file")
    except BackupError as error:
        course.gone = course.stopped = isinstance(error, StoreUnavailable)
        return _failed(what, error, course)
    return Finding(Level.OK, what, f"store {identity.store_id} of deployment {identity.deployment!r}")


def _tried(probe: Probe, desk: Desk, course: _Course) -> Finding:
    try:
        return Finding(Level.OK, probe.what, probe.look(desk))
    except Broken as broken:
        return Finding(broken.level, probe.what, str(broken), broken.remedy or _ELSE)
    except BackupError as error:
        course.stopped = probe.needed or isinstance(error, StoreUnavailable)
        course.gone = probe.needed and isinstance(error, StoreUnavailable | StoreNotInitialised)
        return _failed(probe.what, error, course)


def _failed(what: str, error: BackupError, course: _Course) -> Finding:
    if isinstance(error, StoreDenied):
        course.denied.append(what)
    remedy = next((words for kind, words in _REMEDIES if isinstance(error, kind)), _ELSE)
    return Finding(Level.MISSING, what, f"{type(error).__name__}: {error}", remedy)


def _cleared(desk: Desk, course: _Course) -> Finding:
    """Delete what the probes made, which is a probe too, and whatever came of it say what stays."""
    what = "delete"
    try:
        delete_all(desk)
        left = [info.key for info in desk.store.list(desk.prefix)]
    except BackupError as error:
        found = _failed(what, error, course)
        stays = f"{found.found}. What this check wrote may stay below {desk.prefix}: delete it by hand"
        return Finding(found.level, what, stays, found.remedy)
    if left:
        stays = f"{len(left)} objects are listed after they were deleted, {left[0]} for one"
        return Finding(Level.MISSING, what, stays, _ELSE)
    return Finding(Level.OK, what, "what this check wrote is gone, and is not listed any more")


def _rights(course: _Course) -> Finding:
    if course.denied:
        words = "a writer needs all of them; the documentation has the policies for writer, restorer and pruner"
        return Finding(Level.MISSING, "rights", f"refused: {', '.join(course.denied)}", words)
    return Finding(Level.OK, "rights", "nothing that was tried was refused to these credentials")


def _settings(store: LooksAtSettings) -> Iterator[Finding]:
    try:
        yield from store.look_at_settings()
    except BackupError as error:
        yield Finding(Level.NOTE, "settings", f"could not be looked at: {error}", "look at them by hand")
