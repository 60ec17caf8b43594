"""A pruning beside a capture, a restore, a copy, a person's pin and another pruning, at every instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.chain import bases_of, breaks
from backup_engine.commit import commit_capture
from backup_engine.copies.copying import copy_backup
from backup_engine.errors import BackupError, CaptureRefused, InvalidInput, LeaseHeld, LeaseLost
from backup_engine.pruning.pinning import pin_backup
from backup_engine.records import Pin, Withdrawal, write_record
from backup_engine.restore.journal import keep_plan
from backup_engine.restore.planning import preview_restore
from backup_engine.restore.request import RestoreRequest
from backup_engine.standby.state import StandbyState, StateFile
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from backup_engine.verification import VerificationLevel, verify_backup
from tests.engine.captures import Time, request
from tests.engine.meanwhile import Meanwhile
from tests.engine.memory_server import MemoryServer
from tests.pruning.scene import (
    KEPT,
    POLICY,
    a_copy,
    assert_none_broken,
    assert_nothing_left,
    assert_restorable,
    days,
    held,
    named,
    now,
    prepared,
    pruned,
)

SHORT = POLICY.model_copy(update={"floor": timedelta(0)})


def calls_of(work: Callable[[Store], object]) -> int:
    watched = Meanwhile(prepared(now()))
    work(watched)
    return watched.calls


def meetings(work: Callable[[Store], object], other: Callable[[MemoryStore], object]) -> Iterator[MemoryStore]:
    """Let the other one run before each of the calls of the first."""
    for call in range(1, calls_of(work) + 1):
        store = prepared(now())
        with suppress(BackupError):
            work(Meanwhile(store, call, lambda store=store: other(store)))
        yield store


def assert_sound(store: MemoryStore, clock: Time) -> None:
    """Whatever a store lists can be restored; what the policy keeps is there."""
    assert_none_broken(store, clock)
    assert_restorable(store, clock, named(*KEPT))


def prune_now(store: Store) -> object:
    return pruned(store, now())


class BuildsOnACandidate:
    """A capture that was planned while `full-4` and what came after it were not there yet: it builds on `inc-2a`."""

    def __init__(self) -> None:
        self.server: MemoryServer = days().server
        self.clock = now()
        self.old = MemoryStore(clock=self.clock)
        newer = named("full-3", "full-4", "inc-4a")
        for key, content in days().objects.items():
            if not any(name in key for name in newer):
                self.old.create(key, [content])
        prepared_capture = prepare_capture(
            request("late", streams=1, incremental=True), self.server, self.old, self.clock, "late-a"
        )
        self.plan_key = prepared_capture.plan_key
        self.result = export_stream(self.plan_key, 0, self.server, self.old, self.clock, "late-1").result_key
        self.staged = {info.key: b"".join(self.old.read(info.key)) for info in self.old.list(".staging/")}

    def stage(self, store: Store) -> None:
        for key, content in self.staged.items():
            store.create(key, [content])

    def commit(self, store: Store) -> object:
        return commit_capture(self.plan_key, [self.result], store, self.clock)


@pytest.fixture(scope="module")
def late() -> BuildsOnACandidate:
    return BuildsOnACandidate()


def test_the_base_of_a_capture_in_progress_is_spared_with_all_it_hangs_on(late):
    store, clock = prepared(now()), now()
    late.stage(store)
    report = pruned(store, clock)
    assert_restorable(store, clock, named(*KEPT, "full-2", "inc-2a"))
    assert {one.name for one in report.deleted} == named("full-1", "inc-1a", "inc-1b")
    made = late.commit(store)
    known = held(store, clock)
    assert bases_of(known[made.name]) & named("full-2", "inc-2a")
    assert breaks(known[made.name], known) == ()


def test_a_capture_that_commits_on_a_candidate_at_any_instant_of_a_pruning_makes_a_whole_backup_or_none(late):
    made = []

    def commit(store: MemoryStore) -> None:
        late.stage(store)
        with suppress(CaptureRefused):
            made.append(late.commit(store))

    stores = [*meetings(prune_now, commit)]
    for store in stores:
        assert_sound(store, now())
    assert 0 < len(made) < len(stores), "both orders were to be seen"


def test_what_a_capture_came_to_build_on_is_spared_said_to_be_and_not_withdrawn_any_more(late):
    (base,), reports = named("inc-2a"), []
    for call in range(1, calls_of(prune_now) + 1):
        store = prepared(now())
        with suppress(BackupError):
            report = pruned(Meanwhile(store, call, lambda store=store: late.stage(store)), now())
            reports.append(report)
            assert base not in {one.name for one in report.spared} or held(store, now())[base].withdrawal is None
            assert all(one.withdrawal is None for one in held(store, now()).values())
    said = {one.reason for report in reports for one in report.spared if one.name == base}
    assert any("builds on it" in reason for reason in said)


def test_a_pruning_at_any_instant_of_a_commit_on_a_candidate_leaves_a_whole_backup_or_none(late):
    def commit(store: Store) -> None:
        late.stage(store)
        late.commit(store)

    for store in meetings(commit, prune_now):
        assert_sound(store, now())


def test_two_prunings_that_meet_at_any_instant_come_to_what_one_does():
    def other(store: MemoryStore) -> None:
        with suppress(LeaseHeld):
            pruned(store, now(), "p2")

    for store in meetings(prune_now, other):
        clock = now()
        assert_sound(store, clock)
        pruned(store, clock, "p3")
        assert set(held(store, clock)) == named(*KEPT)
        assert_nothing_left(store, named(*KEPT))


def test_a_pruning_that_slept_until_another_one_was_done_deletes_nothing_more():
    clock, late_clock = now(), now()
    late_clock.pass_by(hours=1)
    for call in range(1, calls_of(prune_now) + 1):
        store = prepared(clock)

        def takes_over(store: MemoryStore = store) -> None:
            clock.now = late_clock.now
            with suppress(BackupError):
                pruned(store, clock, "p2")

        with suppress(LeaseLost, BackupError):
            pruned(Meanwhile(store, call, takes_over), clock)
        assert_sound(store, clock)
        clock.now = now().now


class Sleeper(Meanwhile):
    """Runs the action right before one of the listings of a folder."""

    def __init__(self, inner: Store, listing: int, action: Callable[[], object]) -> None:
        super().__init__(inner)
        self.left, self.action = listing, action

    def list(self, prefix: str):
        self.left -= prefix == "incremental/"
        if not self.left and prefix == "incremental/":
            self.action()
        return super().list(prefix)


def test_a_pruning_whose_lease_was_taken_over_while_it_looked_deletes_nothing_that_the_other_one_kept():
    (name,), kept = named("full-1"), 0
    for listing in range(1, 12):
        store, clock = prepared(), now()
        store._clock, there = clock, [False]

        def takes_over(store: MemoryStore = store, clock: Time = clock, there: list[bool] = there) -> None:
            clock.pass_by(hours=1)
            backup = held(store, clock).get(name)
            if backup is not None:
                ends = clock() + timedelta(days=1)
                record = Pin(at=clock(), token="pin", by="anna", why="an audit", until=ends)
                write_record(store, backup.folder, name, record)
            with suppress(LeaseHeld):
                pruned(store, clock, "p2")
            there[:] = [name in held(store, clock)]

        with suppress(BackupError):
            pruned(Sleeper(store, listing, takes_over), clock)
        if there[0]:
            kept += 1
            assert_restorable(store, clock, named(*KEPT, "full-1"))
    assert kept > 3


def test_what_is_pinned_at_any_instant_of_a_pruning_is_kept_or_the_pin_refused():
    (name,) = named("inc-1a")
    pinned = []

    def pin(store: MemoryStore) -> None:
        backup = held(store, now()).get(name)
        if backup is not None:
            with suppress(InvalidInput):
                until = now()() + timedelta(days=9)
                pin_backup(store, backup, until=until, why="an audit", by="anna", clock=now(), token="pin")
                pinned.append(store)

    for store in meetings(prune_now, pin):
        if store in pinned:
            assert_restorable(store, now(), {name} | named("full-1"))
        assert_sound(store, now())
    assert pinned


def test_what_an_unfinished_restore_needs_is_spared_and_goes_when_nobody_began_it_for_a_week():
    clock = now()
    store, (name,) = prepared(clock), named("inc-1b")
    manifest = held(store, clock)[name].manifest
    asked = RestoreRequest(restore_id="0123456789ab", backup=name)
    keep_plan(preview_restore(asked, manifest, MemoryServer(clock=clock)), store)
    pruned(store, clock)
    assert_restorable(store, clock, named(*KEPT, "full-1", "inc-1b"))
    clock.pass_by(days=8)
    pruned(store, clock, "p2")
    assert name not in held(store, clock)
    assert [info.key for info in store.list(".staging/restore-0123456789ab/")]


def test_what_the_standby_stands_on_is_spared():
    clock = now()
    store, (name,) = prepared(clock), named("inc-1b")
    StateFile(store, "standby").write(StandbyState(deployment="production", server_url="http://standby", backup=name))
    pruned(store, clock)
    assert_restorable(store, clock, named(*KEPT, "full-1", "inc-1b"))


def test_a_verification_at_any_instant_of_a_pruning_does_no_harm():
    (name,) = named("full-1")

    def verify(store: MemoryStore) -> None:
        backup = held(store, now()).get(name)
        if backup is not None:
            with suppress(BackupError):
                verify_backup(store, backup.folder, name, VerificationLevel.QUICK, clock=now(), token="v")

    for store in meetings(prune_now, verify):
        assert_sound(store, now())


def test_a_pruning_at_any_instant_of_a_copy_leaves_both_stores_whole():
    (name,), targets = named("full-2"), []
    backup = held(prepared(), now())[name]

    def copy(store: Store) -> None:
        target = a_copy(now(), without={"full-2", "inc-2a"})
        targets.append(target)
        copy_backup(backup.folder, name, store, target, clock=now(), token="c", to="s3://there/production")

    for store in meetings(copy, prune_now):
        assert_sound(store, now())
    for target in targets:
        assert_sound(target, now())


def test_what_is_about_to_be_deleted_is_not_copied():
    clock = now()
    store, target, (name,) = prepared(clock), a_copy(clock, without={"full-2"}), named("full-2")
    backup = held(store, clock)[name]
    write_record(store, backup.folder, name, Withdrawal(at=clock(), token="w", plan="p", reason="old"))
    with pytest.raises(InvalidInput, match="about to be deleted"):
        copy_backup(backup.folder, name, store, target, clock=clock, token="c", to="s3://there/production")
    assert name not in held(target, clock)
