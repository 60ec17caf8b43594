"""In which backups a record appeared, changed and vanished. Only digests are read, each stored state once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.batches import make_batch
from backup_engine.archive.digests import HASH_BYTES, id_hashes, rows_of
from backup_engine.archive.manifest import CollectionSummary, Content, Manifest, Sidecar, Standing, archive_key
from backup_engine.archive.reading import ArchiveReader, StoredObject
from backup_engine.backup import Backup
from backup_engine.chain import Backups, by_name
from backup_engine.diff.states import among, id_part
from backup_engine.errors import BrokenChain, DamagedArchive, HostileArchive, ObjectNotFound, UnknownCollection
from backup_engine.model import Document, Moment
from backup_engine.storage.contract import Store


class Sighting(StrEnum):
    """What one backup says of a record, beside the one before it.

    * first: it is in the oldest backup that says anything
    * appeared: it was not in the backup before
    * changed: it was, with another vector or payload
    * vanished: it was, and is not any more
    """

    FIRST = "first"
    APPEARED = "appeared"
    CHANGED = "changed"
    VANISHED = "vanished"


class Event(Document):
    """A backup in which the record is not what it was in the one before.

    :param after: the newest backup before this one that says what it was then: it happened between the two
    :param same_as: the first backup that has the record exactly as it is here, if there is an older one
    """

    what: Sighting
    backup: str
    captured_at: Moment
    after: str | None = None
    same_as: str | None = None


class NotTold(Document):
    """A backup that does not say anything about the record, and why."""

    backup: str
    captured_at: Moment
    reason: str


class RecordHistory(Document):
    """A record through all backups.

    :param backups: how many were asked
    :param events: oldest first
    """

    collection: str
    id: str
    backups: int
    events: tuple[Event, ...]
    not_told: tuple[NotTold, ...] = ()

    @property
    def there(self) -> bool:
        """The newest backup that says anything has the record."""
        return bool(self.events) and self.events[-1].what is not Sighting.VANISHED


def find_change(
    store: Store, backups: Iterable[Backup], collection: str, record_id: str, *, temporary: Path | None = None
) -> RecordHistory:
    """Tell in which backups a record appeared, changed and vanished.

    :param backups: those of the store, in any order; damaged and partial ones are asked too, as far as they can tell
    :param temporary: where digests lie while they are read; None for the system's place
    :raises UnknownCollection: none of them holds the collection
    """
    every = sorted(backups, key=lambda one: (one.captured_at, one.name))
    if not any(one.manifest.key_of(collection) for one in every):
        names = sorted({private.name for one in every for private in one.manifest.private.collections})
        held = wording.listing(map(repr, names), most=20)
        raise UnknownCollection(f"no backup in {store.url} holds {collection!r}; they hold {held or 'no collection'}")
    states = _States(store, by_name(every), record_id, temporary)
    events: list[Event] = []
    silent_ones: list[NotTold] = []
    told = _Told()
    for backup in every:
        found = states.of(backup, collection)
        if isinstance(found, str):
            silent_ones.append(NotTold(backup=backup.name, captured_at=backup.captured_at, reason=found))
        else:
            events += told.next(backup, found)
    return RecordHistory(
        collection=collection, id=record_id, backups=len(every), events=tuple(events), not_told=tuple(silent_ones)
    )


class _Seen(NamedTuple):
    """What a backup says: the record's digest, or None: it is not there."""

    digest: bytes | None


class _Told:
    """What the backups before said."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._after: str | None = None
        self._first_with: dict[bytes, str] = {}

    def next(self, backup: Backup, seen: _Seen) -> Iterator[Event]:
        """Give the event, if there is one."""
        what = self._what(seen.digest)
        if what is not None:
            yield Event(
                what=what,
                backup=backup.name,
                captured_at=backup.captured_at,
                after=self._after,
                same_as=self._first_with.get(seen.digest) if seen.digest else None,
            )
        if seen.digest:
            self._first_with.setdefault(seen.digest, backup.name)
        self._last, self._after = seen.digest, backup.name

    def _what(self, digest: bytes | None) -> Sighting | None:
        if digest == self._last:
            return None
        if digest is None:
            return Sighting.VANISHED
        if self._last is not None:
            return Sighting.CHANGED
        return Sighting.APPEARED if self._after else Sighting.FIRST


class _States:
    """Looks a record up in states, each once."""

    def __init__(self, store: Store, backups: Backups, record_id: str, temporary: Path | None) -> None:
        self._store = store
        self._backups = backups
        self._temporary = temporary
        self._hash = id_hashes(make_batch([record_id], np.zeros((1, 1), np.float32), [None]))
        self._known: dict[str, _Seen | str] = {}

    def of(self, backup: Backup, collection: str) -> _Seen | str:
        """Tell what a backup says, or why it says nothing."""
        key = backup.manifest.key_of(collection)
        if key is None:
            return self._not_held(backup.manifest, collection)
        summary = next(one for one in backup.manifest.clear.collections if one.key == key)
        if summary.standing is Standing.UNREADABLE:
            return "the collection could not be read when it was made"
        found = self._looked_up(backup, summary)
        if found == _Seen(None) and summary.standing is Standing.INCOMPLETE:
            return f"it holds {summary.vectors:,} of {wording.count(summary.counted, 'record')} only"
        return found

    def _not_held(self, manifest: Manifest, collection: str) -> _Seen | str:
        reason = next((one.reason for one in manifest.private.left_out if one.name == collection), None)
        if reason is not None:
            return f"the collection was left out: {reason}"
        return _Seen(None) if manifest.clear.whole_scope else "the collection was not asked for"

    def _looked_up(self, backup: Backup, summary: CollectionSummary) -> _Seen | str:
        if summary.state_digest not in self._known:
            try:
                self._known[summary.state_digest] = self._read(backup, summary)
            except (BrokenChain, DamagedArchive, HostileArchive, ObjectNotFound) as error:
                return f"{type(error).__name__}: {error}"  # another backup of the same state may be whole
        return self._known[summary.state_digest]

    def _read(self, backup: Backup, summary: CollectionSummary) -> _Seen:
        stored, key = self._stored(backup, summary)
        source = StoredObject(self._store, archive_key(stored.folder, stored.name))
        sidecar = Sidecar(manifest=stored.manifest, archive=stored.archive)
        reader = ArchiveReader(source, sidecar, temporary=self._temporary)
        return _Seen(next((digest for chunk in reader.digests(key) for digest in self._digests(chunk)), None))

    def _stored(self, backup: Backup, summary: CollectionSummary) -> tuple[Backup, str]:
        """Tell where the digests of a state lie: in every backup that stores some of it all are listed."""
        base = summary.base
        if summary.content is not Content.SAME or base is None:
            return backup, summary.key
        found = self._backups.get(base.name)
        if found is None or found.manifest.clear.run_key != base.run_key:
            raise BrokenChain(f"{backup.name} hangs on {base.name}, which is not there")
        return found, base.key

    def _digests(self, chunk: pa.RecordBatch) -> Iterator[bytes]:
        rows = rows_of(chunk)
        found = rows[among(id_part(rows), self._hash)]
        if len(found):
            yield found[:1].tobytes()[HASH_BYTES:]
