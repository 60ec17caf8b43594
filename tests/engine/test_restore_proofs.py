"""A restore of everything a backup holds, compared with nothing different, is written down beside the backup."""

from __future__ import annotations

import pytest

from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.records import Proof
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.journal import keep_plan
from backup_engine.restore.request import RestoreMode
from tests.engine.captures import Time, keys, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.restores import ID, backup_of, planned, put, restore
from tests.storage.faulty import FaultyStore, survivors


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def built(clock):
    source = MemoryServer(clock=clock)
    source.fill("docs", 20)
    source.fill("notes", 9)
    return backup_of(source)


@pytest.fixture
def store(clock, built):
    made = new_store(clock)
    put(made, built)
    return made


def proofs(store, clock) -> list[Proof]:
    (backup,) = Catalog(store, clock).backups()
    return [record for record in backup.records if isinstance(record, Proof)]


def test_a_restore_of_everything_proves_the_backup_once(store, clock, built):
    server = MemoryServer(clock=clock)
    report = restore(built, server, store=store, clock=clock)
    (proof,) = proofs(store, clock)
    assert (proof.restore_id, proof.at, proof.vectors) == (ID, report.finished_at, 29)
    assert Catalog(store, clock).backups()[0].proven_at == report.finished_at
    clock.pass_by(hours=1)
    execute_again(store, clock, built, server)
    assert proofs(store, clock) == [proof]


def execute_again(store, clock, built, server) -> None:
    """The finished restore is asked for once more, as after an answer that was lost."""
    plan = planned(built, MemoryServer(clock=clock))
    execute_restore(plan, built.reader(), server, store, clock, owner="a test")


def test_a_restore_of_some_collections_proves_nothing(store, clock, built):
    restore(built, MemoryServer(clock=clock), store=store, clock=clock, collections=("docs",))
    assert proofs(store, clock) == []


def test_a_restore_that_merges_proves_nothing(store, clock, built):
    server = MemoryServer(clock=clock)
    server.fill("docs", 20)
    server.fill("notes", 9)
    restore(built, server, RestoreMode.MERGE, store=store, clock=clock)
    assert proofs(store, clock) == []


@pytest.mark.parametrize("there", ["nothing", "another backup"])
def test_nothing_is_proven_in_a_store_that_does_not_hold_what_was_restored(store, clock, built, there):
    clear = built.sidecar.manifest.clear
    store.delete([sidecar_key(clear.folder, clear.name), archive_key(clear.folder, clear.name)])
    if there == "another backup":
        other = MemoryServer(clock=clock)
        other.fill("docs", 3)
        put(store, backup_of(other))
    restore(built, MemoryServer(clock=clock), store=store, clock=clock)
    assert not [key for key in keys(store) if "/proof-" in key]


def test_a_restore_that_dies_before_the_proof_is_written_writes_it_when_it_is_resumed(store, clock, built):
    plan = planned(built, MemoryServer(clock=clock))
    content = {key: b"".join(store.read(key)) for key in keys(store)}
    servers = {}

    def prepared():
        made = type(store)(clock=clock)
        for key, data in content.items():
            made.create(key, [data])
        keep_plan(plan, made)
        servers["server"] = MemoryServer(clock=clock)
        return made

    def run(where) -> None:
        execute_restore(plan, built.reader(), servers["server"], where, clock, owner="a test")

    count = FaultyStore(prepared())
    run(count)
    assert any("/proof-" in call.key for call in count.calls)
    for fault, survived in survivors(run, prepared):
        if "proof-" in str(fault):
            clock.pass_by(hours=1)
            run(survived)
            assert len(proofs(survived, clock)) == 1
