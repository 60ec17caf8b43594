"""After a restore: letting go of what it keeps, going on with it, knowing what there is."""

from __future__ import annotations

from functools import partial

import pytest

from backup_engine.errors import InvalidInput, LeaseHeld, NotFlushed, RestoreRefused
from backup_engine.lease import acquire
from backup_engine.restore.description import describe_released
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.guard import DURATION, LEASE, LeasePlace
from backup_engine.restore.journal import folder_of
from backup_engine.restore.lifecycle import Progression, list_restores, release_restore, resume_restore
from backup_engine.restore.names import aside_name, before_name
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.request import RestoreMode
from tests.engine.captures import Time, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import (
    ID,
    backup_of,
    everything,
    killed,
    planned,
    put,
    request,
    restore,
    revive,
    server_kills,
)

OTHER = "f" * 12
BEFORE = before_name("docs", ID)


@pytest.fixture
def clock():
    return Time()


def replaced(clock: Time) -> MemoryServer:
    server = MemoryServer(clock=clock)
    server.fill("docs", 8)
    server.fill("other", 3)
    built = backup_of(server, "docs")
    server.fill("docs", 4, first=20)
    server.flush()
    restore(built, server, RestoreMode.REPLACE)
    server.calls.clear()
    return server


def test_release_drops_what_was_replaced_from_memory_and_disk(clock):
    server = replaced(clock)
    released = release_restore(ID, server, None, clock, "a test")
    assert [(item.name, item.vectors) for item in released.dropped] == [(BEFORE, 12)]
    assert released.flushed
    assert sorted(server.live) == sorted(server.saved) == ["docs", "other"]
    assert BEFORE in describe_released(released)


def test_release_leaves_what_other_restores_hold(clock):
    server = replaced(clock)
    server.fill(before_name("docs", OTHER), 2)
    release_restore(ID, server, None, clock, "a test")
    assert before_name("docs", OTHER) in server.live


def test_release_never_drops_the_only_copy(clock):
    server = replaced(clock)
    server.drop("docs")
    before = everything(server)
    with pytest.raises(RestoreRefused, match=rf"all there is of 'docs'.*resume {ID}"):
        release_restore(ID, server, None, clock, "a test")
    assert everything(server) == before


def test_release_gives_an_unfinished_load_up(clock):
    server = MemoryServer(clock=clock)
    server.fill("docs", 8)
    server.fill(aside_name("docs", ID), 5)
    server.fill(aside_name("new", ID), 5)
    released = release_restore(ID, server, None, clock, "a test")
    assert sorted(item.name for item in released.dropped) == [aside_name("docs", ID), aside_name("new", ID)]
    assert list(server.live) == ["docs"]


def test_release_of_nothing_says_so_and_is_no_error(clock):
    server = replaced(clock)
    released = release_restore(OTHER, server, None, clock, "a test")
    assert released.dropped == ()
    assert any("nothing of this restore" in note for note in released.notes)


def test_release_waits_for_a_running_restore(clock):
    server, store = replaced(clock), new_store(clock)
    with acquire(store, LEASE, "a restore", DURATION, clock), pytest.raises(LeaseHeld, match="a restore"):
        release_restore(ID, server, store, clock, "a test")
    assert BEFORE in server.live


def test_the_lease_may_lie_in_the_store_of_another_deployment(clock):
    server, ours, theirs = replaced(clock), new_store(clock), new_store(clock)
    place = LeasePlace(theirs)
    with acquire(theirs, LEASE, "their capture", DURATION, clock):
        with pytest.raises(LeaseHeld, match="their capture"):
            release_restore(ID, server, ours, clock, "a test", lease=place)
        built = backup_of(server, "docs")
        plan = planned(built, server, RestoreMode.REPLACE, restore_id=OTHER)
        with pytest.raises(LeaseHeld, match="their capture"):
            execute_restore(plan, built.reader(), server, ours, clock, owner="a test", lease=place)
    assert release_restore(ID, server, ours, clock, "a test", lease=place).dropped


def test_release_that_the_disk_did_not_take_is_a_failure_unless_there_is_no_vector(clock):
    server = replaced(clock)

    def refuse() -> None:
        raise NotFlushed("flushed: false")

    server.flush = refuse
    with pytest.raises(NotFlushed):
        release_restore(ID, server, None, clock, "a test")
    server.erase("docs", [f"r{number}" for number in range(8)])
    server.erase("other", ["r0", "r1", "r2"])
    released = release_restore(ID, server, None, clock, "a test")
    assert not released.flushed
    assert any("release again" in note for note in released.notes)


def test_release_killed_at_any_call_and_done_again_ends_the_same(clock):
    server = replaced(clock)
    release_restore(ID, server, None, clock, "a test")
    calls, expected = len(server.calls), everything(server)
    for fault in server_kills(calls):
        server = replaced(clock)
        server.fault = fault
        killed(partial(release_restore, ID, server, None, clock, "a test"))
        revive(server)
        release_restore(ID, server, None, clock, "a test")
        assert everything(server) == expected, fault


def test_release_on_another_server_is_refused(clock):
    server, store = replaced(clock), new_store(clock)
    put(store, backup_of(server, "docs"))
    plan = planned(backup_of(server, "docs"), server, RestoreMode.REPLACE, restore_id=OTHER)
    elsewhere = plan.model_copy(update={"server_url": "http://elsewhere"})
    store.create(f"{folder_of(OTHER)}plan.json", [elsewhere.model_dump_json().encode()])
    with pytest.raises(InvalidInput, match="http://elsewhere"):
        release_restore(OTHER, server, store, clock, "a test")


def test_resume_of_an_unknown_restore_names_those_there_are(clock):
    server, store = replaced(clock), new_store(clock)
    prepare_restore(
        request(RestoreMode.REPLACE, restore_id=OTHER), backup_of(server, "docs").sidecar.manifest, server, store
    )
    with pytest.raises(InvalidInput, match=rf"knows no restore '{ID}'; it has: {OTHER}"):
        resume_restore(ID, store, server, clock, owner="a test")


def test_resume_opens_the_backup_of_its_plan(clock):
    server, store = replaced(clock), new_store(clock)
    built = backup_of(server, "docs")
    put(store, built)
    prepare_restore(request(RestoreMode.REPLACE, restore_id=OTHER), built.sidecar.manifest, server, store)
    report = resume_restore(OTHER, store, server, clock, owner="a test")
    assert (report.restore_id, report.compared) == (OTHER, 8)


def test_restores_are_listed_newest_first_and_unreadable_ones_say_why(clock):
    server, store = replaced(clock), new_store(clock)
    manifest = backup_of(server, "docs").sidecar.manifest
    for restore_id in (OTHER, "a" * 12):
        prepare_restore(request(RestoreMode.REPLACE, restore_id=restore_id), manifest, server, store)
        clock.pass_by(hours=1)
    store.create(f"{folder_of('b' * 12)}plan.json", [b"{}"])
    store.create(".staging/0123456789abcdef/token/plan.json", [b"a capture's"])
    listed = list_restores(store)
    assert [known.restore_id for known in listed] == ["b" * 12, "a" * 12, OTHER]
    assert [known.progression for known in listed] == [Progression.UNREADABLE, Progression.PLANNED, Progression.PLANNED]
    assert listed[0].problem
