"""Copies of incrementals: what they hang on comes first, and a place that lacks it is passed over."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.chain import breaks
from backup_engine.copies.copying import copy_backup, missing_bases
from backup_engine.copies.inventory import take_inventory
from backup_engine.copies.planning import Direction, plan_sync
from backup_engine.copies.reaching import find_backup
from backup_engine.copies.syncing import carry_out_all
from backup_engine.errors import BrokenChain, StoreUnavailable
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import Built
from tests.archive.lines import Line, changed, content_of, state
from tests.engine.captures import Time, words
from tests.engine.places import TO, fail_verification, overwrite, place
from tests.storage.faulty import Fault, FaultyStore

ROOTS = ("s3://one/p", "s3://two/p")
LENGTH = 9


@cache
def line() -> Line:
    """A full and nine incrementals; the last hangs on the eighth, and that on the full."""
    made = Line(state(range(4)))
    for number in range(1, LENGTH + 1):
        made.add(changed(state(range(4)), [1], number))
    return made


def built(number: int) -> Built:
    return line().builts[number]


def name(number: int) -> str:
    return line().backup(number).name


def late() -> Time:
    clock = Time()
    clock.pass_by(days=2)
    return clock


def remove(store: Store, number: int) -> None:
    clear = built(number).sidecar.manifest.clear
    store.delete([sidecar_key(clear.folder, clear.name)])
    store.delete([archive_key(clear.folder, clear.name)])


def broken(store: Store, clock: Time) -> list[str]:
    held = Catalog(store, clock)
    return [backup.name for backup in held.backups() if breaks(backup, held.by_name)]


class Two:
    """A primary with the whole line, and a copy that holds some of it."""

    def __init__(self, *in_copy: int, in_primary=range(LENGTH + 1)) -> None:
        self.clock = late()
        self.primary = place("one", self.clock, *(built(number) for number in in_primary))
        self.copy = place("two", self.clock, *(built(number) for number in in_copy))

    def open(self, url: str) -> Store:
        return dict(zip(ROOTS, (self.primary, self.copy), strict=True))[url]

    def find(self, point: str, *, whole: bool = True):
        return find_backup(ROOTS, self.open, point, self.clock, whole=whole)

    def plan(self, direction: Direction = Direction.OUT):
        inventories = [take_inventory(url, self.open(url), self.clock) for url in ROOTS]
        return plan_sync(inventories, direction=direction)


# ------------------------------------------------------------------ copying one


def test_what_a_copy_lacks_of_a_chain_is_named_oldest_first():
    two = Two()
    known = Catalog(two.primary, two.clock).by_name
    lacking = missing_bases(known[name(7)], known, two.copy)
    assert [one.name for one in lacking] == [name(0), name(4), name(6)]
    two = Two(0, 6)
    assert [one.name for one in missing_bases(known[name(7)], known, two.copy)] == [name(4)]
    assert missing_bases(known[name(8)], known, two.copy) == ()


def test_an_incremental_is_restored_from_where_it_and_its_bases_were_copied_to():
    two = Two()
    catalog = Catalog(two.primary, two.clock)
    wanted = catalog.find(name(7))
    for one in (*missing_bases(wanted, catalog.by_name, two.copy), wanted):
        copy_backup(one.folder, one.name, two.primary, two.copy, clock=two.clock, token=one.name, to=TO)
        assert broken(two.copy, two.clock) == [], "at no moment the copy holds what it cannot restore"
    there = Catalog(two.copy, two.clock)
    parts = there.open_point(there.find("latest")).parts("c0001")
    assert content_of(part.batch for part in parts) == content_of(changed(state(range(4)), [1], 7).batches)


# -------------------------------------------------------------------------- sync


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, LENGTH)), st.sampled_from([Direction.OUT, Direction.BOTH]))
def test_each_is_planned_after_those_it_hangs_on_and_the_newest_chain_first(held, direction):
    two = Two(*held)
    copied = [step.backup for step in two.plan(direction).steps if step.action == "copy"]
    assert set(copied) == {name(number) for number in range(LENGTH + 1) if number not in held}
    known = line().backups
    there = {name(number) for number in held}
    for number, one in enumerate(copied):
        bases = missing_bases(known[one], known, two.copy)
        assert {base.name for base in bases} <= {*copied[:number]} | there
    if not held:
        assert copied[:3] == [name(0), name(8), name(9)]


@settings(max_examples=15, deadline=None)
@given(steps=st.integers(0, LENGTH))
def test_wherever_a_sync_stops_the_copy_restores_all_it_holds(steps):
    two = Two()
    outcomes = carry_out_all(two.plan(), two.open, two.clock, token=words())
    for _ in range(steps):
        assert next(outcomes).problem is None
    assert broken(two.copy, two.clock) == []
    assert len(Catalog(two.copy, two.clock).backups()) == steps


def test_a_lost_primary_gets_the_chains_back():
    two = Two(*range(LENGTH + 1), in_primary=())
    for outcome in carry_out_all(two.plan(Direction.BACK), two.open, two.clock, token=words()):
        assert outcome.problem is None
        assert broken(two.primary, two.clock) == []
    assert Catalog(two.primary, two.clock).find("latest").name == name(9)


# ------------------------------------------------------------------ falling over


def test_a_place_with_a_broken_chain_is_passed_over_for_one_that_has_it_whole():
    two = Two(0, 8, 9)
    remove(two.primary, 8)
    found = two.find(name(9))
    assert found.store is two.copy
    (sentence,) = found.passed_over
    assert sentence == (
        f"the primary s3://one/p is passed over: {name(9)} hangs on {name(8)}, which is not there. Lost by that: "
        f"{name(9)}. The nearest points that can be restored: {name(7)} (captured 2026-11-22 13:10:00Z); another "
        "place may hold the whole chain"
    )


def test_a_base_that_was_found_damaged_or_has_no_archive_any_more_is_no_base():
    for harm in (
        lambda two: fail_verification(two.primary, two.clock, built(8)),
        lambda two: two.primary.delete([archive_key(line().backup(8).folder, name(8))]),
        lambda two: overwrite(two.primary, archive_key(line().backup(8).folder, name(8)), b"short"),
    ):
        two = Two(0, 8, 9)
        harm(two)
        assert two.find(name(9)).store is two.copy


def test_a_copy_with_half_a_chain_serves_no_moment_with_it():
    two = Two(0, 2, 9)
    two.primary = FaultyStore(MemoryStore(), Fault(1, error=lambda: StoreUnavailable("no route"), lasting=True))
    assert two.find("latest").backup.name == name(2)
    assert two.find(line().backup(9).captured_at.isoformat()).backup.name == name(2)
    with pytest.raises(BrokenChain, match=f"{name(9)} hangs on {name(8)}, which is not there"):
        Catalog(two.copy, two.clock).check_chain(two.find(name(9), whole=False).backup)


def test_with_the_chain_whole_nowhere_the_primary_says_so_and_the_copy_too():
    two = Two(8, 9)
    remove(two.primary, 8)
    with pytest.raises(BrokenChain, match=f"hangs on {name(8)}") as raised:
        two.find(name(9))
    (note,) = raised.value.__notes__
    assert note.startswith(f"the copy s3://two/p is passed over: {name(9)} hangs on {name(0)}, which is not there")
