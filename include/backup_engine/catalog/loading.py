"""Reading what a store holds: one listing, what is known of it already, and the rest from manifests and records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from backup_engine.archive.manifest import Folder, records_prefix
from backup_engine.backup import Backup
from backup_engine.catalog.index import Known
from backup_engine.catalog.manifests import Manifests
from backup_engine.errors import DamagedArchive, HostileArchive, ObjectNotFound, UnknownFormat, UnsafeKey
from backup_engine.outline import Outline
from backup_engine.records import Record, UnreadableRecord, oldest_first, read_record
from backup_engine.storage.contract import ListedObject, ListsExpected, Store

AT_ONCE = 16
"""Objects read at the same time: as many as a client keeps connections."""
FEW = 32
"""So many are read one after the other: threads would be slower."""
LARGE_RECORD = 64 << 10
"""Bytes: larger records are read each time, so that no index holds ten thousand sentences of one verification."""

_SIDECAR = re.compile(r"[^/]+/(?P<name>[^/]+)\.json\Z")
_RECORD = re.compile(r"[^/]+/(?P<name>[^/]+)\.records/[^/]+\Z")

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a store holds.

    :param problems: what lies where manifests lie and is none: a sentence each
    :param known: all of it, for an index, and for looking again
    :param learned: objects that were read and need not be the next time
    """

    backups: tuple[Backup, ...]
    problems: tuple[str, ...]
    listed: Mapping[str, ListedObject]
    known: Known
    learned: int


def list_holdings(store: Store, expected: Sequence[str]) -> Mapping[str, ListedObject]:
    """List what lies where backups lie, by key.

    :param expected: keys that are probably there, sorted
    """
    return {info.key: info for folder in Folder for info in _list(store, f"{folder.value}/", expected)}


def _list(store: Store, prefix: str, expected: Sequence[str]) -> Iterator[ListedObject]:
    if not isinstance(store, ListsExpected):
        return store.list(prefix)
    return store.list_expected(prefix, [key for key in expected if key.startswith(prefix)])


def load_holdings(store: Store, listed: Mapping[str, ListedObject], known: Known) -> Holdings:
    """Read what a listing shows.

    :param known: what need not be read where the listing shows it unchanged
    """
    return _Loading(store, known, listed).load()


class _Loading:
    def __init__(self, store: Store, known: Known, listed: Mapping[str, ListedObject]) -> None:
        self._store = store
        self._known = known
        self._listed = listed
        self._manifests = Manifests(store)
        self._problems: list[str] = []

    def load(self) -> Holdings:
        manifests, beside = _sorted_out(self._listed.values())
        outlines = {info.key: outline for info in manifests if (outline := self._known.outline_of(info))}
        new = [info for info in manifests if info.key not in outlines]
        read = dict(_side_by_side(self._outline, new))
        outlines |= {key: outline for key, outline in read.items() if outline}
        ours = [info for one in outlines.values() for info in beside.get(records_prefix(one.folder, one.name), ())]
        records: dict[str, Record | UnreadableRecord] = {
            info.key: record for info in ours if (record := self._known.record_of(info))
        }
        added = dict(_side_by_side(self._record, [info for info in ours if info.key not in records]))
        records |= {key: record for key, record in added.items() if record}
        known = self._worth_knowing(outlines, records)
        return Holdings(
            backups=tuple(self._backup(one, beside, records) for one in outlines.values()),
            problems=tuple(sorted(self._problems)),
            listed=self._listed,
            known=known,
            learned=sum(key in known.outlines for key in read) + sum(key in known.records for key in added),
        )

    def _worth_knowing(
        self, outlines: Mapping[str, Outline], records: Mapping[str, Record | UnreadableRecord]
    ) -> Known:
        small = {key: one for key, one in records.items() if self._listed[key].size <= LARGE_RECORD}
        return Known(
            outlines={key: (self._listed[key], one) for key, one in outlines.items()},
            records={
                key: (self._listed[key], one) for key, one in small.items() if not isinstance(one, UnreadableRecord)
            },
        )

    def _backup(
        self,
        outline: Outline,
        beside: Mapping[str, Sequence[ListedObject]],
        records: Mapping[str, Record | UnreadableRecord],
    ) -> Backup:
        listed = beside.get(records_prefix(outline.folder, outline.name), ())
        its = oldest_first(records[info.key] for info in listed if info.key in records)
        return Backup(outline, its, sidecar=partial(self._manifests.whole, outline))

    def _outline(self, info: ListedObject) -> tuple[str, Outline | None]:
        folder, _, file = info.key.partition("/")
        name = file.removesuffix(".json")
        try:
            return info.key, self._manifests.outline(Folder(folder), name)
        except ObjectNotFound:  # pruned between the listing and now: no backup any more
            return info.key, None
        except (DamagedArchive, HostileArchive, UnknownFormat, UnsafeKey) as error:
            self._problems.append(f"{info.key}: {error}")
            return info.key, None

    def _record(self, info: ListedObject) -> tuple[str, Record | UnreadableRecord | None]:
        return info.key, read_record(self._store, info.key)


def _sorted_out(listed: Iterable[ListedObject]) -> tuple[list[ListedObject], dict[str, list[ListedObject]]]:
    """Tell manifests from records, these by the beginning of their keys."""
    manifests: list[ListedObject] = []
    records: dict[str, list[ListedObject]] = {}
    for info in listed:
        if _SIDECAR.match(info.key):
            manifests.append(info)
        elif _RECORD.match(info.key):
            records.setdefault(info.key.rpartition("/")[0] + "/", []).append(info)
    return manifests, records


def _side_by_side(make: Callable[[_Given], _Made], given: Sequence[_Given]) -> Iterator[_Made]:
    if len(given) <= FEW:
        yield from map(make, given)
        return
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="catalog") as pool:
        yield from pool.map(make, given)
