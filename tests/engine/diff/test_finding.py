"""What a record's history promises: where it appeared, changed and vanished, from digests only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import LeftOut, Standing
from backup_engine.diff.description import describe_history
from backup_engine.diff.finding import RecordHistory, Sighting, find_change
from backup_engine.errors import UnknownCollection
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import NOON, Built
from tests.engine.diff.stage import backups_in, full, store_with
from tests.engine.places import overwrite
from tests.engine.restores import put, with_private, with_summary

A, B = ((1.0, 0.0, 0.0, 0.0), None), ((0.0, 1.0, 0.0, 0.0), None)
OTHER = {"other": A}


def series(*states) -> list[Built]:
    """A backup for each state of the record x: None for none."""
    return [backup(number, {"docs": OTHER | ({"x": state} if state else {})}) for number, state in enumerate(states, 1)]


def backup(number: int, collections, **clear) -> Built:
    return full(f"b{number}", collections, captured_at=NOON + timedelta(hours=number), **clear)


def history(*backups: Built, store: MemoryStore | None = None, record: str = "x") -> RecordHistory:
    held = store or store_with(*backups)
    return find_change(held, backups_in(held), "docs", record)


def told(found: RecordHistory) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.what.value, one.backup, one.after, one.same_as) for one in found.events]


def test_a_record_is_told_from_where_it_appears_to_where_it_vanishes() -> None:
    found = history(*series(None, A, A, B, B, None, A))
    assert told(found) == [
        ("appeared", "b2", "b1", None),
        ("changed", "b4", "b3", None),
        ("vanished", "b6", "b5", None),
        ("appeared", "b7", "b6", "b2"),
    ]
    assert (found.backups, found.there, found.not_told) == (7, True, ())


def test_a_record_that_was_always_there_is_told_as_that() -> None:
    assert told(history(*series(A, A))) == [("first", "b1", None, None)]


def test_a_record_that_never_was_there_has_no_history() -> None:
    found = history(*series(None, None))
    assert (found.events, found.there) == ((), False)
    assert "No backup has it." in describe_history(found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([None, A, B]), min_size=1, max_size=8))
def test_events_are_those_of_a_model(states) -> None:
    found = told(history(*series(*states)))
    expected, last = [], None
    for number, state in enumerate(states, 1):
        if state != last:
            kind = "vanished" if state is None else "changed" if last else "appeared" if number > 1 else "first"
            expected.append((kind, f"b{number}"))
        last = state
    assert [(kind, name) for kind, name, *_ in found] == expected


class Watched(MemoryStore):
    """A store that remembers what was read."""

    def __init__(self, *backups: Built) -> None:
        super().__init__()
        self.reads: list[tuple[str, int | None]] = []
        for one in backups:
            put(self, one)

    def read(self, key, *, offset=0, length=None):
        self.reads.append((key, length))
        return super().read(key, offset=offset, length=length)


def test_only_digests_are_read_and_each_state_once() -> None:
    backups = series(A, A, A, B)
    store = Watched(*backups)
    known = backups_in(store)
    store.reads.clear()
    found = find_change(store, known, "docs", "x")
    assert [one.what for one in found.events] == [Sighting.FIRST, Sighting.CHANGED]
    digests = {one.bytes for one in backups[0].sidecar.archive.entries if one.name.endswith("digests.parquet")}
    assert store.reads == [(f"daily/{name}.tar.gz", *digests) for name in ("b1", "b4")]


def test_a_collection_that_is_not_there_has_no_record_and_one_that_was_left_out_does_not_tell() -> None:
    before, dropped = series(A)[0], backup(2, {"notes": OTHER})
    left_out = with_private(backup(3, {"notes": OTHER}), left_out=(LeftOut(name="docs", reason="excluded"),))
    subset = backup(4, {"notes": OTHER}, whole_scope=False)
    found = history(before, dropped, left_out, subset)
    assert told(found) == [("first", "b1", None, None), ("vanished", "b2", "b1", None)]
    assert [(one.backup, one.reason) for one in found.not_told] == [
        ("b3", "the collection was left out: excluded"),
        ("b4", "the collection was not asked for"),
    ]


def test_an_incomplete_backup_tells_what_it_has_and_not_what_it_lacks() -> None:
    broken = {"standing": Standing.INCOMPLETE, "counted": 9}
    lacking, having = (with_summary(one, **broken) for one in series(None, A))
    found = history(lacking, having)
    assert told(found) == [("first", "b2", None, None)]
    assert found.not_told[0].reason == "it holds 1 of 9 records only"


def test_an_unreadable_collection_does_not_tell() -> None:
    gone = with_summary(series(A)[0], standing=Standing.UNREADABLE, state_digest="")
    assert [one.backup for one in history(gone).not_told] == ["b1"]


def test_a_damaged_archive_does_not_tell_and_another_of_the_same_state_does() -> None:
    backups = series(A, A, None)
    store = store_with(*backups)
    overwrite(store, "daily/b1.tar.gz", bytes(len(backups[0].data)))
    found = history(store=store)
    assert told(found) == [("first", "b2", None, None), ("vanished", "b3", "b2", None)]
    assert found.not_told[0].backup == "b1"
    assert found.not_told[0].reason.startswith("DamagedArchive")


def test_a_collection_that_no_backup_holds_is_refused() -> None:
    store = store_with(*series(A))
    with pytest.raises(UnknownCollection, match=r"'dcos'.*'docs'"):
        find_change(store, backups_in(store), "dcos", "x")


def test_the_last_good_point_is_named() -> None:
    said = describe_history(history(*series(A, A, B)))
    assert "b2 is the newest backup that has it as it was before it changed." in said
