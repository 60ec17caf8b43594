"""Replacing in place: only what differs is written, nothing before there is an undo, and the undo brings it back."""

from __future__ import annotations

import pytest

from backup_engine.errors import ComparisonFailed, InvalidInput, RestoreRefused, Unsupported
from backup_engine.model import Metric, Quantization
from backup_engine.restore.description import describe, describe_report
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.lifecycle import release_restore, resume_restore
from backup_engine.restore.plan import raise_refusals
from backup_engine.restore.request import RestoreMode
from tests.engine.captures import Time, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import ID, backup_of, killed, planned, put, reader_of, restore, revive
from tests.engine.samples import configuration, some_records
from tests.engine.scenes import Scene
from tests.engine.server_fault import Fault
from tests.storage.faulty import Killed

NEW, MERGE, REPLACE = RestoreMode.NEW, RestoreMode.MERGE, RestoreMode.REPLACE
KINDS = [
    ("docs", 8, Metric.COSINE, Quantization.SQ8),
    ("docs", 8, Metric.EUCLIDEAN, Quantization.SQ8),
    ("docs", 512, Metric.DOT, Quantization.NONE),
    ("a/b", 8, Metric.COSINE, Quantization.SQ8),
    (" blank ", 8, Metric.EUCLIDEAN, Quantization.BINARY),
]


def writes(server: MemoryServer) -> list[str]:
    changing = {"upsert", "delete_records", "delete_collection", "create_collection", "rename_collection"}
    return [method for method, _ in server.calls if method in changing]


def in_place(built, server, clock=None, **changes):
    clock = clock or Time()
    return restore(built, server, REPLACE, new_store(clock), clock, in_place=True, **changes)


@pytest.mark.parametrize(("name", "dimension", "metric", "quantization"), KINDS)
def test_the_live_collection_becomes_what_the_backup_holds(name, dimension, metric, quantization):
    server = MemoryServer(clock=Time())
    server.fill(name, 40, dimension=dimension, metric=metric, quantization=quantization)
    server.fill("other", 5)
    built, before = backup_of(server, name), server.content(name)
    created = server.live[name].created_at
    server.erase(name, ["r0", "r7"])
    server.fill(name, 3, dimension=dimension, first=90)
    server.write(name, some_records([5], dimension, seed=8))
    report = in_place(built, server)
    assert server.content(name).keys() == before.keys()
    assert metric is Metric.COSINE or server.content(name) == before
    assert server.live[name].created_at == created
    assert report.vectors == report.compared == 40
    [restored] = report.collections
    assert (restored.written, restored.deleted, restored.kept_as) == (3, 3, None)
    assert [kept.id for kept in server.snapshots(name)] == [restored.snapshot]
    assert sorted(server.live) == sorted([name, "other"])
    assert set(server.saved[name].records) == set(before)


def test_only_what_differs_is_sent():
    server = MemoryServer(clock=Time())
    server.fill("docs", 500)
    built = backup_of(server)
    server.erase("docs", ["r17"])
    sent: list[str] = []
    upsert = server.upsert

    def noted(name: str, batch) -> None:
        sent.extend(batch.column("id").to_pylist())
        upsert(name, batch)

    server.upsert = noted
    in_place(built, server)
    assert sent == ["r17"]


def test_what_is_equal_already_is_left_alone_and_needs_no_undo():
    server = MemoryServer(clock=Time())
    server.fill("docs", 20)
    built = backup_of(server)
    report = in_place(built, server)
    assert writes(server) == []
    assert server.files == {}
    assert report.collections[0].snapshot is None
    assert report.compared == 20


def test_the_snapshot_is_taken_listed_and_noted_before_the_first_write():
    scene = Scene(REPLACE, in_place=True)
    noted: list[bool] = []
    upsert = scene.server.upsert

    def watched(name: str, batch) -> None:
        noted.append(any("snapshot-" in info.key for info in scene.store.list(".staging/")))
        upsert(name, batch)

    scene.server.upsert = watched
    scene.run()
    assert noted == [True, True]
    methods = [method for method, subject in scene.server.calls if subject == "docs"]
    assert methods.index("take_snapshot") < methods.index("snapshots") < methods.index("upsert")


def test_the_plan_says_what_readers_see_what_the_undo_is_worth_and_what_it_takes():
    server = MemoryServer()
    server.fill("docs", 30, metric=Metric.EUCLIDEAN)
    built = backup_of(server)
    shown = describe(planned(built, server, REPLACE, in_place=True))
    for part in ("replace in place", "a mixture", "unit length", "trims the text", "collection_snapshots"):
        assert part.replace("\\", "") in shown.replace("\\", "")
    assert "of the server's memory for a moment" in shown
    assert "both copies" not in shown
    assert "holds both copies: about" in describe(planned(built, server, REPLACE))


def test_a_name_that_nothing_is_renamed_to_is_offered_in_place():
    server = MemoryServer()
    server.fill("a/b", 5)
    plan = planned(backup_of(server), server, REPLACE)
    with pytest.raises(Unsupported, match=r"'a/b' cannot be replaced: .*restore in place"):
        raise_refusals(plan)


@pytest.mark.parametrize(
    ("live", "word"),
    [
        (configuration(4), "dimension is 4 on the server and 8"),
        (configuration(8, Metric.DOT), "metric is dot on the server and cosine"),
        (configuration(8, quantization=Quantization.BINARY), "quantization is binary on the server and sq8"),
        (configuration(8).model_copy(update={"hnsw": configuration().hnsw.model_copy(update={"m": 4})}), "hnsw is"),
    ],
)
def test_other_settings_are_refused_with_the_ways_that_remain(live, word):
    server = MemoryServer()
    server.fill("docs", 5)
    built = backup_of(server)
    server.delete_collection("docs")
    server.create_collection("docs", live)
    with pytest.raises(RestoreRefused, match=f"{word}.*without in place, under another name, or delete it"):
        raise_refusals(planned(built, server, REPLACE, in_place=True))


def test_floats_may_become_what_the_server_made_of_them_if_that_is_allowed():
    server = MemoryServer(clock=Time())
    server.fill("docs", 20, dimension=512, quantization=Quantization.NONE)
    built = backup_of(server)
    server.flush()
    server.restart()
    server.erase("docs", ["r1"])
    server._clock.pass_by(hours=1)
    with pytest.raises(RestoreRefused, match="quantization is sq8"):
        raise_refusals(planned(built, server, REPLACE, in_place=True))
    plan = planned(built, server, REPLACE, in_place=True, allow_quantization=True)
    assert any("within one step" in text for item in plan.collections for text in item.warnings)
    assert in_place(built, server, allow_quantization=True).compared == 20


@pytest.mark.parametrize(
    ("version", "name", "reason"),
    [("3.2.0", "docs", "no snapshots"), ("3.5.0", "/etc/docs", "outside of its data directory")],
)
def test_without_a_snapshot_there_is_no_undo_and_no_restore_in_place(version, name, reason):
    server = MemoryServer(version=version)
    server.fill(name, 5)
    with pytest.raises(Unsupported, match=reason):
        raise_refusals(planned(backup_of(server), server, REPLACE, in_place=True))


@pytest.mark.parametrize("mode", [NEW, MERGE])
def test_in_place_is_a_way_to_replace_and_no_mode_of_its_own(mode):
    server = MemoryServer()
    server.fill("docs", 5)
    built = backup_of(server)
    server.drop("docs")
    with pytest.raises(InvalidInput, match="choose mode replace"):
        raise_refusals(planned(built, server, mode, in_place=True))


def test_a_bare_archive_has_nowhere_to_write_the_undo_down():
    server = MemoryServer()
    server.fill("docs", 5)
    with pytest.raises(InvalidInput, match="needs a store"):
        restore(backup_of(server), server, REPLACE, in_place=True)


def test_a_collection_that_counts_what_it_does_not_list_is_never_written_to():
    """Deleted, and asked for before a flush: a snapshot of it would be empty."""
    server = MemoryServer(clock=Time())
    server.fill("docs", 30)
    server.fill("other", 3)
    built = backup_of(server, "docs")
    server.flush()
    server.delete_collection("docs")
    server.wake("docs")
    server.calls.clear()
    with pytest.raises(RestoreRefused, match="counts 30 vectors and lists 0"):
        in_place(built, server)
    assert writes(server) == []
    assert server.files == {}


def test_a_collection_that_lists_records_twice_is_never_written_to():
    server = MemoryServer(clock=Time())
    server.fill("docs", 30)
    server.fill("other", 3)
    built = backup_of(server, "docs")
    server.flush()
    server.delete_collection("docs")
    server.write("docs", some_records(range(30)))
    server.calls.clear()
    with pytest.raises(RestoreRefused, match="30 of them a second time"):
        in_place(built, server)
    assert writes(server) == []


def test_a_snapshot_too_small_for_what_it_is_of_is_no_undo():
    server = MemoryServer(clock=Time())
    server.fill("docs", 7_000)
    built = backup_of(server)
    server.erase("docs", ["r1"])
    server.empty_snapshots = True
    server.calls.clear()
    with pytest.raises(RestoreRefused, match="280 bytes, too few for 6,999 vectors"):
        in_place(built, server)
    assert writes(server) == []


def test_a_collection_that_changes_while_its_snapshot_is_taken_is_not_written_to():
    server = MemoryServer(clock=Time())
    server.fill("docs", 30)
    built = backup_of(server)
    server.erase("docs", ["r1"])
    take = server.take_snapshot

    def written(name: str) -> str:
        server.erase("docs", ["r2"])
        return take(name)

    server.take_snapshot = written
    server.calls.clear()
    with pytest.raises(RestoreRefused, match="changed while its snapshot was taken"):
        in_place(built, server)
    assert writes(server) == []


def test_writers_meanwhile_end_it_in_an_error_that_says_what_to_do():
    scene = Scene(REPLACE, in_place=True)
    upsert = scene.server.upsert

    def joined(name: str, batch) -> None:
        upsert(name, batch)
        scene.server.fill(name, 1, first=99)

    scene.server.upsert = joined
    with pytest.raises(ComparisonFailed, match=rf"what was written stays.*resume, or undo {ID}"):
        scene.run()
    scene.server.upsert = upsert
    scene.resume()
    assert_restored(scene)


def test_a_restart_that_changes_the_settings_stops_it_before_it_writes_on():
    clock = Time()
    server, store = MemoryServer(clock=clock), new_store(clock)
    server.fill("docs", 30, dimension=512, metric=Metric.EUCLIDEAN, quantization=Quantization.NONE)
    built = backup_of(server)
    put(store, built)
    server.erase("docs", ["r1"])
    server.flush()
    server.fault = Fault(20, "before", error=Killed, lasting=True)
    killed(lambda: restore(built, server, REPLACE, store, clock, in_place=True))
    revive(server)
    server.restart()
    clock.pass_by(hours=1)
    server.calls.clear()
    with pytest.raises(RestoreRefused, match=r"other settings \(quantization\)"):
        resume_restore(ID, store, server, clock, owner="a test")
    assert writes(server) == []


def test_going_on_without_the_snapshot_is_possible_and_said():
    scene = Scene(REPLACE, in_place=True)
    scene.server.fault = first_write(Scene(REPLACE, in_place=True))
    killed(scene.run)
    revive(scene.server)
    scene.server.files.clear()
    assert any("cannot be undone" in note for note in scene.resume().notes)
    assert_restored(scene)


def test_a_collection_that_is_gone_is_not_made_again():
    scene = Scene(REPLACE, in_place=True)
    scene.server.fault = first_write(Scene(REPLACE, in_place=True))
    killed(scene.run)
    revive(scene.server)
    scene.server.drop("docs")
    with pytest.raises(RestoreRefused, match=r"'docs' is gone.*undo this restore"):
        scene.resume()
    assert "docs" not in scene.server.live


def test_the_report_names_the_undo_and_release_says_what_stays():
    scene = Scene(REPLACE, in_place=True)
    report = scene.run()
    shown = describe_report(report)
    assert f"vectorizer-backup undo {ID}" in shown
    assert "release" not in shown.split("To know")[1]
    released = release_restore(ID, scene.server, scene.store, scene.clock, "a test")
    assert released.dropped == ()
    assert any("collection_snapshots/docs/" in note and "no request" in note for note in released.notes)


def test_it_holds_no_more_than_a_part_in_memory_whatever_differs(tmp_path):
    """What differs is spilled: the temporary directory is used, and empty afterwards."""
    clock = Time()
    server, store = MemoryServer(clock=clock), new_store(clock)
    server.fill("docs", 300)
    built = backup_of(server)
    put(store, built)
    server.erase("docs", [f"r{number}" for number in range(100)])
    server.fill("docs", 100, first=500)
    plan = planned(built, server, REPLACE, in_place=True)
    execute_restore(plan, reader_of(store, built), server, store, clock, owner="a test", temporary=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(server.content("docs")) == 300


def assert_restored(scene: Scene) -> None:
    """Cosine is normalised once more by every write, so it comes back to the last place but one."""
    assert {name: set(scene.server.content(name)) for name in scene.ids} == {n: set(i) for n, i in scene.ids.items()}
    assert scene.server.content("notes") == scene.restored["notes"]


def first_write(scene: Scene) -> Fault:
    scene.run()
    call = next(number for number, call in enumerate(scene.server.calls, 1) if call[0] == "upsert")
    return Fault(call, "after", error=Killed, lasting=True)
