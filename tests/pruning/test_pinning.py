"""Pins: kept whatever the retention says, with all it hangs on, until the pin ends or is taken off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.errors import InvalidInput
from backup_engine.pruning.pinning import pin_backup, unpin_backup
from backup_engine.records import Withdrawal, write_record
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time
from tests.engine.places import objects
from tests.pruning.scene import KEPT, assert_restorable, held, named, now, prepared, pruned


@pytest.fixture
def clock() -> Time:
    return now()


@pytest.fixture
def store(clock) -> MemoryStore:
    return prepared(clock)


def backup(store, clock, called: str = "inc-1b"):
    (name,) = named(called)
    return held(store, clock)[name]


def pin(store, clock, *, why: str = "an audit", word: str = "p", **until: float):
    ends = clock() + timedelta(**(until or {"days": 2}))
    return pin_backup(store, backup(store, clock), until=ends, why=why, by="anna", clock=clock, token=word)


def test_a_pinned_backup_stays_with_all_it_hangs_on_until_the_pin_ends(store, clock):
    pin(store, clock)
    pruned(store, clock)
    assert_restorable(store, clock, named(*KEPT, "inc-1b", "full-1"))
    clock.pass_by(days=2, seconds=1)
    pruned(store, clock, "p2")
    assert set(held(store, clock)) == named(*KEPT)


def test_a_pin_that_is_taken_off_holds_nothing_any_more(store, clock):
    pin(store, clock)
    clock.pass_by(minutes=1)
    unpin_backup(store, backup(store, clock), by="anna", clock=clock, token="u")
    pruned(store, clock)
    assert set(held(store, clock)) == named(*KEPT)


def test_a_later_pin_takes_the_place_of_an_earlier_one(store, clock):
    pin(store, clock)
    clock.pass_by(minutes=1)
    pin(store, clock, word="p2", days=20)
    clock.pass_by(days=3)
    pruned(store, clock)
    assert_restorable(store, clock, named(*KEPT, "inc-1b"))


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"days": -1}, {"why": " "}])
def test_a_pin_without_a_reason_or_a_time_to_come_is_refused(store, clock, wrong):
    before = objects(store)
    with pytest.raises(InvalidInput):
        pin(store, clock, **wrong)
    assert objects(store) == before


def test_what_is_about_to_be_deleted_cannot_be_pinned(store, clock):
    one = backup(store, clock)
    write_record(store, one.folder, one.name, Withdrawal(at=clock(), token="w", plan="p", reason="old"))
    with pytest.raises(InvalidInput, match="about to be deleted"):
        pin(store, clock)


def test_what_is_not_pinned_cannot_be_unpinned(store, clock):
    with pytest.raises(InvalidInput, match="not pinned"):
        unpin_backup(store, backup(store, clock), by="anna", clock=clock, token="u")
    pin(store, clock)
    clock.pass_by(days=3)
    with pytest.raises(InvalidInput, match="not pinned"):
        unpin_backup(store, backup(store, clock), by="anna", clock=clock, token="u")
