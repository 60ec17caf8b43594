"""Sync on real stores: what is missing or damaged is put right, and what differs is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.copies.inventory import Inventory, take_inventory
from backup_engine.copies.planning import Direction, SyncAction, SyncPlan, plan_sync
from backup_engine.copies.syncing import Outcome, carry_out, carry_out_all
from backup_engine.errors import ObjectExists, StoreNotInitialised, StoreUnavailable
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import Built
from tests.engine.captures import Time, words
from tests.engine.places import (
    FOLDER,
    NAME,
    built,
    fail_verification,
    flipped,
    holds,
    names,
    objects,
    overwrite,
    place,
)
from tests.engine.restores import put
from tests.storage.faulty import Fault, FaultyStore

ROOTS = ("s3://one", "s3://two", "s3://six")
FIRST, SECOND = built(), built("backup-20261123", "1" * 16)


class Sites:
    """Stores at addresses."""

    def __init__(self, *stores: Store) -> None:
        self.clock = Time()
        self.stores = dict(zip(ROOTS, stores, strict=False))
        self.opened: list[str] = []

    def open(self, url: str) -> Store:
        self.opened.append(url)
        return self.stores[url]

    def inventories(self) -> list[Inventory]:
        return [take_inventory(url, store, self.clock) for url, store in self.stores.items()]

    def plan(self, direction: Direction = Direction.OUT) -> SyncPlan:
        return plan_sync(self.inventories(), direction=direction)

    def run(self, direction: Direction = Direction.OUT) -> list[Outcome]:
        self.clock.pass_by(minutes=1)
        return [*carry_out_all(self.plan(direction), self.open, self.clock, token=words())]


def damaged(store: Store, backup: Built) -> None:
    key = archive_key(FOLDER, backup.sidecar.manifest.clear.name)
    overwrite(store, key, flipped(backup.data))


def test_an_inventory_is_one_listing_and_the_documents_in_it():
    clock = Time()
    store = FaultyStore(place("one", clock, FIRST, SECOND))
    found = take_inventory("s3://c@one?sse=AES256", store, clock)
    assert [(one.backup.name, one.stored) for one in found.held] == [
        (SECOND.sidecar.manifest.clear.name, len(SECOND.data)),
        (NAME, len(FIRST.data)),
    ]
    assert (found.url, found.place, found.store_id) == ("s3://c@one?sse=AES256", "memory://one", "one")
    assert store.count("list") == len(["daily", "weekly", "monthly", "incremental"])
    assert store.count("stat") == 0


def test_an_inventory_knows_what_is_missing_short_and_unreadable():
    clock = Time()
    store = place("one", clock, FIRST, SECOND)
    store.delete([archive_key(FOLDER, NAME)])
    overwrite(store, archive_key(FOLDER, "backup-20261123"), b"short")
    store.create("daily/broken.json", [b"{"])
    found = take_inventory("s3://one", store, clock)
    assert [one.problem for one in found.held] == [
        f"its archive has 5 of {len(SECOND.data):,} bytes",
        "its archive is missing",
    ]
    assert found.obstructed == {"broken"}
    assert "daily/broken.json" in found.unreadable[0]


def test_a_place_that_is_no_store_has_no_inventory():
    with pytest.raises(StoreNotInitialised):
        take_inventory("s3://one", MemoryStore(), Time())


def test_copies_get_what_they_lack_and_then_there_is_nothing_to_do():
    clock = Time()
    sites = Sites(place("one", clock, FIRST, SECOND), place("two", clock, FIRST), place("six", clock))
    assert [one.problem for one in sites.run()] == [None] * 4
    for store in sites.stores.values():
        assert holds(store, FIRST)
        assert holds(store, SECOND)
    assert sites.plan() == SyncPlan()
    assert {len(one.copies) for one in Catalog(sites.stores[ROOTS[0]], clock).backups()} == {2}


def test_a_primary_that_burnt_down_is_rebuilt_from_its_copies():
    clock = Time()
    sites = Sites(place("new-one", clock), place("two", clock, FIRST), place("six", clock, SECOND))
    assert all(one.report for one in sites.run(Direction.BACK))
    assert names(sites.stores[ROOTS[0]], clock) == ["backup-20261123", NAME]
    assert sites.plan(Direction.BACK).steps == ()
    assert names(sites.stores[ROOTS[1]], clock) == [NAME], "back writes to the primary only"


def test_a_rebuilt_primary_goes_on_as_if_nothing_had_been():
    clock = Time()
    sites = Sites(place("new-one", clock), place("two", clock, FIRST))
    sites.run(Direction.BACK)
    assert sites.plan().steps == ()
    put(sites.stores[ROOTS[0]], SECOND)
    sites.run()
    assert holds(sites.stores[ROOTS[1]], SECOND)


def test_a_damaged_copy_is_put_right_and_counts_as_verified():
    clock = Time()
    sites = Sites(place("one", clock, FIRST), place("two", clock, FIRST))
    damaged(sites.stores[ROOTS[1]], FIRST)
    fail_verification(sites.stores[ROOTS[1]], clock, FIRST)
    [outcome] = sites.run()
    assert outcome.step.action is SyncAction.REPAIR
    assert holds(sites.stores[ROOTS[1]], FIRST)
    [backup] = Catalog(sites.stores[ROOTS[1]], clock).backups()
    assert backup.verified_at == sites.clock()


def test_a_step_that_fails_is_told_and_the_others_are_done():
    clock = Time()
    sites = Sites(place("one", clock, FIRST, SECOND), place("two", clock))
    damaged(sites.stores[ROOTS[0]], SECOND)
    outcomes = sites.run()
    assert [(one.step.backup, bool(one.report)) for one in outcomes] == [("backup-20261123", False), (NAME, True)]
    assert outcomes[0].problem.startswith("DamagedArchive: memory://one/daily/backup-20261123.tar.gz: ")
    assert names(sites.stores[ROOTS[1]], clock) == [NAME]


def test_a_place_that_is_gone_is_not_asked_again_for_every_backup():
    clock = Time()
    gone = FaultyStore(place("two", clock), Fault(1, error=lambda: StoreUnavailable("unplugged")))
    sites = Sites(place("one", clock, FIRST, SECOND), place("two", clock), place("six", clock))
    found = sites.plan()
    sites.stores[ROOTS[1]] = gone
    outcomes = [*carry_out_all(found, sites.open, clock, token=words())]
    assert [(one.step.backup, one.step.target, bool(one.report)) for one in outcomes] == [
        ("backup-20261123", ROOTS[1], False),
        ("backup-20261123", ROOTS[2], True),
        (NAME, ROOTS[1], False),
        (NAME, ROOTS[2], True),
    ]
    assert {one.problem for one in outcomes} == {None, "StoreUnavailable: unplugged"}
    assert sites.opened.count(ROOTS[1]) == 2, "the step that failed, and the look why"


def test_a_single_silence_does_not_make_a_place_gone():
    clock = Time()
    stutters = FaultyStore(place("two", clock), Fault(3, error=lambda: StoreUnavailable("a moment"), lasting=False))
    sites = Sites(place("one", clock, FIRST, SECOND), place("two", clock))
    found = sites.plan()
    sites.stores[ROOTS[1]] = stutters
    assert [bool(one.report) for one in carry_out_all(found, sites.open, clock, token=words())] == [False, True]


def test_an_address_that_cannot_be_opened_is_a_place_that_is_gone():
    clock = Time()
    sites = Sites(place("one", clock, FIRST), place("two", clock))
    found = sites.plan()

    def refuse(url: str) -> Store:
        if url == ROOTS[1]:
            raise StoreUnavailable("no route")
        return sites.open(url)

    [outcome] = carry_out_all(found, refuse, clock, token=words())
    assert outcome.problem == "StoreUnavailable: no route"


def test_what_changed_since_the_plan_is_not_written_over():
    clock = Time()
    sites = Sites(place("one", clock, FIRST), place("two", clock))
    [step] = sites.plan().steps
    other = built(NAME, "f" * 16)
    put(sites.stores[ROOTS[1]], other)
    for action in SyncAction:
        with pytest.raises(ObjectExists):
            carry_out(
                step.model_copy(update={"action": action}),
                sites.stores[ROOTS[0]],
                sites.stores[ROOTS[1]],
                clock,
                token="t",
            )
    assert holds(sites.stores[ROOTS[1]], other)


def test_a_manifest_that_cannot_be_read_stays_as_it_is():
    clock = Time()
    sites = Sites(place("one", clock, FIRST), place("two", clock, FIRST))
    overwrite(sites.stores[ROOTS[1]], sidecar_key(FOLDER, NAME), b"{")
    before = objects(sites.stores[ROOTS[1]])
    assert sites.run() == []
    assert "cannot be read" in sites.plan().conflicts[0]
    assert objects(sites.stores[ROOTS[1]]) == before


BACKUPS = [built(f"backup-2026112{number}", f"{number}" * 16) for number in range(2, 5)]
STATES = st.sampled_from(["absent", "absent", "whole", "whole", "damaged", "missing", "orphan", "other"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(STATES, min_size=3, max_size=3), min_size=2, max_size=3), st.sampled_from([*Direction]))
def test_whatever_lies_where_nothing_is_lost_and_a_second_run_has_nothing_to_do(conditions, direction):
    clock = Time()
    stores = [place(f"store-{number}", clock) for number in range(len(conditions))]
    for store, condition in zip(stores, conditions, strict=True):
        for backup, state in zip(BACKUPS, condition, strict=True):
            lay(store, clock, backup, state)
    sites = Sites(*stores)
    before = [whole(store) for store in stores]
    outcomes = sites.run(direction)
    assert [one.problem for one in outcomes] == [None] * len(outcomes)
    assert sites.run(direction) == []
    for store, had in zip(stores, before, strict=True):
        assert had.items() <= whole(store).items()
    for url in {one.step.target for one in outcomes}:
        assert (url == ROOTS[0]) is not (direction is Direction.OUT) or direction is Direction.BOTH


def lay(store: Store, clock: Time, backup: Built, state: str) -> None:
    """Put a backup down in this condition."""
    clear = backup.sidecar.manifest.clear
    key = archive_key(clear.folder, clear.name)
    if state == "orphan":
        store.create(key, [flipped(backup.data)])
    elif state == "other":
        put(store, built(clear.name, "e" * 16))
    elif state != "absent":
        put(store, backup)
    if state == "missing":
        store.delete([key])
    elif state == "damaged":
        damaged(store, backup)
        fail_verification(store, clock, backup)


def whole(store: Store) -> dict[str, bytes]:
    """The archives of a store that are what their manifests say, by the content of the manifest."""
    found = objects(store)
    right = {built(one.sidecar.manifest.clear.name, run).data for one in BACKUPS for run in runs(one)}
    pairs = (
        (key, key.replace(".json", ".tar.gz")) for key in found if key.startswith("daily/") and key.endswith(".json")
    )
    return {key: found[archive] for key, archive in pairs if found.get(archive) in right}


def runs(backup: Built) -> tuple[str, str]:
    return backup.sidecar.manifest.clear.run_key, "e" * 16
