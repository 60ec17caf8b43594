"""From what was met to what people read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from backup_engine import wording
from backup_engine.alerts.alert import Probe
from backup_engine.archive.manifest import Manifest, Standing
from backup_engine.backup import Backup
from backup_engine.diagnosis.beside import Unanswered
from backup_engine.diagnosis.network import NETWORK
from backup_engine.diagnosis.trying import ServerLook
from backup_engine.errors import (
    AccessDenied,
    AuthenticationFailed,
    BackupError,
    ConfigurationError,
    ServerBusy,
    StoreDenied,
    StoreFull,
    StoreNotInitialised,
    TransientError,
    WrongStore,
)
from backup_engine.findings import Level
from backup_engine.readiness import assess_readiness, loading_time

DISK, RIGHTS, SERVER, TRAFFIC = "disk", "rights", "server", "low-traffic window"

_SLOW = 5.0  # seconds; a list of a thousand collections takes a tenth of one
_LITTLE = 1_000_000_000  # bytes; what tasks keep beside memory while they compare a million records
_TOO_LITTLE = 100_000_000
_FOREVER = timedelta(days=1)  # the deadline of a run that has just begun lies ahead

_STORE_REMEDIES: tuple[tuple[type[BaseException], str], ...] = (
    (StoreDenied, "grant the connection, or the user that tasks run as, the rights of a writer"),
    (StoreNotInitialised, "mount it on this machine; if it is new, make it with `vectorizer-backup store init`"),
    (WrongStore, "correct `store` or `copies` in deployments.yaml"),
    (TransientError, "make sure that it runs and can be reached from this machine"),
)


def disk_of_store(url: str, free: object, needed: int | None) -> Probe | None:
    """Say whether a store has room.

    :param free: bytes; None, or an error: it knows no limit, or does not answer, which is another probe's to say
    :param needed: bytes that the next backup takes there; None: not known
    """
    if not isinstance(free, int):
        return None
    found = f"{url} has {wording.size(free)} free"
    if needed is None:
        level = Level.NOTE if free < _LITTLE else Level.OK
        return _probe(DISK, level, f"{found}; what the next backup needs is not known", "make room, or give it more")
    found = f"{found}; the next backup needs about {wording.size(needed)} there"
    return _probe(DISK, Level.MISSING if free < needed else Level.OK, found, _make_room(needed - free))


def disk_of_machine(host: str, folder: str, free: int) -> Probe:
    """Say whether tasks have room for what they keep beside memory."""
    found = f"{host} has {wording.size(free)} free in {folder}, where tasks keep what does not fit into memory"
    level = Level.MISSING if free < _TOO_LITTLE else Level.NOTE if free < _LITTLE else Level.OK
    return _probe(DISK, level, found, "make room there, or point TMPDIR to another disk")


def store_rights(url: str, tried: object) -> Probe:
    """Say whether a backup may be written to a store.

    :param tried: what was allowed, in words, or why not
    """
    if not isinstance(tried, BaseException):
        return _probe(RIGHTS, Level.OK, f"{url}: {tried}")
    if isinstance(tried, StoreFull):
        return _probe(DISK, Level.MISSING, f"{url} is full: {_said(tried)}", "make room, or raise the quota")
    remedy = next((words for kind, words in _STORE_REMEDIES if isinstance(tried, kind)), "")
    return _probe(RIGHTS, Level.MISSING, f"{url}: {_said(tried)}", remedy)


def server_rights(url: str, asked: object) -> Probe | None:
    """Say whether the server lets us in; nothing if it did not come to that."""
    if isinstance(asked, ServerLook):
        return _probe(RIGHTS, Level.OK, f"{url} lets this connection in, and list what it holds")
    if isinstance(asked, AuthenticationFailed):
        return _probe(
            RIGHTS, Level.MISSING, _said(asked), "correct user and password, or the API key, of the connection"
        )
    if isinstance(asked, AccessDenied):
        return _probe(RIGHTS, Level.MISSING, _said(asked), "take a user who may read everything")
    return None


def server_state(url: str, asked: object, last: Manifest | None, now: datetime) -> Probe:
    """Say how the server is.

    :param asked: what it said, or why it said nothing
    :param last: of the newest good backup of the whole scope
    """
    if isinstance(asked, ServerLook):
        return _answering(asked, last, now)
    if isinstance(asked, AuthenticationFailed | AccessDenied):
        return _probe(SERVER, Level.OK, f"{url} answers, and refuses these credentials")
    if isinstance(asked, ServerBusy):
        return _probe(SERVER, Level.NOTE, _said(asked), "keep other clients away for a while, or try again later")
    if isinstance(asked, ConfigurationError):
        return _probe(SERVER, Level.MISSING, _said(asked), "correct the connection")
    silent = "start it, or wait: a server that loads is silent for minutes, and a run waits for it by itself"
    found = f"{url} gave {_said(asked)}" if isinstance(asked, Unanswered) else _said(asked)
    return _probe(SERVER, Level.MISSING, found, silent)


def traffic(asked: object, newest: object) -> Probe:
    """Say whether backups are read while others write.

    :param newest: the newest good backup, None, or why it is not known
    """
    words = "; ".join([*_then(newest), *_now(asked)])
    if not words:
        return _probe(
            TRAFFIC, Level.NOTE, "not known: neither a backup nor the server can be looked at", "mend that first"
        )
    remedy = (
        "such a backup is good, only no single moment: choose a `schedule.full` for an hour with fewer writes, or hold "
        "the writers back while it runs, if that matters"
    )
    return _probe(TRAFFIC, Level.NOTE if _moved(asked, newest) else Level.OK, words, remedy)


def _answering(look: ServerLook, last: Manifest | None, now: datetime) -> Probe:
    found = _figures(look)
    readiness = assess_readiness(look.facts, look.states, last, now, now + _FOREVER)
    vectors = max(sum(state.vectors for state in look.states), last.clear.vectors if last else 0)
    if not readiness.ready:
        why = "; ".join(readiness.reasons[:3])
        takes = wording.duration(loading_time(vectors).total_seconds())
        return _probe(
            SERVER,
            Level.MISSING,
            f"{found}; it seems to be loading still: {why}",
            f"wait: loading so much takes about {takes}, and a run waits for it by itself",
        )
    if not look.states:
        return _probe(
            SERVER, Level.MISSING, found, "is it the right server, and has it lost its data? Look before you act"
        )
    if look.seconds > _SLOW:
        return _probe(SERVER, Level.NOTE, found, "it is slow: look at its load and its memory")
    return _probe(SERVER, Level.OK, found)


def _figures(look: ServerLook) -> str:
    vectors = sum(state.vectors for state in look.states)
    uptime = look.facts.uptime_seconds
    up = f", up for {wording.duration(uptime)}" if uptime is not None else ""
    return (
        f"Vectorizer {look.facts.version} at {look.facts.url}{up}, lists "
        f"{wording.count(len(look.states), 'collection')} with {wording.count(vectors, 'vector')}; it answered in "
        f"{wording.duration(look.seconds)}"
    )


def _then(newest: object) -> Iterator[str]:
    if isinstance(newest, Backup):
        moving, every = _fuzzy(newest), len(newest.manifest.clear.collections)
        when = f"{newest.started_at:%H:%M} to {newest.captured_at:%H:%M} UTC"
        yield f"while {newest.name} was read, {when}, {moving or 'none'} of {wording.count(every, 'collection')} moved"


def _now(asked: object) -> Iterator[str]:
    if isinstance(asked, ServerLook):
        moving = asked.moving
        shown = f": {wording.listing(moving, most=3)}" if moving else ""
        yield f"right now {wording.count(len(moving), 'collection') if moving else 'nothing'} is written to{shown}"


def _moved(asked: object, newest: object) -> bool:
    then = isinstance(newest, Backup) and _fuzzy(newest) > 0
    return then or (isinstance(asked, ServerLook) and bool(asked.moving))


def _fuzzy(backup: Backup) -> int:
    return sum(one.standing is Standing.FUZZY for one in backup.manifest.clear.collections)


def _said(error: object) -> str:
    """Give an error's own words; those of foreign ones with their kind, which says more than they do."""
    return str(error) if isinstance(error, BackupError) else f"{type(error).__name__}: {error}"


def _make_room(lacking: int) -> str:
    return f"free at least {wording.size(max(0, lacking))}, or give the store more room"


def _probe(what: str, level: Level, found: str, remedy: str = "") -> Probe:
    return Probe(what=what, level=level, found=found, remedy="" if level is Level.OK else remedy)


def in_order(probes: Sequence[Probe]) -> tuple[Probe, ...]:
    """Sort them as the guide lists them."""
    order = (DISK, RIGHTS, NETWORK, SERVER, TRAFFIC)
    return tuple(sorted(probes, key=lambda probe: order.index(probe.what)))
