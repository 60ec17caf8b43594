"""A restore brings a backup back: what is restored equals the backup, and nothing else on the server moves."""

from __future__ import annotations

import numpy as np
import pytest

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.errors import (
    ComparisonFailed,
    DamagedArchive,
    InvalidInput,
    LeaseHeld,
    LeaseLost,
    NotFlushed,
    RestoreRefused,
    ServerFault,
    Unsupported,
)
from backup_engine.lease import acquire, held_by
from backup_engine.model import Hnsw, Metric, Quantization
from backup_engine.restore.description import describe_report
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.guard import DURATION, LEASE
from backup_engine.restore.journal import keep_plan
from backup_engine.restore.names import aside_name, before_name
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.request import RestoreMode
from tests.engine.captures import Time, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import ID, backup_of, everything, planned, put, reader_of, request, restore
from tests.engine.samples import some_records
from tests.tables import squeezed

NEW, MERGE, REPLACE = RestoreMode.NEW, RestoreMode.MERGE, RestoreMode.REPLACE


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def server(clock):
    made = MemoryServer(clock=clock, provider_dimension=8)
    made.fill("docs", 50)
    made.fill("notes", 20, metric=Metric.EUCLIDEAN)
    made.fill("raw", 10, metric=Metric.DOT, quantization=Quantization.NONE)
    made.fill("other", 15, seed=9)
    made.flush()
    return made


def damage(server: MemoryServer, name: str) -> None:
    server.erase(name, ["r0", "r1"])
    server.fill(name, 5, first=500, seed=3)
    server.write(name, some_records([7], seed=99))


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("quantization", [Quantization.NONE, Quantization.SQ8, Quantization.BINARY])
def test_what_comes_back_is_what_was_backed_up(clock, metric, quantization):
    source = MemoryServer(clock=clock, provider_dimension=8)
    source.fill("docs", 200, metric=metric, quantization=quantization)
    target = MemoryServer(clock=clock, provider_dimension=8)
    report = restore(backup_of(source), target)
    assert (report.vectors, report.compared) == (200, 200)
    assert target.configuration("docs") == source.configuration("docs")
    mine, theirs = source.content("docs"), target.content("docs")
    assert {key: payload for key, (_, payload) in mine.items()} == {
        key: payload for key, (_, payload) in theirs.items()
    }
    assert list(mine) == list(theirs)
    if metric is not Metric.COSINE:
        assert mine == theirs
        assert report.collections[0].exact == 200


def test_every_collection_comes_back_to_an_empty_server(server, clock):
    target = MemoryServer(clock=clock, provider_dimension=8)
    report = restore(backup_of(server), target)
    assert sorted(target.live) == ["docs", "notes", "other", "raw"]
    assert report.compared == report.vectors == 95
    assert report.flushed
    assert sorted(target.saved) == ["docs", "notes", "other", "raw"]
    assert target.aliases() == {}


def test_replace_makes_the_collection_equal_to_the_backup_and_keeps_the_replaced_one(server):
    built, then = backup_of(server), server.content("notes")
    damage(server, "notes")
    damaged = server.content("notes")
    report = restore(built, server, REPLACE, collections=("notes",))
    assert server.content("notes") == then
    assert server.content(before_name("notes", ID)) == damaged
    assert [(item.kept_as, item.vectors_replaced) for item in report.collections] == [(before_name("notes", ID), 23)]
    assert any(f"vectorizer-backup release {ID}" in note for note in report.notes)
    assert sorted(server.saved) == sorted(server.live)


def test_replace_of_one_leaves_every_other_collection_byte_equal(server):
    built = backup_of(server)
    others = {name: (server.content(name), server.live[name].updated_at) for name in ("docs", "raw", "other")}
    damage(server, "notes")
    restore(built, server, REPLACE, collections=("notes",))
    assert {name: (server.content(name), server.live[name].updated_at) for name in others} == others


def test_replace_of_everything_leaves_collections_alone_that_the_backup_does_not_have(server):
    built = backup_of(server, "docs", "notes")
    damage(server, "notes")
    before = server.content("other")
    restore(built, server, REPLACE)
    assert server.content("other") == before


def test_merge_writes_what_the_backup_has_and_deletes_nothing(server):
    built, then = backup_of(server), server.content("notes")
    damage(server, "notes")
    added = set(server.content("notes")) - set(then)
    report = restore(built, server, MERGE, collections=("notes",))
    now = server.content("notes")
    assert {key: now[key] for key in then} == then
    assert set(now) == set(then) | added
    assert (report.vectors, report.compared) == (20, 20)
    assert "delete_records" not in {method for method, _ in server.calls}
    assert "delete_collection" not in {method for method, _ in server.calls}


def test_restored_under_another_name_it_stands_beside_the_live_one(server):
    built = backup_of(server)
    damage(server, "notes")
    damaged = server.content("notes")
    restore(built, server, rename={"notes": "notes of last week"}, collections=("notes",))
    assert len(server.content("notes of last week")) == 20
    assert server.content("notes") == damaged
    assert server.aliases() == {}


def test_metric_and_index_settings_are_those_of_the_backup(server, clock):
    kept = server.live["notes"].configuration.model_copy(update={"hnsw": Hnsw(m=8, ef_construct=64, ef_search=32)})
    server.live["notes"].configuration = kept
    built = backup_of(server, "notes")
    saved = built.sidecar.manifest.private.collections[0].model_copy(update={"configuration": kept})
    private = built.sidecar.manifest.private.model_copy(update={"collections": (saved,)})
    manifest = built.sidecar.manifest.model_copy(update={"private": private})
    target = MemoryServer(clock=clock, provider_dimension=8)
    plan = prepare_restore(request(), manifest, target, new_store(clock))
    execute_restore(plan, built.reader(), target, None, clock, owner="a test")
    assert target.configuration("notes") == kept


def test_an_empty_collection_comes_back_empty(clock):
    source = MemoryServer(clock=clock)
    source.fill("void", 0)
    source.fill("docs", 3)
    target = MemoryServer(clock=clock)
    report = restore(backup_of(source), target)
    assert {name: len(target.content(name)) for name in target.live} == {"void": 0, "docs": 3}
    assert report.flushed


def test_a_server_without_any_vector_cannot_flush_and_the_result_says_so(clock):
    source = MemoryServer(clock=clock)
    source.fill("void", 0)
    target = MemoryServer(clock=clock)
    report = restore(backup_of(source, allowed_empty=True), target)
    assert not report.flushed
    assert any("no vector at all" in note for note in report.notes)
    assert "NOT on the server's disk" in describe_report(report)
    assert list(target.live) == ["void"]


def test_an_unconfirmed_flush_beside_vectors_is_a_failure(server, clock):
    class Stubborn(MemoryServer):
        def flush(self) -> None:
            raise NotFlushed("flushed: false")

    target = Stubborn(clock=clock, provider_dimension=8)
    with pytest.raises(NotFlushed):
        restore(backup_of(server), target)


def test_irregular_records_are_left_behind_and_counted(clock):
    source = MemoryServer(clock=clock)
    source.fill("docs", 10, metric=Metric.EUCLIDEAN)
    vectors = np.full((1, 8), 1e30, np.float32)
    vectors[0, 0] = np.inf
    source.write("docs", make_batch(["odd"], vectors, [None]))
    built = backup_of(source)
    assert built.sidecar.manifest.private.collections[0].irregular == ("odd",)
    target = MemoryServer(clock=clock)
    report = restore(built, target)
    assert [(item.vectors, item.left_behind, item.exact) for item in report.collections] == [(10, 1, 10)]
    assert any("cannot be put back" in warning for warning in report.warnings)
    assert "odd" not in target.content("docs")


def test_aliases_are_made_again_and_those_of_a_replaced_collection_follow(server):
    server.create_alias("prod", "notes")
    built = backup_of(server, aliases={"prod": "notes", "old": "docs"})
    report = restore(built, server, REPLACE, collections=("notes",))
    assert server.aliases() == {"prod": "notes"}
    assert report.aliases == {"prod": "notes"}
    server.drop("docs")
    restore(built, server, collections=("docs",), restore_id="f" * 12)
    assert server.aliases() == {"prod": "notes", "old": "docs"}


def test_an_alias_that_somebody_took_meanwhile_is_a_note_and_no_failure(server, clock):
    built = backup_of(server, aliases={"old": "docs"})
    target = MemoryServer(clock=clock, provider_dimension=8)
    plan = planned(built, target)
    target.fill("busy", 1)
    target.create_alias("old", "busy")
    report = execute_restore(plan, built.reader(), target, None, clock, owner="a test")
    assert report.aliases == {}
    assert any("'old'" in note for note in report.notes)


def test_a_server_that_cannot_rename_is_loaded_in_place(server, clock):
    target = MemoryServer(clock=clock, provider_dimension=8, version="3.2.0")
    restore(backup_of(server), target)
    assert sorted(target.live) == ["docs", "notes", "other", "raw"]
    assert "rename_collection" not in {method for method, _ in target.calls}


def test_quantization_that_was_allowed_is_compared_within_its_step(server, clock):
    target = MemoryServer(clock=clock, provider_dimension=512)
    built = backup_of(server, "raw")
    report = restore(built, target, allow_quantization=True)
    assert report.collections[0].compared == 10
    assert target.configuration("raw").quantization is Quantization.SQ8


# ------------------------------------------------------------ when it goes wrong


class Corrupting(MemoryServer):
    """Writes something else than it is given, once the restore loads."""

    def upsert(self, name: str, batch) -> None:
        if name.startswith("notes"):
            vectors = vectors_of(batch).copy()
            vectors[-1] *= -1
            batch = make_batch(batch.column("id").to_pylist(), vectors, batch.column("payload").to_pylist())
        super().upsert(name, batch)


def test_what_the_server_keeps_wrong_is_found_before_anything_is_replaced(clock):
    server = Corrupting(clock=clock)
    server.fill("docs", 30)
    server.fill("notes", 30, metric=Metric.EUCLIDEAN)
    built = backup_of(server)
    damage(server, "docs")
    damage(server, "notes")
    before = {name: server.content(name) for name in ("docs", "notes")}
    with pytest.raises(ComparisonFailed, match=r"'notes'.*30 of 30 records compared, 1 different.*'r29'.*not touched"):
        restore(built, server, REPLACE)
    assert {name: server.content(name) for name in ("docs", "notes")} == before


def test_an_archive_that_is_damaged_changes_nothing(server):
    built = backup_of(server, "notes")
    place = next(entry for entry in built.sidecar.archive.entries if "part-" in entry.name)
    flipped = bytearray(built.data)
    flipped[place.offset + place.bytes // 2] ^= 1
    damage(server, "notes")
    before = server.content("notes")
    with pytest.raises(DamagedArchive, match=r"part-00000\.parquet"):
        restore(built.with_data(bytes(flipped)), server, REPLACE)
    assert server.content("notes") == before


def test_a_server_that_moved_since_the_plan_is_refused_untouched(server, clock):
    built = backup_of(server)
    plan = planned(built, server, REPLACE, collections=("notes", "docs"))
    server.drop("notes")
    before = everything(server)
    with pytest.raises(RestoreRefused, match="'notes' is gone; plan again"):
        execute_restore(plan, built.reader(), server, new_store(clock), clock, owner="a test")
    assert everything(server) == before
    plan = planned(built, server, collections=("notes",))
    server.fill("notes", 1)
    with pytest.raises(RestoreRefused, match="'notes' exists now"):
        execute_restore(plan, built.reader(), server, new_store(clock), clock, owner="a test")


def test_a_plan_is_carried_out_on_no_other_server(server, clock):
    built = backup_of(server)
    plan = planned(built, server, rename={"docs": "docs2"}, collections=("docs",))
    elsewhere = plan.model_copy(update={"server_url": "http://production:15002"})
    with pytest.raises(InvalidInput, match="http://production:15002"):
        execute_restore(elsewhere, built.reader(), server, None, clock, owner="a test")


def test_a_plan_with_refusals_is_not_carried_out(server, clock):
    built = backup_of(server)
    before = everything(server)
    with pytest.raises(RestoreRefused, match="exists"):
        execute_restore(planned(built, server), built.reader(), server, None, clock, owner="a test")
    assert everything(server) == before


def test_a_name_that_somebody_creates_while_it_is_restored_is_not_overwritten(server, clock):
    built = backup_of(server, "notes")
    server.drop("notes")
    server.on_page = lambda name, page: server.fill("notes", 2, seed=5) if name == aside_name("notes", ID) else None
    with pytest.raises(RestoreRefused, match=rf"somebody created 'notes'.*'{aside_name('notes', ID)}'.*resume {ID}"):
        restore(built, server)
    assert len(server.content("notes")) == 2


def test_writers_that_go_on_after_the_swap_are_noted(server, clock):
    built = backup_of(server, "notes")
    plan = planned(built, server, REPLACE)
    original = server.flush

    def flush_and_write() -> None:
        original()
        if (
            "notes" in server.live
            and aside_name("notes", ID) not in server.live
            and before_name("notes", ID) in server.live
        ):
            server.fill("notes", 3, first=900)

    server.flush = flush_and_write
    report = execute_restore(plan, built.reader(), server, None, clock, owner="a test")
    assert any("somebody writes to it" in note for note in report.notes)


# ---------------------------------------------------------------------- leases


def test_a_restore_holds_its_servers_lease_and_gives_it_back(server, clock):
    store, built, holders = new_store(clock), backup_of(server), []
    damage(server, "notes")
    server.on_page = lambda name, page: holders.append(held_by(store, LEASE, clock))
    restore(built, server, REPLACE, store, clock)
    assert {lease.owner for lease in holders} == {"a test"}
    assert held_by(store, LEASE, clock) is None


def test_two_restores_do_not_work_on_one_server(server, clock):
    store = new_store(clock)
    before = everything(server)
    with acquire(store, LEASE, "another", DURATION, clock), pytest.raises(LeaseHeld, match="another"):
        restore(backup_of(server), server, REPLACE, store, clock)
    assert everything(server) == before


def test_a_restore_that_was_taken_over_swaps_nothing(server, clock):
    store, built = new_store(clock), backup_of(server, "notes")
    damage(server, "notes")
    before = server.content("notes")

    def taken_over(name: str, page: int) -> None:
        clock.pass_by(minutes=5)
        acquire(store, LEASE, "another", DURATION, clock)
        server.on_page = lambda name, page: None

    plan = planned(built, server, REPLACE)
    server.on_page = taken_over
    with pytest.raises(LeaseLost, match="another"):
        execute_restore(plan, built.reader(), server, store, clock, owner="a test")
    assert server.content("notes") == before
    assert before_name("notes", ID) not in server.live


def test_a_bare_archive_takes_no_lease_and_says_so(server, clock):
    report = restore(backup_of(server), MemoryServer(clock=clock, provider_dimension=8))
    assert any("no lease was taken" in note for note in report.notes)


# ----------------------------------------------------------- progress and result


def test_progress_tells_of_loading_and_comparing(server, clock):
    events, built = [], backup_of(server, "docs")
    target = MemoryServer(clock=clock)
    execute_restore(planned(built, target), built.reader(), target, None, clock, owner="a test", progress=events.append)
    for step in ("load", "compare"):
        last = [event for event in events if event.step == step][-1]
        assert (last.subject, last.done, last.total) == ("docs", 50, 50)
        assert last.bytes > 0


def test_a_finished_restore_gives_its_report_again_and_touches_nothing(server, clock):
    store, built = new_store(clock), backup_of(server, "notes")
    put(store, built)
    plan = prepare_restore(request(REPLACE), built.sidecar.manifest, server, store)
    first = execute_restore(plan, reader_of(store, built), server, store, clock, owner="a test")
    server.calls.clear()
    again = execute_restore(plan, reader_of(store, built), server, store, clock, owner="a test")
    assert again == first
    assert server.calls == []


def test_preparing_again_gives_the_plan_that_was_written_down(server, clock):
    store, built = new_store(clock), backup_of(server, "notes")
    plan = prepare_restore(request(REPLACE), built.sidecar.manifest, server, store)
    server.drop("notes")
    assert prepare_restore(request(REPLACE), built.sidecar.manifest, server, store) == plan
    assert keep_plan(plan, store) == plan
    with pytest.raises(InvalidInput, match="another request"):
        prepare_restore(request(MERGE), built.sidecar.manifest, server, store)


def test_the_report_has_figures(server, clock):
    target = MemoryServer(clock=clock, provider_dimension=8)
    shown = describe_report(restore(backup_of(server), target))
    assert "95 vectors, 95 compared and the same" in shown
    assert "| docs | create | 50 | 50 |" in squeezed(shown)


def test_what_the_server_cannot_create_is_known_before_anything_is_loaded(server, clock):
    target = MemoryServer(clock=clock, provider_dimension=512)
    plan = planned(backup_of(server), MemoryServer(clock=clock, provider_dimension=8))
    with pytest.raises(Unsupported):
        execute_restore(plan, backup_of(server).reader(), target, None, clock, owner="a test")
    assert "upsert" not in {method for method, _ in target.calls}


class Forgetful(MemoryServer):
    """Makes collections with another index than it was asked for."""

    def create_collection(self, name: str, configuration) -> None:
        super().create_collection(name, configuration.model_copy(update={"hnsw": Hnsw(m=99)}))


def test_settings_that_the_server_did_not_take_are_a_difference(server, clock):
    with pytest.raises(ComparisonFailed, match="settings hnsw"):
        restore(backup_of(server), Forgetful(clock=clock, provider_dimension=8))


def test_an_archive_that_gives_fewer_records_than_planned_is_a_difference(server, clock):
    built = backup_of(server, "docs")
    target = MemoryServer(clock=clock)
    plan = planned(built, target)
    short = plan.model_copy(update={"collections": (plan.collections[0].model_copy(update={"vectors": 51}),)})
    with pytest.raises(ComparisonFailed, match="gave 50 records, the plan says 51"):
        execute_restore(short, built.reader(), target, None, clock, owner="a test")
    assert "docs" not in target.live


def test_a_restore_that_was_taken_over_publishes_nothing(server, clock):
    store, built, target = new_store(clock), backup_of(server, "docs"), MemoryServer(clock=clock)

    def taken_over(name: str, page: int) -> None:
        clock.pass_by(minutes=5)
        acquire(store, LEASE, "another", DURATION, clock)

    target.on_page = taken_over
    with pytest.raises(LeaseLost, match="another"):
        restore(built, target, NEW, store, clock)
    assert list(target.live) == [aside_name("docs", ID)]


def test_a_loaded_collection_that_vanishes_before_the_swap_leaves_the_live_one(server, clock):
    built = backup_of(server, "notes")
    damage(server, "notes")
    before, configuration = server.content("notes"), server.configuration

    def configured(name: str):
        found = configuration(name)
        if any(method == "page" for method, _ in server.calls):
            server.drop(aside_name("notes", ID))
        return found

    plan = planned(built, server, REPLACE)
    server.calls.clear()
    server.configuration = configured
    with pytest.raises(ServerFault, match="vanished after loading"):
        execute_restore(plan, built.reader(), server, None, clock, owner="a test")
    assert server.content("notes") == before
    assert server.aliases() == {}
