"""Nothing relies on a store telling times finer than a second, or versions in a listing: many do neither."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from backup_engine.catalog import Catalog
from backup_engine.copies.copying import copy_backup
from backup_engine.lease import acquire, last_fencing
from backup_engine.restore.lifecycle import list_restores
from backup_engine.restore.request import RestoreMode
from backup_engine.storage.contract import ListedObject
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from backup_engine.verification import VerificationLevel, verify_backup
from tests.engine.captures import STORE_ID, Time, capture
from tests.engine.memory_server import MemoryServer
from tests.engine.places import TO
from tests.engine.restores import backup_of, put, restore


class Coarse(MemoryStore):
    """Whole seconds, and nothing in a listing but what the contract has there."""

    def stat(self, key):
        found = super().stat(key)
        return replace(found, modified_at=found.modified_at.replace(microsecond=0))

    def list(self, prefix):
        return (ListedObject(one.key, one.size, one.modified_at.replace(microsecond=0)) for one in super().list(prefix))


def coarse(clock: Time, store_id: str = STORE_ID) -> Coarse:
    store = Coarse(f"memory://{store_id}", clock)
    init_store(store, "production", clock, lambda: store_id)
    return store


def test_backups_of_one_second_are_made_told_apart_and_copied():
    clock = Time()
    clock.pass_by(milliseconds=250)
    store, other, server = coarse(clock), coarse(clock, "two"), MemoryServer(clock=clock)
    server.fill("docs", 20, dimension=4)
    made = []
    for run in ("first", "second", "third"):
        made.append(capture(server, store, clock, run))
        clock.pass_by(milliseconds=100)
    names = [backup.name for backup in Catalog(store, clock).backups()]
    assert names == [one.name for one in reversed(made)]
    for one in made:
        copy_backup(one.folder, one.name, store, other, clock=clock, token="t", to=TO)
        report = verify_backup(other, one.folder, one.name, VerificationLevel.FULL, clock, token="t")
        assert report.passed
    assert [backup.name for backup in Catalog(other, clock).backups()] == names


def test_a_lease_that_changes_hands_within_a_second_is_lost_to_who_had_it():
    clock = Time()
    store = coarse(clock)
    for _ in range(5):
        with acquire(store, "restore", "somebody", timedelta(seconds=30), clock) as held:
            held.renew()
        clock.pass_by(milliseconds=10)
    assert last_fencing(store, "restore") == 5


def test_a_restore_keeps_its_journal_and_is_listed():
    clock = Time()
    store, server = coarse(clock), MemoryServer(clock=clock)
    server.fill("docs", 20, dimension=4)
    built = backup_of(server, "docs")
    put(store, built)
    server.erase("docs", ["r1"])
    report = restore(built, server, RestoreMode.REPLACE, store, clock)
    assert [known.restore_id for known in list_restores(store)] == [report.restore_id]
