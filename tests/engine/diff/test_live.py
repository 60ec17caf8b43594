"""What the difference between a backup and a live server promises."""

from __future__ import annotations

import pytest

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.diff.live import diff_with_server
from backup_engine.diff.report import Verdict
from backup_engine.errors import CollectionMoved, CollectionNotFound, UnknownCollection
from backup_engine.restore.names import before_name
from tests.engine.captures import Time
from tests.engine.diff.stage import only, point_in, store_with
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import backup_of, with_manifest
from tests.engine.samples import some_records

NAME = "backup-20261122"


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer(page_records=7, batch_records=5)
    made.fill("docs", 40)
    made.fill("notes", 12)
    return made


def point_of(server: MemoryServer, *names: str, **clear):
    """Back these up, with the times that the server tells."""
    built = backup_of(server, *names, **clear)
    manifest, created = built.sidecar.manifest, {one.name: one.created_at for one in server.collections()}
    summaries = tuple(
        summary.model_copy(update={"created_at": created[private.name]}) for summary, private in manifest.each()
    )
    found = manifest.model_copy(update={"clear": manifest.clear.model_copy(update={"collections": summaries})})
    return point_in(store_with(with_manifest(built, found)), NAME)


def diff(server: MemoryServer, point, **options):
    return diff_with_server(point, server, Time(), **options)


def test_a_server_that_holds_the_backup_does_not_differ(server) -> None:
    found = diff(server, point_of(server))
    assert (found.same, found.second.name) == (True, "memory://server")
    assert [(one.name, one.before, one.after, one.remarks) for one in found.collections] == [
        ("docs", 40, 40, ()),
        ("notes", 12, 12, ()),
    ]


def test_what_was_written_since_is_counted_and_named(server) -> None:
    point = point_of(server)
    server.erase("docs", ["r3", "r4"])
    server.fill("docs", 3, first=100)
    old = some_records([7, 8], seed=99)
    server.upsert("docs", old)
    kept = server.retrieve("docs", ["r9"])
    server.upsert("docs", make_batch(["r9"], vectors_of(kept).copy(), ['{"other":1}']))
    found = diff(server, point, ids=5)
    docs, notes = found.collections
    assert (docs.records.added, docs.records.deleted, docs.before, docs.after) == (3, 2, 40, 41)
    assert docs.examples.added == ("r100", "r101", "r102")
    assert docs.examples.deleted == ("r3", "r4")
    assert set(docs.examples.re_embedded) >= {"r7", "r8"}
    assert "r9" in {*docs.examples.re_embedded, *docs.examples.payload_only}
    assert docs.records.changed == 3
    assert (notes.verdict, notes.records.any) == (Verdict.SAME, False)


def test_each_collection_of_the_backup_is_read_once_and_no_other_is_named(server) -> None:
    point = point_of(server, "docs", whole_scope=False)
    server.fill(before_name("docs", "0123456789ab"), 3)
    server.calls.clear()
    found = diff(server, point)
    assert [one.name for one in found.collections] == ["docs"]
    assert {name for _, name in server.calls if name} == {"docs"}


def test_what_restores_hold_aside_is_not_called_new(server) -> None:
    point = point_of(server)
    server.fill(before_name("docs", "0123456789ab"), 3)
    server.fill("new", 2)
    found = diff(server, point, collections=())
    assert {one.name: one.verdict for one in found.collections} == {
        "docs": Verdict.SAME,
        "new": Verdict.ADDED,
        "notes": Verdict.SAME,
    }


def test_a_collection_that_is_gone_is_told_and_never_asked_for(server) -> None:
    point = point_of(server)
    server.delete_collection("notes")
    server.calls.clear()
    found = diff(server, point)
    assert {one.name: one.verdict for one in found.collections}["notes"] is Verdict.REMOVED
    assert ("configuration", "notes") not in server.calls
    assert "notes" not in server.live


def test_writers_between_the_pages_are_said_and_do_not_stop_it(server) -> None:
    point = point_of(server)
    server.on_page = lambda name, page: server.upsert(name, some_records([1000 + page]))
    found = diff(server, point, collections=["docs"])
    assert "written to while it was read" in only(found).remarks[0]
    server.on_page = lambda name, page: None


def test_a_collection_that_vanishes_while_it_is_compared_is_unknown(server) -> None:
    point = point_of(server)
    server.broken["docs"] = CollectionNotFound("gone", status=404)
    found = diff(server, point)
    assert {one.name: one.verdict for one in found.collections} == {"docs": Verdict.UNKNOWN, "notes": Verdict.SAME}


def test_a_reading_that_is_worth_nothing_is_tried_again_and_not_for_ever(server) -> None:
    point = point_of(server)
    server.broken["docs"] = CollectionMoved("it moved")
    with pytest.raises(CollectionMoved):
        diff(server, point)


def test_a_restarted_server_is_told_as_that(server) -> None:
    point = point_of(server)
    found = diff(server, point)
    assert found.same
    server.flush()
    server.restart()
    again = diff(server, point)
    assert all("the server was started meanwhile" in one.remarks[0] for one in again.collections)


def test_a_name_that_neither_has_is_refused(server) -> None:
    with pytest.raises(UnknownCollection, match="'dcos'"):
        diff(server, point_of(server), collections=["dcos"])
