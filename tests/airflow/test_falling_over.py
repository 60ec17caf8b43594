"""Restores and verifications when the primary store is gone: what is read instead, what is said, where it is kept."""

import shutil
from typing import Any

import pytest

from backup_engine.archive.manifest import archive_key
from backup_engine.catalog import Catalog
from backup_engine.lease import last_fencing
from backup_engine.model import system_clock
from backup_engine.restore.lifecycle import Progression, list_restores
from backup_engine.storage.identity import read_identity
from tests.airflow.answering import Answer, answering
from tests.airflow.conftest import HOME
from tests.airflow.places import content, fill, remove_bucket
from tests.airflow.runs import run_dag
from tests.engine.captures import capture, only_backup
from tests.engine.samples import some_records
from vectorizer_backup.dag_defaults import deployments
from vectorizer_backup.operators.restore import PlanRestoreOperator

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database")]

RESTORE = "vectorizer_twin_restore"
AFTER = "vectorizer_twin_after_restore"
SYNC = "vectorizer_twin_sync"
VERIFICATION = "vectorizer_twin_verification"
PRIMARY = HOME / "backups" / "twin"


@pytest.fixture
def saved(alpha, twin) -> dict:
    """What the backup holds that lies in all three stores; the server holds something else by now."""
    fill(alpha, "docs", 60)
    capture(alpha, twin[0], system_clock, store_id=read_identity(twin[0]).store_id, deployment="twin")
    assert run_dag(SYNC).state == "success"
    wanted = content(alpha, "docs")
    alpha.upsert("docs", some_records(range(40, 70), seed=99))
    alpha.flush()
    return wanted


def _restore(**conf):
    """Replace what the server has; one person is enough here."""
    with answering(RESTORE, [Answer("kim", "Approve")]) as questions:
        run = run_dag(RESTORE, {"restore_point": "latest", "mode": "replace", "dry_run": False, **conf})
    return run, questions


def test_with_the_primary_gone_the_first_copy_is_read_and_everybody_is_told(alpha, twin, saved, capsys) -> None:
    shutil.rmtree(PRIMARY)
    run, questions = _restore()
    assert run.state == "success", run.tasks
    assert content(alpha, "docs") == saved
    (asked,) = questions
    for said in (asked, capsys.readouterr().out):
        assert f"Read from the copy {twin[1].url}" in said
        assert f"The primary {twin[0].url} is gone: " in said
        assert "what came to the server since then is not in it" in said
    assert run.xcom("plan_restore")["store"] == f"file://{HOME}/copies/first/twin"
    assert last_fencing(twin[1], "restore") == 1, "the lease lies in the copy that is read"
    assert [one.progression for one in list_restores(twin[1])] == [Progression.FINISHED]


def test_what_was_restored_from_a_copy_is_undone_from_there(alpha, twin, saved) -> None:
    held = content(alpha, "docs")
    shutil.rmtree(PRIMARY)
    run, _ = _restore()
    assert run.state == "success", run.tasks
    restore = run.xcom("restore_collections")["restore_id"]
    with answering(AFTER, [Answer("kim", "Approve")]):
        undone = run_dag(AFTER, {"action": "undo", "restore": restore})
    assert undone.state == "success", undone.tasks
    assert content(alpha, "docs") == held
    assert [one.progression for one in list_restores(twin[1])] == [Progression.UNDONE]


def test_a_backup_that_only_a_copy_has_whole_is_read_there_under_the_primarys_lease(alpha, twin, saved, capsys) -> None:
    backup = only_backup(twin[0], system_clock)
    twin[0].delete([archive_key(backup.folder, backup.name)])
    run, _ = _restore()
    assert run.state == "success", run.tasks
    assert content(alpha, "docs") == saved
    assert (last_fencing(twin[0], "restore"), last_fencing(twin[1], "restore")) == (1, 0)
    assert f"The primary {twin[0].url} is passed over: " in capsys.readouterr().out


def test_a_store_that_is_named_is_read_and_no_other(alpha, twin, saved, capsys) -> None:
    run, _ = _restore(read_from=twin[2].url)
    assert run.state == "success", run.tasks
    assert run.xcom("plan_restore")["store"].endswith("/copies/second/twin")
    assert f"Read from the copy {twin[2].url}.** It was asked for." in capsys.readouterr().out
    shutil.rmtree(HOME / "copies" / "second" / "twin")
    again, _ = _restore(read_from=twin[2].url)
    assert again.state == "failed"
    assert again.tasks["plan_restore"] == "failed"


def test_a_run_that_is_cleared_looks_first_where_its_plan_is_frozen(twin, saved) -> None:
    deployment = deployments().deployments["twin"]
    operator = PlanRestoreOperator(task_id="plan_restore", deployment=deployment)
    context: Any = {"params": {"restore_point": "latest", "read_from": "auto"}, "task_state_store": {}}
    assert operator._find(context).url == deployment.root
    context["task_state_store"]["planned_in"] = deployment.copy_roots[1]
    assert operator._find(context).url == deployment.copy_roots[1]
    shutil.rmtree(HOME / "copies" / "second")
    assert operator._find(context).url == deployment.root


def test_with_all_stores_gone_each_is_named(alpha, twin, saved, capsys) -> None:
    for store in (PRIMARY, HOME / "copies"):
        shutil.rmtree(store)
    run = run_dag(RESTORE, {"restore_point": "latest"})
    assert run.state == "failed"
    said = capsys.readouterr().out
    assert "no place can be read from" in said
    assert all(store.url in said for store in twin)


@pytest.mark.usefixtures("remote")
def test_complete_data_loss_with_the_bucket_that_was_the_primary_store(alpha, seaweed) -> None:
    for name in ("docs", "images"):
        fill(alpha, name, 50)
    assert run_dag("vectorizer_remote_full_backup").state == "success"
    wanted = {name: content(alpha, name) for name in ("docs", "images")}
    remove_bucket(seaweed, "vectorizer-backups")
    for name in wanted:
        alpha.delete_collection(name)
    run = run_dag("vectorizer_remote_restore", {"restore_point": "latest-verified", "dry_run": False})
    assert run.state == "success", run.tasks
    assert {name: content(alpha, name) for name in wanted} == wanted


def _verified(store) -> list[bool]:
    return [backup.verified_at is not None for backup in Catalog(store, system_clock).backups()]


def test_every_store_is_verified_and_a_damaged_copy_is_named(twin, saved, capsys) -> None:
    backup = only_backup(twin[2], system_clock)
    archive = HOME / "copies" / "second" / "twin" / backup.folder / f"{backup.name}.tar.gz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    run = run_dag(VERIFICATION)
    assert run.state == "failed"
    assert [_verified(store) for store in twin] == [[True], [True], [False]]
    said = capsys.readouterr().out
    assert f"{backup.name} in {twin[2].url} was not found right" in said
    assert f"{backup.name} in {twin[1].url} was not found right" not in said


def test_a_store_that_is_gone_makes_a_verification_red_after_the_others_were_read(twin, saved, capsys) -> None:
    shutil.rmtree(PRIMARY)
    run = run_dag(VERIFICATION)
    assert run.state == "failed"
    assert [task for task, state in run.tasks.items() if state == "failed"] == ["confirm_verification"]
    assert [_verified(store) for store in twin[1:]] == [[True], [True]]
    assert f"{twin[0].url} cannot be used now" in capsys.readouterr().out


def test_stores_and_backups_to_verify_can_be_chosen(twin, saved) -> None:
    name = only_backup(twin[0], system_clock).name
    run = run_dag(VERIFICATION, {"stores": [twin[1].url], "backups": [name]})
    assert run.state == "success", run.tasks
    assert [_verified(store) for store in twin] == [[False], [True], [False]]
    assert run_dag(VERIFICATION, {"backups": ["backup-20010101"]}).state == "failed"
