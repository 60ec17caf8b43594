"""A full backup as a DAG run: what is green, what is red, and what it says."""

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.catalog import Catalog
from backup_engine.lease import acquire
from backup_engine.model import system_clock
from tests.airflow.places import connected, fill, make_ghost
from tests.airflow.runs import asset_extras, run_dag
from tests.engine.captures import only_backup

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_alpha_full_backup"
HASTY = "vectorizer_hasty_full_backup"


def test_a_run_ends_green_with_a_good_verified_backup_and_tells_its_facts(alpha, store) -> None:
    for name, records in (("docs", 120), ("images", 80), ("users", 40), ("scratch-x", 5)):
        fill(alpha, name, records)
    run = run_dag(DAG_ID, {"label": "before the upgrade"})
    assert run.state == "success", run.tasks
    assert set(run.tasks.values()) == {"success"}
    assert {task for task in run.tasks if task.startswith("export")} == {
        "export_collections[0]",
        "export_collections[1]",
    }
    backup = only_backup(store, system_clock)
    assert backup.state is BackupState.GOOD
    assert backup.verified_at is not None
    assert [private.name for private in backup.manifest.private.collections] == ["docs", "images", "users"]
    facts = run.xcom("commit_backup")
    assert facts == asset_extras("alpha")[-1]
    assert (facts["backup"], facts["vectors"], facts["label"]) == (backup.name, 240, "before the upgrade")
    assert (facts["ways"], facts["fuzzy"]) == ({"scroll": 3}, 0)


def test_a_server_is_read_in_the_way_that_the_deployment_names(beta, beta_store) -> None:
    fill(beta, "docs", 30)
    run = run_dag("vectorizer_beta_full_backup")
    assert run.state == "success", run.tasks
    assert run.xcom("commit_backup")["ways"] == {"graphql": 1}


def test_a_partial_backup_is_kept_and_told_of_and_the_run_is_red(alpha, store, capsys) -> None:
    fill(alpha, "docs", 30)
    make_ghost(alpha, "ghost")
    run = run_dag(DAG_ID)
    assert run.state == "failed"
    assert [task for task, state in run.tasks.items() if state != "success"] == ["confirm_good_backup"]
    backup = only_backup(store, system_clock)
    assert backup.state is BackupState.PARTIAL
    assert asset_extras("alpha")[-1]["state"] == "partial"
    said = capsys.readouterr().out
    assert f"{backup.name} is partial, not good: " in said
    assert "'ghost'" in said


def test_chosen_collections_make_a_backup_that_is_not_the_deployments_good_one(alpha, store) -> None:
    fill(alpha, "docs", 20)
    fill(alpha, "images", 20)
    run = run_dag(DAG_ID, {"collections": ["docs"]})
    assert run.state == "success", run.tasks
    assert run.xcom("commit_backup")["whole_scope"] is False
    assert Catalog(store, system_clock).newest_good() is None


def test_a_collection_that_is_not_there_is_refused_by_name(alpha, store, capsys) -> None:
    fill(alpha, "docs", 20)
    run = run_dag(DAG_ID, {"collections": ["dosc"]})
    assert run.state == "failed"
    assert "does not list 'dosc'" in capsys.readouterr().out
    assert Catalog(store, system_clock).backups() == ()


def test_a_dead_server_makes_the_run_red_and_says_so(hasty_store, capsys) -> None:
    with connected("hasty", "http://127.0.0.1:9"):
        run = run_dag(HASTY)
    assert run.state == "failed"
    assert run.tasks["wait_until_loaded"] == "failed"
    assert run.tasks["confirm_good_backup"] == "failed"
    said = capsys.readouterr().out
    assert "the server stayed silent until" in said
    assert "this run made no backup: wait_until_loaded failed" in said
    assert list(hasty_store.list(".staging/")) == []


def test_a_server_without_collections_is_refused_unless_that_is_meant(alpha, hasty_store, capsys) -> None:
    with connected("hasty", alpha.facts().url):
        assert run_dag(HASTY).state == "failed"
        assert "NothingToBackUp" in capsys.readouterr().out
        assert Catalog(hasty_store, system_clock).backups() == ()
        assert run_dag(HASTY, {"allow_empty": True}).state == "success"
    assert only_backup(hasty_store, system_clock).state is BackupState.GOOD


def test_a_store_that_is_not_there_fails_the_first_task_with_what_to_do(alpha, capsys) -> None:
    run = run_dag(DAG_ID)
    assert run.tasks["wait_until_loaded"] == "failed"
    assert "store init" in capsys.readouterr().out


def test_a_field_that_the_form_does_not_have_is_refused(alpha, store, capsys) -> None:
    fill(alpha, "docs", 20)
    run = run_dag(DAG_ID, {"colections": ["docs"]})
    assert run.state == "failed"
    assert "'colections', which vectorizer_alpha_full_backup does not know" in capsys.readouterr().out
    assert Catalog(store, system_clock).backups() == ()


def test_a_backup_waits_for_a_restore_of_its_server_to_end(alpha, store) -> None:
    fill(alpha, "docs", 20)
    with acquire(store, "restore", "somebody's restore", timedelta(seconds=8), system_clock):
        run = run_dag(DAG_ID)
    assert run.state == "success", run.tasks
    began = run.dag_run.get_task_instance("plan_capture").start_date
    assert began > run.dag_run.start_date + timedelta(seconds=6)
