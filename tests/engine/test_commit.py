"""A capture becomes a backup that says what it is, under a name of its own, at most one a run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState, Folder
from backup_engine.archive.reading import load_sidecar
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.catalog import Catalog
from backup_engine.commit import commit_capture
from backup_engine.errors import (
    CaptureRefused,
    InvalidInput,
    NothingToBackUp,
    RequestRefused,
    StoreNotInitialised,
    WrongStore,
)
from backup_engine.lease import acquire
from backup_engine.records import acknowledge_backup
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time, capture, keys, new_store, only_backup, request, stored_content, words
from tests.engine.memory_server import MemoryServer


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def store(clock):
    return new_store(clock)


@pytest.fixture
def server(clock) -> MemoryServer:
    made = MemoryServer(clock=clock)
    made.fill("docs", 120, dimension=4)
    made.fill("papers", 60, dimension=4)
    made.create_alias("current", "docs")
    made.flush()
    clock.pass_by(days=1)
    return made


def exported(server, store, clock, run="run", attempt="a1", **changes):
    """Plan and export everything, and commit nothing yet."""
    prepared = prepare_capture(request(run, **changes), server, store, clock, attempt)
    word = words(f"{attempt}-")
    streams = range(prepared.streams)
    return prepared.plan_key, [
        export_stream(prepared.plan_key, n, server, store, clock, word()).result_key for n in streams
    ]


def test_a_backup_holds_exactly_what_the_server_holds_and_leaves_nothing_in_staging(server, store, clock):
    committed = capture(server, store, clock, label="before the upgrade")
    backup = only_backup(store, clock)
    assert stored_content(store, backup.folder, backup.name) == {name: server.content(name) for name in server.live}
    assert keys(store, ".staging/") == []
    private = backup.manifest.private
    assert (private.label, private.aliases) == ("before the upgrade", {"current": "docs"})
    assert (committed.name, committed.state, committed.vectors) == (backup.name, BackupState.GOOD, 180)
    assert committed.bytes == store.stat(f"{backup.folder.value}/{backup.name}.tar.gz").size


def test_times_say_when_reading_began_and_when_it_ended(server, store, clock):
    began = clock()
    server.on_page = lambda name, page: clock.pass_by(minutes=2)
    committed = capture(server, store, clock)
    assert (committed.started_at, committed.captured_at) == (began, began + timedelta(minutes=4))


def test_a_clock_that_goes_back_never_lets_a_capture_end_before_it_began(server, store, clock):
    began = clock()
    server.on_page = lambda name, page: clock.pass_by(minutes=-30)
    committed = capture(server, store, clock)
    assert committed.captured_at == committed.started_at == began


def test_one_month_of_daily_fulls_lies_in_the_folders_they_qualify_for(server, store, clock):
    clock.pass_by(days=8)  # Tuesday 1 December
    places = []
    for day in range(15):
        committed = capture(server, store, clock, f"day {day}")
        places.append(f"{committed.folder.value} {committed.name.removeprefix('backup-')}")
        clock.pass_by(days=1)
    assert places == [
        "monthly 202612", *(f"daily 202612{day:02d}" for day in range(2, 7)),
        "weekly 20261207", *(f"daily 202612{day:02d}" for day in range(8, 14)),
        "weekly 20261214", "daily 20261215",
    ]  # fmt: skip


def test_a_second_full_of_a_day_is_named_by_its_second_and_a_subset_too(server, store, clock):
    names = [capture(server, store, clock, "first").name]
    clock.pass_by(hours=1)
    names += [capture(server, store, clock, "second").name, capture(server, store, clock, "third").name]
    names += [capture(server, store, clock, "subset", collections=("docs",)).name]
    assert names == [
        "backup-202611",
        "backup-20261123-030000",
        "backup-20261123-030000-2",
        "backup-20261123-030000-3",
    ]


def test_partial_suspect_and_subset_backups_never_hold_a_slots_name(server, store, clock):
    server.broken["papers"] = RequestRefused("broken", status=500)
    partial = capture(server, store, clock, "partial")
    server.broken.clear()
    suspect = capture(server, store, clock, "suspect", suspicions=("it never settled",))
    subset = capture(server, store, clock, "subset", collections=("docs",))
    good = capture(server, store, clock, "good")
    assert [one.folder for one in (partial, suspect, subset, good)] == [Folder.DAILY] * 3 + [Folder.MONTHLY]
    assert [one.state for one in (partial, suspect, subset, good)] == ["partial", "suspect", "good", "good"]


def test_a_partial_backup_keeps_what_could_be_read_and_says_what_could_not(server, store, clock):
    server.broken["papers"] = RequestRefused("the server says no", status=400)
    committed = capture(server, store, clock)
    backup = only_backup(store, clock)
    assert committed.state is backup.state is BackupState.PARTIAL
    assert committed.reasons == ("'papers' is unreadable: the server says no",)
    stored = stored_content(store, backup.folder, backup.name)
    assert stored == {"docs": server.content("docs"), "papers": {}}


def test_a_collection_dropped_meanwhile_is_recorded_and_does_not_make_the_backup_partial(server, store, clock):
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    server.drop("papers")
    key = export_stream(prepared.plan_key, 0, server, store, clock, "e").result_key
    committed = commit_capture(prepared.plan_key, [key], store, clock)
    assert committed.state is BackupState.GOOD
    private = only_backup(store, clock).manifest.private
    assert private.dropped == ("papers",)
    assert [one.name for one in private.collections] == ["docs"]


def test_a_collection_gone_since_the_last_good_backup_makes_this_one_suspect_until_somebody_accepts_it(
    server, store, clock
):
    capture(server, store, clock, "first")
    server.drop("papers")
    clock.pass_by(days=1)
    suspect = capture(server, store, clock, "second")
    assert suspect.state is BackupState.SUSPECT
    assert "'papers' is gone" in suspect.reasons[0]
    clock.pass_by(days=1)
    assert capture(server, store, clock, "third").state is BackupState.SUSPECT, "measured by the newest good one"
    acknowledge_backup(store, suspect.folder, suspect.name, why="moved away", clock=clock, token="t", by="ann")
    clock.pass_by(days=1)
    assert capture(server, store, clock, "fourth").state is BackupState.GOOD


def test_a_scope_without_a_vector_is_backed_up_only_when_that_was_allowed_and_the_manifest_says_so(store, clock):
    server = MemoryServer(clock=clock)
    with pytest.raises(NothingToBackUp):
        capture(server, store, clock, "refused")
    committed = capture(server, store, clock, "allowed", allow_empty=True)
    clear = load_sidecar(store, committed.folder, committed.name).manifest.clear
    assert (committed.state, clear.collections, clear.allowed_empty) == (BackupState.GOOD, (), True)
    assert keys(store, ".staging/") == []


def test_allowing_an_empty_backup_does_not_mark_a_full_one(server, store, clock):
    capture(server, store, clock, allow_empty=True)
    assert not only_backup(store, clock).manifest.clear.allowed_empty


def test_a_server_that_lost_everything_is_never_good_even_if_empty_is_allowed(server, store, clock):
    capture(server, store, clock, "first")
    server.drop("docs")
    server.drop("papers")
    assert capture(server, store, clock, "second", allow_empty=True).state is BackupState.SUSPECT


def test_a_capture_that_could_read_nothing_is_not_committed(server, store, clock):
    server.broken |= {name: RequestRefused("no", status=400) for name in ("docs", "papers")}
    with pytest.raises(NothingToBackUp, match=r"not a single record.*2 collections that counted 180 vectors"):
        capture(server, store, clock)
    assert Catalog(store, clock).backups() == ()
    assert keys(store, "names/") == []


# --------------------------------------------------------------- restores meanwhile


def test_a_restore_that_runs_at_commit_refuses_the_capture(server, store, clock):
    plan, results = exported(server, store, clock)
    with (
        acquire(store, "restore", "restore 0123456789ab", timedelta(hours=1), clock),
        pytest.raises(CaptureRefused, match="restores now"),
    ):
        commit_capture(plan, results, store, clock)
    assert Catalog(store, clock).backups() == ()


def test_a_restore_that_came_and_went_meanwhile_refuses_the_capture_too(server, store, clock):
    plan, results = exported(server, store, clock)
    acquire(store, "restore", "restore 0123456789ab", timedelta(hours=1), clock).release()
    with pytest.raises(CaptureRefused, match="a restore ran"):
        commit_capture(plan, results, store, clock)
    assert capture(server, store, clock, "after it").state is BackupState.GOOD


def test_a_restore_after_the_commit_has_begun_does_not_matter(server, store, clock):
    first = capture(server, store, clock)
    with acquire(store, "restore", "restore 0123456789ab", timedelta(hours=1), clock):
        assert capture_again(server, store, clock) == first


def capture_again(server, store, clock):
    plan = f".staging/{request().run_key}/late/plan.json"
    return commit_capture(plan, [], store, clock)


# --------------------------------------------------------------- what must not be committed


def test_results_of_another_plan_or_too_few_or_twice_are_refused(server, store, clock):
    plan, (first, second) = exported(server, store, clock)
    with pytest.raises(CaptureRefused, match="one result of each stream"):
        commit_capture(plan, [first], store, clock)
    with pytest.raises(CaptureRefused, match="one result of each stream"):
        commit_capture(plan, [first, first], store, clock)
    server.fill("third", 500)
    _, others = exported(server, store, clock, attempt="a2")
    with pytest.raises(CaptureRefused, match="not those of the plan"):
        commit_capture(plan, others, store, clock)
    assert commit_capture(plan, [second, first], store, clock).state is BackupState.GOOD


def test_a_place_that_is_no_store_or_another_store_is_refused(server, store, clock):
    plan, results = exported(server, store, clock)
    with pytest.raises(StoreNotInitialised):
        commit_capture(plan, results, MemoryStore(), clock)
    store.delete(["store.json"])
    init_store(store, "production", clock, lambda: "another")
    with pytest.raises(WrongStore):
        commit_capture(plan, results, store, clock)


@pytest.mark.parametrize("key", ["plan.json", ".staging/../x/plan.json", ".staging/0123456789abcdef/a/b/plan.json"])
def test_what_is_no_plans_key_is_refused(store, clock, key):
    with pytest.raises(InvalidInput, match="not where a plan lies"):
        commit_capture(key, [], store, clock)


def test_a_run_whose_staging_was_swept_says_that_it_must_begin_again(server, store, clock):
    plan, results = exported(server, store, clock)
    store.delete(keys(store, ".staging/"))
    with pytest.raises(CaptureRefused, match="start a new"):
        commit_capture(plan, results, store, clock)


# --------------------------------------------------------------- one backup a run


def test_a_run_that_is_cleared_and_runs_again_makes_no_second_backup(server, store, clock):
    first = capture(server, store, clock)
    server.fill("docs", 50, dimension=4, first=500)
    clock.pass_by(hours=3)
    assert capture(server, store, clock, prefix="again") == first
    assert only_backup(store, clock).name == first.name


def test_a_late_export_after_the_commit_is_harmless(server, store, clock):
    prepared = prepare_capture(request(streams=1), server, store, clock, "a1")
    result = export_stream(prepared.plan_key, 0, server, store, clock, "first").result_key

    def commit_meanwhile(name, page):
        server.on_page = lambda name, page: None
        commit_capture(prepared.plan_key, [result], store, clock)

    server.on_page = commit_meanwhile
    late = export_stream(prepared.plan_key, 0, server, store, clock, "zombie")
    backup = only_backup(store, clock)
    assert stored_content(store, backup.folder, backup.name).keys() == {"docs", "papers"}
    assert commit_capture(prepared.plan_key, [late.result_key], store, clock).name == backup.name
    assert only_backup(store, clock) == backup
    assert keys(store, ".staging/") == []
    with pytest.raises(CaptureRefused, match="has made its backup already"):
        export_stream(prepared.plan_key, 0, server, store, clock, "later still")


def test_a_run_finds_its_backup_even_where_the_pointer_to_it_is_lost(server, store, clock):
    plan, results = exported(server, store, clock)
    first = commit_capture(plan, results, store, clock)
    store.delete(keys(store, "names/runs/"))
    plan, results = exported(server, store, clock, attempt="a2")
    assert commit_capture(plan, results, store, clock) == first
    assert only_backup(store, clock).name == first.name
