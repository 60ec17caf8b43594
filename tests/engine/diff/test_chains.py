"""Time travel over incrementals: the same answers as over fulls, from little of what is stored."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest

from backup_engine.archive.manifest import Folder, archive_key
from backup_engine.catalog import Catalog
from backup_engine.chain import by_name
from backup_engine.diff.differing import diff_points
from backup_engine.diff.finding import find_change
from backup_engine.diff.live import diff_with_server
from backup_engine.diff.report import Verdict
from backup_engine.restore_point import open_restore_point
from backup_engine.synthesis import synthesize
from tests.engine.samples import some_records
from tests.engine.synthesis.scene import Scene
from tests.storage.faulty import FaultyStore


@cache
def scene() -> Scene:
    return Scene.of_five()


def point(name: str, store=None, of: Scene | None = None):
    one = of or scene()
    known = by_name(Catalog(one.store, one.clock).backups())
    return open_restore_point(store or one.store, known[name], known)


@pytest.mark.parametrize(("first", "second"), [*combinations(range(5), 2)])
def test_differences_between_incrementals_are_those_of_the_servers_states(first, second) -> None:
    a, b = scene().names[first], scene().names[second]
    found = {one.name: one for one in diff_points(point(a), point(b), ids=100).collections}
    for name, one in found.items():
        before, after = scene().states[a][name], scene().states[b][name]
        changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
        assert one.records.changed == len(changed), name
        assert one.examples.added == tuple(sorted(after.keys() - before.keys()))
        assert one.examples.deleted == tuple(sorted(before.keys() - after.keys()))
        named = {*one.examples.re_embedded, *one.examples.payload_only}
        assert named == changed


def test_records_are_looked_for_in_what_was_stored_last_and_no_further_than_needed() -> None:
    own = Scene()
    a = own.capture(incremental=False)
    own.server.upsert("docs", some_records([700, 701]))
    b = own.capture()
    store = FaultyStore(own.store)
    found = diff_points(point(a, store, own), point(b, store, own), ids=9)
    assert {one.name: one.examples.added for one in found.collections}["docs"] == ("r700", "r701")
    known = by_name(Catalog(own.store, own.clock).backups())
    whole = archive_key(known[a].folder, a)
    parts = sum("part-" in one.name for one in known[b].archive.entries)
    reads = [call.key for call in store.calls if call.method == "read"]
    assert (reads.count(whole), len(reads)) == (1, 2 + parts), "of the full its digests, of the delta these and a part"


def test_a_record_is_followed_through_incrementals_and_synthetic_fulls() -> None:
    own = Scene.of_five()
    made = synthesize(own.store, own.names[2], own.clock, "one")
    backups = Catalog(own.store, own.clock).backups()
    found = find_change(own.store, backups, "docs", "r11")
    assert [(one.what.value, one.backup) for one in found.events] == [
        ("first", own.names[0]),
        ("vanished", own.names[1]),
        ("appeared", own.names[3]),
    ]
    assert found.events[1].after == own.names[0]
    assert (found.backups, found.not_told) == (6, ())
    assert made.name in {one.name for one in backups}


def test_a_pointer_is_answered_by_the_backup_it_points_to() -> None:
    own = Scene()
    for number in range(3):
        own.server.upsert("docs", some_records([300 + number]))
        own.capture(incremental=number > 0)
    store = FaultyStore(own.store)
    found = find_change(store, Catalog(own.store, own.clock).backups(), "floats", "r3")
    assert [one.backup for one in found.events] == own.names[:1]
    assert len([call for call in store.calls if call.method == "read"]) == 1


def test_a_lost_link_silences_only_what_it_stored() -> None:
    own = Scene.of_five()
    known = Catalog(own.store, own.clock).backups()
    own.store.delete([archive_key(Folder.INCREMENTAL, own.names[1])])
    found = find_change(own.store, known, "docs", "r12")
    assert [one.backup for one in found.not_told] == [own.names[1]]
    assert [(one.what.value, one.backup, one.after) for one in found.events] == [
        ("first", own.names[0], None),
        ("vanished", own.names[2], own.names[0]),
    ]


def test_an_incremental_is_compared_with_the_live_server() -> None:
    own = Scene.of_five()
    assert diff_with_server(point(own.names[-1], of=own), own.server, own.clock).same
    own.server.upsert("docs", some_records([900]))
    own.server.erase("docs", ["r20"])
    found = diff_with_server(point(own.names[-1], of=own), own.server, own.clock, ids=3)
    docs = next(one for one in found.collections if one.name == "docs")
    assert (docs.verdict, docs.examples.added, docs.examples.deleted) == (Verdict.CHANGED, ("r900",), ("r20",))
