"""What dead runs leave is cleared away after a day; what may be a backup, or becomes one, is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import Folder, archive_key, sidecar_key
from backup_engine.names import Place, Reservation, pointer_key, reservation_key
from backup_engine.pruning.journal import PLANS
from backup_engine.pruning.planning import plan_pruning
from backup_engine.records import Withdrawal, write_record
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time, keys
from tests.engine.meanwhile import Meanwhile
from tests.engine.places import objects
from tests.pruning.scene import KEPT, assert_nothing_left, assert_restorable, held, named, now, prepared, pruned, site
from tests.storage.faulty import survivors

RUN = "fedcba9876543210"
NAME = "backup-20261101-010203"
ARCHIVE = f"daily/{NAME}.tar.gz"


@pytest.fixture
def clock() -> Time:
    return now()


@pytest.fixture
def store(clock) -> MemoryStore:
    return prepared(clock)


def leave(store: Store, clock: Time, *objects: str, **age: float) -> None:
    """Have these lie there since then."""
    before = clock.now
    clock.pass_by(**{unit: -number for unit, number in age.items()})
    for key in objects:
        store.create(key, [b"left behind"])
    clock.now = before


def reserve(store: Store, clock: Time, **age: float) -> None:
    before = clock.now
    clock.pass_by(**{unit: -number for unit, number in age.items()})
    said = Reservation(run_key=RUN, folder=Folder.DAILY, captured_at=clock(), takes_slot=False)
    store.create(reservation_key(NAME), [said.model_dump_json().encode()])
    store.create(pointer_key(RUN), [Place(folder=Folder.DAILY, name=NAME).model_dump_json().encode()])
    clock.now = before


@pytest.mark.parametrize(
    "key",
    [
        f".staging/{RUN}/a/c0001.t-1.fragment",
        f".staging/{RUN}/synthesis/x.fragment",
        ".staging/check-abc/rights",
        ".staging/clock-abc",
    ],
)
def test_staging_that_nobody_wrote_to_for_a_day_is_swept(store, clock, key):
    leave(store, clock, key, hours=25)
    report = pruned(store, clock)
    assert key not in keys(store)
    assert (report.swept, report.swept_bytes) == (1, len(b"left behind"))


def test_staging_of_a_run_that_wrote_something_within_a_day_stays(store, clock):
    leave(store, clock, f".staging/{RUN}/a/c0001.t-1.fragment", hours=40)
    leave(store, clock, f".staging/{RUN}/a/c0002.t-1.fragment", hours=23)
    pruned(store, clock)
    assert len(keys(store, f".staging/{RUN}/")) == 2


def test_what_restores_keep_is_never_swept(store, clock):
    leave(store, clock, ".staging/restore-0123456789ab/report.json", days=400)
    pruned(store, clock)
    assert keys(store, ".staging/restore-0123456789ab/")


def test_what_is_not_of_this_product_is_never_swept(store, clock):
    leave(store, clock, ".staging/notes.txt", "daily/notes.txt", "names/notes", "notes.txt", days=400)
    pruned(store, clock)
    assert {".staging/notes.txt", "daily/notes.txt", "names/notes", "notes.txt"} <= {*keys(store)}


def test_an_archive_that_a_dead_run_made_no_backup_of_is_swept_with_its_name(store, clock):
    leave(store, clock, ARCHIVE, hours=25)
    reserve(store, clock, hours=25)
    pruned(store, clock)
    assert ARCHIVE not in keys(store)
    pruned(store, clock, "p2")
    assert_nothing_left(store, named(*KEPT))


@pytest.mark.parametrize("why", ["it is new", "its run is at work", "nobody reserved its name", "it has records"])
def test_an_archive_without_a_manifest_stays(store, clock, why):
    leave(store, clock, ARCHIVE, hours=23 if why == "it is new" else 25)
    if why != "nobody reserved its name":
        reserve(store, clock, hours=25)
    if why == "its run is at work":
        leave(store, clock, f".staging/{RUN}/a/plan.fragment", hours=1)
    if why == "it has records":
        leave(store, clock, f"daily/{NAME}.records/pin-x.json", hours=25)
    pruned(store, clock)
    assert ARCHIVE in keys(store)
    quarantine = {one.key for one in plan_pruning(site(store), clock).quarantine}
    assert (ARCHIVE in quarantine) is (why != "it is new")


class ComesBack(Meanwhile):
    """A manifest is written while the sweep lists the store, when its folder was listed: a copy that took its time."""

    def __init__(self, inner: Store, key: str, content: bytes) -> None:
        super().__init__(inner)
        self.key, self.content, self.sweeping = key, content, False

    def list(self, prefix: str):
        if self.sweeping and prefix == f"{Folder.INCREMENTAL}/":
            self.inner.create(self.key, [self.content])
        self.sweeping = prefix == PLANS or (self.sweeping and prefix != f"{Folder.INCREMENTAL}/")
        return super().list(prefix)


@pytest.mark.parametrize("withdrawn", [False, True])
def test_an_archive_that_becomes_a_backup_while_it_is_looked_at_stays(clock, withdrawn):
    store = prepared(clock, made=Time(clock() - timedelta(days=2)))
    backup = held(store, clock)[next(iter(named("full-3")))]
    key = sidecar_key(backup.folder, backup.name)
    content = objects(store)[key]
    if withdrawn:
        record = Withdrawal(at=clock(), token="w", plan="p", reason="old")
        write_record(store, backup.folder, backup.name, record)
    store.delete([key])
    pruned(ComesBack(store, key, content), clock)
    assert archive_key(backup.folder, backup.name) in keys(store)


def test_a_name_that_nothing_has_stays_for_a_day(store, clock):
    reserve(store, clock, hours=23)
    pruned(store, clock)
    assert {reservation_key(NAME), pointer_key(RUN)} <= {*keys(store)}
    clock.pass_by(hours=2)
    pruned(store, clock, "p2")
    assert not {reservation_key(NAME), pointer_key(RUN)} & {*keys(store)}


def test_words_about_a_backup_that_was_deleted_meanwhile_are_swept(store, clock):
    leave(store, clock, f"daily/{NAME}.records/verification-x.json", hours=25)
    pruned(store, clock)
    assert not keys(store, f"daily/{NAME}.records/")


def test_a_plan_nobody_agreed_to_is_forgotten_after_thirty_days(store, clock):
    leave(store, clock, f"{PLANS}old.json", days=31)
    leave(store, clock, f"{PLANS}new.json", days=29)
    pruned(store, clock)
    assert keys(store, PLANS) == [f"{PLANS}new.json"]


def test_a_sweep_killed_anywhere_is_finished_by_the_next_and_harms_nothing():
    def with_leftovers() -> MemoryStore:
        clock = now()
        store = prepared(clock)
        pruned(store, clock, "p0")
        leave(store, clock, ARCHIVE, f".staging/{RUN}/a/x.fragment", ".staging/check-a/rights", hours=30)
        leave(store, clock, f"daily/{NAME}-2.tar.gz", f"daily/{NAME}-2.records/withdrawal-x.json", hours=1)
        reserve(store, clock, hours=30)
        return store

    for _, survived in survivors(lambda store: pruned(store, now()), with_leftovers):
        clock = now()
        clock.pass_by(hours=1)
        survived._clock = clock
        for token in ("p2", "p3", "p4"):
            pruned(survived, clock, token)
            clock.pass_by(days=2)
        assert_restorable(survived, clock, named(*KEPT))
        assert_nothing_left(survived, named(*KEPT))
