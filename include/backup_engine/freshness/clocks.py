"""How far a store's clock is from ours, told by what lies there: nothing is written for it and nothing read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from backup_engine.archive.manifest import records_prefix
from backup_engine.backup import Backup
from backup_engine.records import Copied, Verification, record_key
from backup_engine.storage.contract import ListedObject

SMALL = timedelta(minutes=1)
"""Whole seconds, the way there, and a try or two more: no clock is doubted for that."""

_APART = timedelta(minutes=10)
_LOOKED_AT = 20  # records, the newest


class _Stamp(NamedTuple):
    """When a record was written by our clock, and how far ahead the store's was then."""

    at: datetime
    ahead: timedelta


def clock_ahead(backups: Iterable[Backup], listed: Mapping[str, ListedObject]) -> timedelta | None:
    """Tell how far a store's clock was ahead of ours when records were last written there; None: nothing tells.

    A larger difference is believed when an earlier record shows the same one: where a store was carried to another
    disk, every object is as old as the carrying, and no two records differ alike.
    """
    stamps = sorted(_stamps(backups, listed), key=lambda one: one.at, reverse=True)[:_LOOKED_AT]
    if not stamps:
        return None
    newest, *earlier = stamps
    if abs(newest.ahead) <= SMALL:
        return newest.ahead
    alike = [one.ahead for one in earlier if newest.at - one.at >= _APART and abs(one.ahead - newest.ahead) <= SMALL]
    return min(newest.ahead, *alike, key=abs) if alike else None


def _stamps(backups: Iterable[Backup], listed: Mapping[str, ListedObject]) -> Iterator[_Stamp]:
    for backup in backups:
        for record in backup.records:
            if not isinstance(record, Verification | Copied):  # what people said travels, and keeps its time
                continue
            info = listed.get(record_key(records_prefix(backup.folder, backup.name), record))
            if info is not None:
                yield _Stamp(record.at, _ahead(info.modified_at - record.at, record))


def _ahead(later: timedelta, record: Verification | Copied) -> timedelta:
    """Take off what looking took: a verification is dated when it begins and written when it ends."""
    took = timedelta(seconds=record.seconds) if isinstance(record, Verification) else timedelta(0)
    return later if later < timedelta(0) else max(timedelta(0), later - took)
