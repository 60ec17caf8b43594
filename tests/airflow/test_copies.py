"""Copies as DAG runs: a backup is green only where it should lie, and what was missed is brought later."""

import shutil
from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.catalog import Catalog
from backup_engine.lease import acquire
from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store, read_identity
from tests.airflow.conftest import HOME
from tests.airflow.places import fill, make_ghost
from tests.airflow.runs import asset_extras, run_dag
from tests.engine.captures import capture, only_backup
from tests.engine.memory_server import MemoryServer

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database")]

BACKUP = "vectorizer_twin_full_backup"
SYNC = "vectorizer_twin_sync"
SECOND = HOME / "copies" / "second" / "twin"


def _names(store) -> list[str]:
    return sorted(backup.name for backup in Catalog(store, system_clock).backups())


def _archive(store_root, store):
    backup = only_backup(store, system_clock)
    return store_root / backup.folder / f"{backup.name}.tar.gz"


def _make_anew(store) -> None:
    init_store(store, "twin", system_clock, lambda: "made-anew")


@pytest.fixture
def saved(twin) -> str:
    """The one backup that the primary holds; the copies hold nothing."""
    server = MemoryServer()
    server.fill("docs", 200)
    known = {"store_id": read_identity(twin[0]).store_id, "deployment": "twin"}
    return capture(server, twin[0], system_clock, run="monday", **known).name


def test_a_run_ends_green_when_every_copy_holds_the_backup_and_tells_of_each(alpha, twin) -> None:
    fill(alpha, "docs", 120)
    run = run_dag(BACKUP)
    assert run.state == "success", run.tasks
    assert (run.tasks["copy_backup[0]"], run.tasks["copy_backup[1]"]) == ("success", "success")
    names = {only_backup(store, system_clock).name for store in twin}
    facts = run.xcom("commit_backup")
    assert names == {facts["backup"]}
    assert facts["copies"] == [f"file://{HOME}/copies/{place}/twin" for place in ("first", "second")]
    told = asset_extras("twin", "copies")[-2:]
    assert {one["store"] for one in told} == set(facts["copies"])
    assert {one["store_id"] for one in told} == {read_identity(store).store_id for store in twin[1:]}
    assert {one["backup"] for one in told} == names


def test_a_copy_that_is_gone_makes_the_run_red_and_neither_loses_nor_hides_the_backup(alpha, twin, capsys) -> None:
    fill(alpha, "docs", 60)
    shutil.rmtree(SECOND)
    run = run_dag(BACKUP)
    assert run.state == "failed"
    assert [task for task, state in run.tasks.items() if state != "success"] == [
        "confirm_good_backup",
        "copy_backup[1]",
    ]
    backup = only_backup(twin[0], system_clock)
    assert (backup.state, backup.verified_at is not None) == (BackupState.GOOD, True)
    assert _names(twin[1]) == [backup.name]
    said = capsys.readouterr().out
    assert f"{backup.name} is good and verified in {twin[0].url}, but not in {twin[2].url} (StoreNotInit" in said
    assert "vectorizer_twin_sync brings it there" in said

    _make_anew(twin[2])
    assert run_dag(SYNC).state == "success"
    assert _names(twin[2]) == [backup.name]


def test_a_copy_that_was_only_marked_as_made_is_none(alpha, twin, capsys) -> None:
    fill(alpha, "docs", 60)
    run = run_dag(BACKUP, mark_success_pattern="copy_backup")
    assert run.state == "failed"
    assert f"{twin[1].url} (it is not there); {twin[2].url} (it is not there)" in capsys.readouterr().out


def test_what_is_not_good_is_not_copied(alpha, twin, capsys) -> None:
    fill(alpha, "docs", 30)
    make_ghost(alpha, "ghost")
    run = run_dag(BACKUP)
    assert run.state == "failed"
    assert (run.tasks["copy_backup[0]"], run.tasks["copy_backup[1]"]) == ("skipped", "skipped")
    assert _names(twin[1]) == []
    assert "is partial, not good: " in capsys.readouterr().out


def test_a_backup_waits_for_a_restore_that_holds_its_lease_in_a_copy(alpha, twin) -> None:
    fill(alpha, "docs", 20)
    with acquire(twin[1], "restore", "a restore from the copy", timedelta(seconds=8), system_clock):
        run = run_dag(BACKUP)
    assert run.state == "success", run.tasks
    began = run.dag_run.get_task_instance("plan_capture").start_date
    assert began > run.dag_run.start_date + timedelta(seconds=6)


def test_a_run_with_nothing_to_bring_is_green(twin, saved) -> None:
    first = run_dag(SYNC)
    assert first.state == "success", first.tasks
    assert (first.tasks["sync_backups[0]"], first.tasks["sync_backups[1]"]) == ("success", "success")
    assert _names(twin[1]) == _names(twin[2]) == [saved]
    run = run_dag(SYNC)
    assert run.state == "success", run.tasks
    assert run.tasks["sync_backups"] == "skipped"


def test_a_dry_run_brings_nothing_and_is_green(twin, saved) -> None:
    run = run_dag(SYNC, {"dry_run": True})
    assert run.state == "success", run.tasks
    assert run.tasks["sync_backups"] == "skipped"
    assert _names(twin[1]) == _names(twin[2]) == []


def test_a_store_that_is_gone_makes_the_run_red_and_the_others_get_what_they_lack(twin, saved, capsys) -> None:
    shutil.rmtree(SECOND)
    run = run_dag(SYNC)
    assert run.state == "failed"
    assert [task for task, state in run.tasks.items() if state == "failed"] == ["confirm_sync"]
    assert _names(twin[1]) == [saved]
    assert f"{twin[2].url} cannot be used now: StoreNotInitialised" in capsys.readouterr().out


def test_a_damaged_copy_is_replaced_by_the_same_backup(twin, saved) -> None:
    assert run_dag(SYNC).state == "success"
    archive = _archive(SECOND, twin[2])
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-100])
    assert run_dag(SYNC).state == "success"
    assert archive.read_bytes() == whole


def test_another_backup_under_the_same_name_is_told_of_and_left(twin, saved, capsys) -> None:
    server = MemoryServer()
    server.fill("docs", 50)
    other = capture(server, twin[2], system_clock, store_id=read_identity(twin[2]).store_id, deployment="twin")
    assert other.name == saved
    run = run_dag(SYNC)
    assert run.state == "failed"
    assert _names(twin[1]) == [saved]
    assert only_backup(twin[2], system_clock).manifest.clear.vectors == 50
    assert "holds another backup under this name" in capsys.readouterr().out


def test_a_backup_that_cannot_be_brought_keeps_no_other_back(twin, saved, capsys) -> None:
    server = MemoryServer()
    server.fill("docs", 300)
    known = {"store_id": read_identity(twin[0]).store_id, "deployment": "twin"}
    other = capture(server, twin[0], system_clock, run="tuesday", **known).name
    folder = next(one.folder for one in Catalog(twin[0], system_clock).backups() if one.name == other)
    archive = HOME / "backups" / "twin" / folder / f"{other}.tar.gz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    run = run_dag(SYNC)
    assert run.state == "failed"
    assert _names(twin[1]) == _names(twin[2]) == [saved]
    said = capsys.readouterr().out
    assert f"{other}: DamagedArchive" in said
    assert "still missing: " in said


def test_a_lost_primary_store_is_rebuilt_from_its_copies(twin, saved, capsys) -> None:
    assert run_dag(SYNC).state == "success"
    shutil.rmtree(HOME / "backups" / "twin")
    run = run_dag(SYNC, {"direction": "back"})
    assert run.state == "failed"
    said = capsys.readouterr().out
    assert (
        "nothing can be brought without the primary store: if it is lost, make it anew (vectorizer-backup store" in said
    )

    _make_anew(twin[0])
    assert run_dag(SYNC).state == "success", "the copies lack nothing that the primary has"
    assert "The copies hold 1 backup that the primary store lacks" in capsys.readouterr().out
    run = run_dag(SYNC, {"direction": "back"})
    assert run.state == "success", run.tasks
    assert _names(twin[0]) == [saved]
    assert run_dag("vectorizer_twin_verification", {"backups": [saved]}).state == "success"


def test_a_bucket_is_backed_up_to_and_its_copy_is_a_folder(alpha, remote) -> None:
    bucket, folder = remote
    fill(alpha, "docs", 120)
    run = run_dag("vectorizer_remote_full_backup")
    assert run.state == "success", run.tasks
    backup = only_backup(bucket, system_clock)
    assert backup.verified_at is not None
    assert only_backup(folder, system_clock).name == backup.name
    assert list(bucket.list(".staging/")) == []


def test_a_connection_that_is_missing_is_named_with_the_entry_and_the_way_to_add_it(
    alpha, remote, monkeypatch, capsys
) -> None:
    fill(alpha, "docs", 20)
    monkeypatch.delenv("AIRFLOW_CONN_SEAWEED")
    run = run_dag("vectorizer_remote_full_backup")
    assert run.tasks["wait_until_loaded"] == "failed"
    said = capsys.readouterr().out
    assert "the connection 'seaweed', which `store` of deployment 'remote' in deployments.yaml names" in said
    assert "airflow connections add seaweed --conn-type aws" in said
