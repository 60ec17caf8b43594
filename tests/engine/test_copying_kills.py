"""kill -9 at every store call of a copy and of a repair, on both sides, and two workers meeting at every instant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.copies.copying import copy_backup
from backup_engine.copies.passage import Passage, begin_passage
from backup_engine.copies.planning import SyncAction, SyncStep
from backup_engine.copies.syncing import carry_out
from backup_engine.errors import BackupError, LeaseHeld, ObjectExists, StoreUnavailable
from backup_engine.model import silent
from backup_engine.records import Verification
from backup_engine.storage.contract import Store
from backup_engine.verification import VerificationLevel, verify_backup
from tests.engine.captures import Time, capture, new_store
from tests.engine.meanwhile import Meanwhile
from tests.engine.memory_server import MemoryServer
from tests.engine.places import (
    FOLDER,
    NAME,
    TO,
    built,
    fail_verification,
    flipped,
    fresh,
    holds,
    objects,
    overwrite,
    place,
)
from tests.engine.restores import put
from tests.storage.faulty import FaultyStore, fault_points, survivors

ARCHIVE, MANIFEST = archive_key(FOLDER, NAME), sidecar_key(FOLDER, NAME)


def nothing(target: Store, clock: Time) -> None:
    """An empty copy."""


def short(target: Store, clock: Time) -> None:
    target.create(ARCHIVE, [built().data[:-50]])


def wrong(target: Store, clock: Time) -> None:
    target.create(ARCHIVE, [flipped(built().data)])


def right(target: Store, clock: Time) -> None:
    target.create(ARCHIVE, [built().data])


def brought(target: Store, clock: Time) -> None:
    put(target, built())


def bad_disk(target: Store, clock: Time) -> None:
    put(target, built())
    overwrite(target, ARCHIVE, flipped(built().data))
    fail_verification(target, clock, built())


def lost_archive(target: Store, clock: Time) -> None:
    put(target, built())
    target.delete([ARCHIVE])


COPIES = (nothing, short, wrong, right, brought)
REPAIRS = (bad_disk, lost_archive)


class World:
    """Two stores, made anew for every run, and the work between them."""

    def __init__(self, begin: Callable[[Store, Time], None]) -> None:
        self.clock = Time()
        self.action = SyncAction.REPAIR if begin in REPAIRS else SyncAction.COPY
        self.step = SyncStep(
            action=self.action, folder=FOLDER, backup=NAME, source="s3://one", target=TO, bytes=1, reason="a test"
        )
        source, target = place("one", self.clock, built()), place("two", self.clock)
        begin(target, self.clock)
        self.sources, self.targets = objects(source), objects(target)
        self.source: Store = source
        self.target: Store = target

    def prepare(self, side: str) -> Callable[[], Store]:
        def prepared() -> Store:
            self.source = fresh(self.sources, "memory://one", self.clock)
            self.target = fresh(self.targets, "memory://two", self.clock)
            return getattr(self, side)

        return prepared

    def work(self, side: str, word: str = "t1") -> Callable[[Store], object]:
        def run(store: Store) -> object:
            places = {"source": self.source, "target": self.target} | {side: store}
            return carry_out(self.step, places["source"], places["target"], self.clock, token=word)

        return run

    def check_instant(self) -> None:
        """The copy has it or has it not, or is as damaged as before; the source has lost nothing."""
        found = {key: data for key, data in objects(self.target).items() if key in {ARCHIVE, MANIFEST}}
        before = {key: data for key, data in self.targets.items() if key in {ARCHIVE, MANIFEST}}
        if found != before:
            holds(self.target, built())
        after = objects(self.source)
        assert self.sources.items() <= after.items()
        assert all("/copy-" in key for key in after.keys() - self.sources.keys())

    def converge(self) -> None:
        self.clock.pass_by(minutes=3)  # a dead worker's lease is over
        self.work("target", "t2")(self.target)
        assert holds(self.target, built())
        [backup] = Catalog(self.source, self.clock).backups()
        assert [record.store_id for record in backup.copies] == ["two"]
        [copied] = Catalog(self.target, self.clock).backups()
        assert not copied.damaged
        settled = objects(self.target), objects(self.source)
        if self.action is SyncAction.COPY:
            self.work("target", "t3")(self.target)
            assert (objects(self.target), objects(self.source)) == settled


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("begin", COPIES + REPAIRS, ids=lambda begin: begin.__name__)
def test_wherever_it_is_killed_the_copy_has_it_whole_or_not_at_all_and_running_again_finishes(begin, side):
    world, points = World(begin), 0
    for fault, _ in survivors(world.work(side), world.prepare(side)):
        points += 1
        try:
            world.check_instant()
            world.converge()
        except BaseException as error:
            error.add_note(f"killed {fault}")
            raise
    assert points >= 5


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("begin", COPIES + REPAIRS, ids=lambda begin: begin.__name__)
def test_a_single_failed_call_does_no_harm_and_trying_again_finishes(begin, side):
    world = World(begin)
    prepare, work = world.prepare(side), world.work(side)
    for fault in [*fault_points(work, prepare, error=lambda: StoreUnavailable("not now"))]:
        store = FaultyStore(prepare(), fault)
        try:
            work(store)
        except BackupError:
            world.check_instant()
        world.converge()


@pytest.mark.parametrize("begin", COPIES + REPAIRS, ids=lambda begin: begin.__name__)
def test_two_workers_at_the_same_copy_come_to_one_backup_wherever_they_meet(begin):
    world = World(begin)
    prepare, work = world.prepare("target"), world.work("target", "first")
    watched = Meanwhile(prepare())
    work(watched)
    for call in range(1, watched.calls + 1):
        target = prepare()

        def other(target=target) -> None:
            try:
                carry_out(world.step, world.source, target, world.clock, token="other")
            except LeaseHeld:
                assert begin in {short, wrong, bad_disk, lost_archive}
            world.check_instant()

        try:
            work(Meanwhile(target, call, other))
        except LeaseHeld:
            world.check_instant()
        world.converge()


def test_a_repair_that_comes_too_late_leaves_what_another_worker_has_put_right():
    world = World(bad_disk)
    target = world.prepare("target")()
    world.work("target")(target)
    watched = FaultyStore(target)
    world.clock.pass_by(minutes=3)
    world.work("target", "late")(watched)
    assert watched.count("delete") == 0
    assert watched.count("create") == 0
    assert holds(target, built())


def test_a_repair_whose_source_is_damaged_takes_nothing_away():
    world = World(bad_disk)
    target = world.prepare("target")()
    overwrite(world.source, ARCHIVE, flipped(built().data))
    with pytest.raises(BackupError):
        world.work("target")(target)
    assert objects(target) == world.targets


def test_a_repair_is_verified_and_the_result_kept_at_the_copy():
    world = World(bad_disk)
    target = world.prepare("target")()
    world.clock.pass_by(seconds=5)
    world.work("target")(target)
    [backup] = Catalog(target, world.clock).backups()
    assert [(one.passed, one.level) for one in backup.verifications] == [
        (False, VerificationLevel.FULL),
        (True, VerificationLevel.FULL),
    ]
    assert backup.verified_at == world.clock()


def test_what_was_found_damaged_before_it_went_missing_is_verified_when_it_is_copied():
    world = World(bad_disk)
    target = world.prepare("target")()
    target.delete([MANIFEST])
    target.delete([ARCHIVE])
    world.clock.pass_by(seconds=5)
    carry_out(world.step.model_copy(update={"action": "copy"}), world.source, target, world.clock, token="t")
    [backup] = Catalog(target, world.clock).backups()
    assert isinstance(backup.records[-1], Verification)
    assert not backup.damaged


# ------------------------------------------------------------------ a copy against a commit


class Meeting:
    """A backup that is copied to a store in which a run makes another one of the same month."""

    def __init__(self) -> None:
        self.clock = Time()
        self.server = MemoryServer(clock=self.clock)
        self.server.fill("docs", 8, dimension=4)
        source = new_store(self.clock)
        self.made = capture(self.server, source, self.clock, "first")
        self.sources = objects(source)
        self.target_id = "store-2"

    def stores(self) -> tuple[Store, Store]:
        return fresh(self.sources, "memory://one", self.clock), place(self.target_id, self.clock)

    def copy(self, source: Store, target: Store) -> bool:
        """Tell whether it was brought."""
        try:
            copy_backup(self.made.folder, self.made.name, source, target, clock=self.clock, token="t", to=TO)
        except ObjectExists:
            return False
        return True

    def commit(self, target: Store) -> str:
        return capture(self.server, target, self.clock, "second", store_id=self.target_id).name

    def check(self, target: Store, *, copied: bool, committed: str) -> None:
        catalog = Catalog(target, self.clock)
        assert catalog.unreadable == ()
        assert {backup.name for backup in catalog.backups()} == {committed} | ({self.made.name} if copied else set())
        assert (committed == self.made.name) is not copied
        for backup in catalog.backups():
            report = verify_backup(target, backup.folder, backup.name, VerificationLevel.FULL, self.clock, token="v")
            assert report.problems == ()


def test_a_commit_in_the_middle_of_a_copy_takes_the_name_or_leaves_it():
    meeting = Meeting()
    source, target = meeting.stores()
    watched = Meanwhile(target)
    assert meeting.copy(source, watched)
    outcomes = set()
    for call in range(1, watched.calls + 1):
        source, target = meeting.stores()
        names = []
        copied = meeting.copy(source, Meanwhile(target, call, lambda t=target, n=names: n.append(meeting.commit(t))))
        meeting.check(target, copied=copied, committed=names[0])
        outcomes.add(copied)
    assert outcomes == {True, False}


def test_a_copy_in_the_middle_of_a_commit_takes_the_name_or_leaves_it():
    meeting = Meeting()
    source, target = meeting.stores()
    watched = Meanwhile(target)
    meeting.commit(watched)
    outcomes = set()
    for call in range(1, watched.calls + 1):
        source, target = meeting.stores()
        copied = []
        name = meeting.commit(
            Meanwhile(target, call, lambda s=source, t=target, c=copied: c.append(meeting.copy(s, t)))
        )
        meeting.check(target, copied=copied[0], committed=name)
        outcomes.add(copied[0])
    assert outcomes == {True, False}


# ------------------------------------------------------------------ what is deleted only if it is still what was seen


def passage_of(world: World, target: Store) -> Passage:
    return begin_passage(FOLDER, NAME, world.source, target, world.clock, "t", silent)


def test_what_another_worker_wrote_meanwhile_is_not_cleared_away():
    world = World(wrong)
    target = world.prepare("target")()
    passage = passage_of(world, target)
    seen = passage.found()
    overwrite(target, ARCHIVE, built().data)
    passage.clear(seen)
    assert passage.found().size == len(built().data)


def test_what_another_worker_called_a_backup_meanwhile_is_not_cleared_away():
    world = World(brought)
    target = world.prepare("target")()
    passage = passage_of(world, target)
    passage.clear(passage.found())
    assert holds(target, built())


def test_what_is_broken_and_no_backup_is_cleared_away():
    world = World(wrong)
    target = world.prepare("target")()
    passage = passage_of(world, target)
    passage.clear(passage.found())
    assert passage.found() is None


def test_what_another_worker_has_put_right_meanwhile_is_not_withdrawn():
    world = World(brought)
    target = world.prepare("target")()
    passage_of(world, target).withdraw()
    assert holds(target, built())


def test_another_backup_is_never_withdrawn():
    world = World(nothing)
    target = world.prepare("target")()
    other = built(NAME, "f" * 16)
    put(target, other)
    target.delete([ARCHIVE])
    with pytest.raises(ObjectExists):
        passage_of(world, target).withdraw()
    assert MANIFEST in objects(target)
