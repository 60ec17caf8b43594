"""An incremental is committed on chains that are whole then, beside a full that is captured, and once a run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupKind, BackupState, Content, Folder, sidecar_key
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.catalog import Catalog
from backup_engine.chain import breaks, by_name
from backup_engine.commit import commit_capture
from backup_engine.errors import CaptureRefused, ChainBrokenMeanwhile, StoreDenied
from backup_engine.lease import acquire
from backup_engine.records import Verification, VerificationLevel, acknowledge_backup
from backup_engine.run_key import run_key
from tests.engine.captures import Time, capture, keys, new_store, request, words
from tests.engine.meanwhile import Meanwhile
from tests.engine.memory_server import MemoryServer
from tests.engine.points import content_of, point_of
from tests.storage.faulty import Fault, FaultyStore, Killed


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def store(clock):
    return new_store(clock)


@pytest.fixture
def server(clock, store):
    made = MemoryServer(clock=clock)
    made.fill("docs", 60, dimension=4)
    made.fill("papers", 20, dimension=4)
    made.flush()
    clock.pass_by(days=1)
    return made


def incremental(server, store, clock, run: str, **changes):
    clock.pass_by(minutes=10)
    return capture(server, store, clock, run, incremental=True, **changes)


def exported(server, store, clock, run: str, *, incremental: bool = True):
    prepared = prepare_capture(request(run, streams=1, incremental=incremental), server, store, clock, f"{run}-a")
    word = words(f"{run}-")
    return prepared.plan_key, [export_stream(prepared.plan_key, 0, server, store, clock, word()).result_key]


def manifest(store, clock, name: str):
    return by_name(Catalog(store, clock).backups())[name].manifest


def assert_restorable(server, store, clock, name: str) -> None:
    assert content_of(point_of(store, clock, name)) == {one: server.content(one) for one in server.live}


def test_the_first_incremental_of_a_store_is_a_full_that_takes_its_slot_and_says_why(server, store, clock):
    made = capture(server, store, clock, "one", incremental=True)
    assert (made.kind, made.folder, made.name) == (BackupKind.FULL, Folder.MONTHLY, "backup-202611")
    assert manifest(store, clock, made.name).private.remarks == (
        "an incremental was asked for, and this is a full",
        "stored whole: there is no good backup of the whole scope to build on",
    )


def test_an_incremental_is_named_by_its_second_takes_no_slot_and_records_which_restore_was_the_last(
    server, store, clock
):
    capture(server, store, clock, "full")
    clock.pass_by(days=1)
    server.fill("docs", 1, first=100, dimension=4)
    made = incremental(server, store, clock, "one")
    assert (made.kind, made.folder, made.name) == (
        BackupKind.INCREMENTAL,
        Folder.INCREMENTAL,
        f"backup-{clock():%Y%m%d-%H%M%S}",
    )
    assert manifest(store, clock, made.name).clear.restore_fencing == 0
    assert capture(server, store, clock, "next").name == f"backup-{clock():%Y%m%d}"


def test_a_base_that_is_deleted_while_the_server_is_read_makes_the_run_begin_again(server, store, clock):
    full = capture(server, store, clock, "full")
    server.fill("docs", 2, first=100, dimension=4)

    def on_page(name, page):
        store.delete([sidecar_key(full.folder, full.name)])

    server.on_page = on_page
    made = incremental(server, store, clock, "one")
    assert (made.kind, made.state) == (BackupKind.FULL, BackupState.GOOD)
    assert_restorable(server, store, clock, made.name)


def test_a_chain_that_broke_before_the_commit_is_named_and_nothing_is_committed(server, store, clock):
    full = capture(server, store, clock, "full")
    server.fill("docs", 2, first=100, dimension=4)
    clock.pass_by(minutes=10)
    plan, results = exported(server, store, clock, "one")
    store.delete([sidecar_key(full.folder, full.name)])
    with pytest.raises(ChainBrokenMeanwhile, match=f"{full.name}, which it was compared with, is gone"):
        commit_capture(plan, results, store, clock)
    assert Catalog(store, clock).backups() == ()
    assert [key for key in keys(store, "names/") if run_key("one") in key] == []


def test_a_base_that_is_found_damaged_before_the_commit_is_not_built_on(server, store, clock):
    full = capture(server, store, clock, "full")
    server.fill("docs", 2, first=100, dimension=4)
    clock.pass_by(minutes=10)
    plan, results = exported(server, store, clock, "one")
    failed = Verification(
        at=clock(),
        token="t",
        level=VerificationLevel.QUICK,
        passed=False,
        entries=1,
        vectors=1,
        bytes=1,
        seconds=1,
        host="h",
    )
    store.create(f"{full.folder}/{full.name}.records/verification-t.json", [failed.model_dump_json().encode()])
    with pytest.raises(ChainBrokenMeanwhile, match="was found damaged meanwhile"):
        commit_capture(plan, results, store, clock)
    made = incremental(server, store, clock, "again")
    assert made.kind is BackupKind.FULL
    assert any("was found damaged" in one for one in manifest(store, clock, made.name).private.remarks)


def test_a_commit_that_had_begun_is_not_gone_on_with_when_its_chain_broke(server, store, clock):
    full = capture(server, store, clock, "full")
    server.fill("docs", 2, first=100, dimension=4)
    clock.pass_by(minutes=10)
    plan, results = exported(server, store, clock, "one")
    died = FaultyStore(store, Fault(1, "after", only=frozenset({"create"})))  # the decision is the first it writes
    with pytest.raises(Killed):
        commit_capture(plan, results, died, clock)
    assert f".staging/{run_key('one')}/commit.json" in keys(store)
    store.delete([sidecar_key(full.folder, full.name)])
    with pytest.raises(CaptureRefused, match=r"began to commit, and .* is gone; start a new run"):
        commit_capture(plan, results, store, clock)
    assert Catalog(store, clock).backups() == ()


def test_incrementals_go_on_while_a_full_is_captured_and_both_serve(server, store, clock):
    capture(server, store, clock, "full")
    clock.pass_by(days=1)
    plan, results = exported(server, store, clock, "second-full", incremental=False)
    server.fill("docs", 3, first=100, dimension=4)
    between = incremental(server, store, clock, "between")
    held_between = {name: server.content(name) for name in server.live}
    full = commit_capture(plan, results, store, clock)
    server.erase("docs", ["r1"])
    after = incremental(server, store, clock, "after")
    assert [between.kind, full.kind, after.kind] == ["incremental", "full", "incremental"]
    known = by_name(Catalog(store, clock).backups())
    assert [breaks(known[one.name], known) for one in (between, full, after)] == [()] * 3
    assert content_of(point_of(store, clock, between.name)) == held_between
    assert_restorable(server, store, clock, after.name)


def test_after_a_restore_an_incremental_is_a_full(server, store, clock):
    capture(server, store, clock, "full")
    acquire(store, "restore", "restore 0123456789ab", timedelta(minutes=2), clock).release()
    made = incremental(server, store, clock, "one")
    assert made.kind is BackupKind.FULL
    assert any("a restore changed the server since" in one for one in manifest(store, clock, made.name).private.remarks)
    assert incremental(server, store, clock, "two").kind is BackupKind.INCREMENTAL


def test_after_a_restart_of_the_server_an_incremental_is_a_full(server, store, clock):
    capture(server, store, clock, "full")
    server.restart()
    made = incremental(server, store, clock, "one")
    assert made.kind is BackupKind.FULL
    assert_restorable(server, store, clock, made.name)


def test_a_restore_while_it_is_read_makes_the_run_begin_again_as_a_full(server, store, clock):
    capture(server, store, clock, "full")
    server.live["docs"].touch()

    def on_page(name, page):
        server.on_page = lambda name, page: None
        lease = acquire(store, "restore", "restore 0123456789ab", timedelta(minutes=2), clock)
        server.fill("docs", 5, first=900, dimension=4)
        lease.release()

    server.on_page = on_page
    made = incremental(server, store, clock, "one")
    assert (made.kind, made.state) == (BackupKind.FULL, BackupState.GOOD)
    assert_restorable(server, store, clock, made.name)


def test_what_shrank_is_suspect_and_never_a_base_until_somebody_accepts_it(server, store, clock):
    full = capture(server, store, clock, "full")
    server.erase("docs", [f"r{number}" for number in range(50)])
    doubted = incremental(server, store, clock, "one")
    assert (doubted.kind, doubted.state, doubted.vectors) == (BackupKind.INCREMENTAL, BackupState.SUSPECT, 30)
    again = incremental(server, store, clock, "two")
    bases = {one.base.name for one in manifest(store, clock, again.name).clear.collections}
    assert bases == {full.name}
    acknowledge_backup(store, again.folder, again.name, why="meant", clock=clock, token="t")
    server.fill("docs", 1, first=100, dimension=4)
    third = incremental(server, store, clock, "three")
    assert third.state is BackupState.GOOD
    assert manifest(store, clock, third.name).clear.collections[0].number == 2
    assert_restorable(server, store, clock, third.name)


def test_a_run_makes_one_incremental_whatever_is_retried(server, store, clock):
    capture(server, store, clock, "full")
    server.fill("docs", 1, first=100, dimension=4)
    made = incremental(server, store, clock, "one")
    server.fill("docs", 1, first=101, dimension=4)
    assert capture(server, store, clock, "one", prefix="again", incremental=True) == made
    assert len(Catalog(store, clock).backups()) == 2
    assert keys(store, ".staging/") == []


def test_a_dropped_collection_is_not_in_the_next_point_and_a_new_one_is(server, store, clock):
    capture(server, store, clock, "full")
    server.drop("papers")
    server.fill("new", 5, dimension=3)
    made = incremental(server, store, clock, "one")
    contents = {private.name: one.content for one, private in manifest(store, clock, made.name).each()}
    assert contents == {"docs": Content.SAME, "new": Content.WHOLE}
    assert_restorable(server, store, clock, made.name)


class NothingIsDeleted(Meanwhile):
    """A store whose credentials may write and not delete."""

    def delete(self, keys):
        raise StoreDenied(f"not allowed to delete {[*keys]}")


def test_where_nothing_may_be_deleted_an_incremental_is_made_all_the_same_and_says_what_is_left_over(
    server, store, clock
):
    capture(server, store, clock, "full")
    server.live["docs"].touch()  # read, found the same, and its fragment is not needed
    made = incremental(server, NothingIsDeleted(store), clock, "one")
    assert (made.kind, made.state) == (BackupKind.INCREMENTAL, BackupState.GOOD)
    assert "not allowed to delete" in made.left_over
    assert_restorable(server, store, clock, made.name)
