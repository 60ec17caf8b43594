"""The catalog: which backups a store holds and how each stands, read from manifests and records, never from names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from backup_engine import chain, wording
from backup_engine.archive.manifest import BackupKind, Clear
from backup_engine.backup import Backup
from backup_engine.catalog.index import Known, load_index, write_index
from backup_engine.catalog.loading import Holdings, list_holdings, load_holdings
from backup_engine.chain import Backups
from backup_engine.collector import uncollected
from backup_engine.errors import BrokenChain, InvalidInput, UnknownBackup
from backup_engine.model import Clock
from backup_engine.restore_point import RestorePoint, open_restore_point
from backup_engine.storage.contract import ListedObject, Store

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A backup captured later than now by more than this is from the future: listed, but no word and no time finds it."""

REWRITE = 50
"""Objects that the index did not know, or knows and that are gone: with more of them it is written anew. Readers of
small stores therefore never write.
"""

_DAY = re.compile(r"backup-(?P<day>\d{8})\Z")
_NEAR = 5  # names an error shows

LATEST, LATEST_VERIFIED = "latest", "latest-verified"


@dataclass(frozen=True)
class Contents:
    """What was read of a store, in the order of a catalog."""

    holdings: Holdings

    @cached_property
    def backups(self) -> tuple[Backup, ...]:
        """Newest captured first; of one instant fulls first, then by name."""
        return tuple(
            sorted(
                self.holdings.backups,
                key=lambda one: (one.captured_at, one.kind is BackupKind.FULL, one.name),
                reverse=True,
            )
        )

    @cached_property
    def unreadable(self) -> tuple[str, ...]:
        """What was found and is no backup, or one of several of a name: a sentence each."""
        often = Counter(backup.name for backup in self.holdings.backups)
        return (
            *self.holdings.problems,
            *(f"{name} lies in several folders" for name in sorted(often) if often[name] > 1),
        )

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Bytes by key."""
        return {key: info.size for key, info in self.holdings.listed.items()}

    @cached_property
    def by_name(self) -> Backups:
        """Backups by their names."""
        return chain.by_name(self.backups)


class Catalog:
    """What a store holds, read once, when first asked; make another to see what came since.

    One read of the index, a listing page for each thousand keys, and a read for each manifest and record that the
    index does not know as the listing shows it. A manifest is read when somebody asks for more than its outline.

    :param trust_index: False: every manifest and record is read, as whoever deletes has to; the index is not touched
    """

    def __init__(self, store: Store, clock: Clock, *, trust_index: bool = True, before: Holdings | None = None) -> None:
        self._store = store
        self._clock = clock
        self._trust_index = trust_index
        self._before = before
        self._read: Contents | None = None

    def again(self) -> Catalog:
        """Give the catalog as it is now; what this one has read and the listing shows unchanged is not read again."""
        return Catalog(self._store, self._clock, trust_index=self._trust_index, before=self._contents.holdings)

    def backups(self) -> tuple[Backup, ...]:
        """Every backup, newest captured first; of one instant fulls first, then by name."""
        return self._contents.backups

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What lies where manifests lie and is none, or of a backup that cannot be what it says: a sentence each."""
        return self._contents.unreadable

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of every object that lies where backups lie, by key: what a listing costs anyway."""
        return self._contents.sizes

    @property
    def listed(self) -> Mapping[str, ListedObject]:
        """Every object that lies where backups lie, by key, as the listing shows it."""
        return self._contents.holdings.listed

    @property
    def by_name(self) -> Backups:
        """Every backup by its name."""
        return self._contents.by_name

    def open_point(
        self, backup: Backup, collections: Collection[str] | None = None, *, temporary: Path | None = None
    ) -> RestorePoint:
        """Open a backup with all that it hangs on.

        :param collections: names of those that matter; None: all
        :param temporary: where digests lie while collections are put together; None for the system's place
        :raises BrokenChain: see ``check_chain``
        """
        self.check_chain(backup, collections)
        keys = _keys(backup, collections)
        return open_restore_point(self._store, backup, self.by_name, keys=keys, temporary=temporary)

    def check_chain(self, backup: Backup, collections: Collection[str] | None = None) -> tuple[Backup, ...]:
        """Make sure that all that a backup hangs on is there, and give it, the oldest first.

        :param collections: names of those that matter; None: all
        :raises BrokenChain: it is not; the message says why, what cannot be restored either, and what is nearest
        """
        keys = _keys(backup, collections)
        if broken := chain.breaks(backup, self.by_name, keys):
            raise BrokenChain(self._lost(backup, broken))
        return chain.linked(backup, self.by_name, keys)

    def _lost(self, backup: Backup, broken: tuple[str, ...]) -> str:
        lost = [one.name for one in chain.lost_with(backup, self.by_name)]
        present = [*self._present()]
        before = (one for one in present if one.captured_at <= backup.captured_at)
        after = (one for one in reversed(present) if one.captured_at > backup.captured_at)
        earlier, later = (next(filter(self._restorable, some), None) for some in (before, after))
        near = [f"{one.name} (captured {wording.moment(one.captured_at)})" for one in (earlier, later) if one]
        whole = [repr(backup.manifest.name_of(key)) for key in chain.restorable_keys(backup, self.by_name)]
        here = f". Of {backup.name} itself, named one by one: {wording.listing(whole)}" if whole else ""
        return (
            f"{'; '.join(broken)}. Lost by that: {wording.listing(lost, most=_NEAR)}. The nearest points that can be "
            f"restored: {wording.listing(near) or 'none'}; another place may hold the whole chain{here}"
        )

    def newest_good(self) -> Backup | None:
        """Give the newest good backup of the whole scope, damaged since or not; none from the future."""
        return next((backup for backup in self._present() if backup.good_whole), None)

    def newest_verified(self) -> Backup | None:
        """Give the newest good backup of the whole scope of which every byte was found right."""
        return next((backup for backup in self._present() if backup.good_whole and backup.verified_at), None)

    def by_run(self, run_key: str) -> Backup | None:
        """Give the backup that a run made."""
        return next((backup for backup in self.backups() if backup.outline.run_key == run_key), None)

    def find(self, point: str) -> Backup:
        """Give the backup that a person means.

        :param point: an exact name, which finds every backup; or what finds only good ones of the whole scope that
            can be restored with all they hang on: ``latest``, ``latest-verified``, a time (the newest captured at or
            before it), or ``backup-YYYYMMDD`` (that day's full, the first of several, whatever its name)
        :raises UnknownBackup: there is none; the message shows the nearest
        :raises InvalidInput: a time without a zone
        """
        exact = next((backup for backup in self.backups() if backup.name == point), None)
        return exact or _required(self._meant(point), point, self.backups(), self._store.url)

    def _meant(self, point: str) -> Backup | None:
        if day := _DAY.match(point):
            return next(filter(self._restorable, _fulls_of(day["day"], self._present())), None)
        moment = None if point in {LATEST, LATEST_VERIFIED} else _moment(point)
        if moment is None and point not in {LATEST, LATEST_VERIFIED}:
            return None
        wanted = (
            one
            for one in self._present()
            if (moment is None or one.captured_at <= moment) and (point != LATEST_VERIFIED or one.verified_at)
        )
        return next(filter(self._restorable, wanted), None)

    def _restorable(self, backup: Backup) -> bool:
        return backup.good_whole and not backup.damaged and not chain.breaks(backup, self.by_name)

    def _present(self) -> Iterator[Backup]:
        latest = self._clock() + CLOCK_TOLERANCE
        return (backup for backup in self.backups() if backup.captured_at <= latest)

    @property
    def _contents(self) -> Contents:
        # No cached_property: Python 3.11's lets one catalog of a process be read at a time.
        if self._read is None:
            with uncollected():
                self._read = Contents(self._load())
        return self._read

    def _load(self) -> Holdings:
        if self._before is not None:
            return load_holdings(self._store, list_holdings(self._store, [*self._before.listed]), self._before.known)
        if not self._trust_index:
            return load_holdings(self._store, list_holdings(self._store, ()), Known())
        index = load_index(self._store)
        expected = index.expected()  # before the thread, which would make the listing wait for its turn
        with ThreadPoolExecutor(1, thread_name_prefix="catalog-index") as aside:
            knowing = aside.submit(index.known)  # while the store lists
            listed = list_holdings(self._store, expected)
            known = knowing.result()
        found = load_holdings(self._store, listed, known)
        gone = len(known) + found.learned - len(found.known)
        if max(found.learned, gone) > REWRITE:
            write_index(self._store, found.known)
        return found


def _fulls_of(day: str, backups: Iterable[Backup]) -> list[Backup]:
    """Give the fulls of a day, the first one first."""
    of_day = [backup for backup in backups if f"{backup.captured_at:%Y%m%d}" == day and backup.kind is BackupKind.FULL]
    return sorted(of_day, key=lambda backup: (backup.captured_at, backup.name))


def how_far_before(point: str, backup: Backup) -> str | None:
    """Say how far before the time that somebody named the backup lies; None where no time was named."""
    before = seconds_before(point, backup.manifest.clear)
    if before is None:
        return None
    lies = f"it was captured {wording.duration(before)} before {point}"
    return f"{backup.name} is the newest state that can be restored; {lies}"


def seconds_before(point: str, clear: Clear) -> float | None:
    """Tell how far before the time that somebody named a backup was captured; None where no time was named."""
    try:
        moment = None if point == clear.name or _DAY.match(point) else _moment(point)
    except InvalidInput:
        return None
    return None if moment is None else (moment - clear.captured_at).total_seconds()


def _keys(backup: Backup, collections: Collection[str] | None) -> frozenset[str] | None:
    """Give the keys of these collections; a name that the backup does not hold is for others to refuse."""
    if collections is None:
        return None
    return frozenset(one.key for one in backup.manifest.private.collections if one.name in collections)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        raise InvalidInput(f"{text!r} names no time zone; write it like 2026-11-22T14:37:00Z")
    return moment


def _required(backup: Backup | None, point: str, all_backups: tuple[Backup, ...], url: str) -> Backup:
    if backup is not None:
        return backup
    stem = point[: len("backup-YYYYMMDD")]
    near = [one for one in all_backups if one.name.startswith(stem)] or [*all_backups]
    shown = wording.listing((f"{one.name} ({_why_not(one)})" for one in near), most=_NEAR)
    raise UnknownBackup(f"{url} has no backup that {point!r} finds; it has: {shown or 'none at all'}")


def _why_not(backup: Backup) -> str:
    words = [backup.state.value, *(["damaged"] if backup.damaged else [])]
    if not backup.outline.whole_scope:
        words.append("a subset")
    return ", ".join([*words, f"captured {wording.moment(backup.captured_at)}"])
