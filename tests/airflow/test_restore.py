"""Restores as DAG runs: what is asked, of whom, and what is touched."""

import pytest

from backup_engine.catalog import Catalog
from backup_engine.lease import last_fencing
from backup_engine.model import system_clock
from backup_engine.storage.identity import read_identity
from tests.airflow.answering import Answer, answering
from tests.airflow.places import content, fill
from tests.airflow.runs import run_dag
from tests.engine.captures import capture
from tests.engine.samples import some_records
from tests.tables import squeezed

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_alpha_restore"


@pytest.fixture
def saved(alpha, store):
    """What a good backup holds: two collections."""
    fill(alpha, "docs", 60)
    fill(alpha, "images", 40)
    capture(alpha, store, system_clock, store_id=read_identity(store).store_id, deployment="alpha")
    return {name: content(alpha, name) for name in ("docs", "images")}


def _lose_and_damage(server) -> None:
    server.delete_collection("docs")
    server.flush()
    server.upsert("images", some_records(range(30, 50), seed=99))


def test_a_dry_run_is_green_and_touches_nothing(alpha, store, saved, capsys) -> None:
    _lose_and_damage(alpha)
    damaged = content(alpha, "images")
    run = run_dag(DAG_ID, {"restore_point": "latest", "mode": "replace"})
    assert run.state == "success"
    assert (run.tasks["approve"], run.tasks["restore_collections"]) == ("skipped", "skipped")
    assert [state.name for state in alpha.collections()] == ["images"]
    assert content(alpha, "images") == damaged
    assert [info.key for info in store.list(".staging/") if "restore-" in info.key] == []


def test_what_is_lost_comes_back_without_asking_anybody(alpha, store, saved) -> None:
    alpha.delete_collection("docs")
    alpha.flush()
    run = run_dag(DAG_ID, {"restore_point": "latest", "collections": ["docs"], "dry_run": False})
    assert run.state == "success", run.tasks
    assert run.xcom("approve") is None
    assert content(alpha, "docs") == saved["docs"]


def test_nobody_approves_their_own_restore_but_another_person_does(alpha, store, saved, capsys) -> None:
    _lose_and_damage(alpha)
    answers = [Answer("dag_test", "Approve"), Answer("kim", "Approve")]
    with answering(DAG_ID, answers) as questions:
        run = run_dag(DAG_ID, {"restore_point": "latest", "mode": "replace", "dry_run": False})
    assert run.state == "success", run.tasks
    assert {name: content(alpha, name) for name in saved} == saved
    assert len(questions) == 2
    assert all("| images |" in squeezed(question.replace("'", "")) for question in questions), questions
    assert run.xcom("approve")["responded_by_user"]["name"] == "kim"
    assert "dag_test started this run and cannot approve it too" in capsys.readouterr().out


def test_a_rejected_restore_touches_nothing_and_is_red(alpha, store, saved, capsys) -> None:
    _lose_and_damage(alpha)
    damaged = content(alpha, "images")
    with answering(DAG_ID, [Answer("kim", "Reject")]):
        run = run_dag(DAG_ID, {"restore_point": "latest", "mode": "replace", "dry_run": False})
    assert run.state == "failed"
    assert run.tasks["restore_collections"] == "skipped"
    assert content(alpha, "images") == damaged
    assert "nothing was restored: kim rejected it" in capsys.readouterr().out


def test_an_approval_that_was_only_marked_as_done_is_none(alpha, store, saved, capsys) -> None:
    _lose_and_damage(alpha)
    damaged = content(alpha, "images")
    conf = {"restore_point": "latest", "mode": "replace", "dry_run": False}
    run = run_dag(DAG_ID, conf, mark_success_pattern="approve")
    assert run.state == "failed"
    assert run.tasks["restore_collections"] == "failed"
    assert content(alpha, "images") == damaged
    assert "nobody's approval is recorded" in capsys.readouterr().out


def test_merging_into_a_collection_asks_too(alpha, store, saved) -> None:
    with answering(DAG_ID, [Answer("kim", "Approve")]) as questions:
        conf = {"restore_point": "latest", "mode": "merge", "collections": ["images"], "dry_run": False}
        assert run_dag(DAG_ID, conf).state == "success"
    assert len(questions) == 1


def test_a_plan_that_cannot_be_carried_out_is_refused_with_all_reasons(alpha, store, saved, capsys) -> None:
    conf = {"restore_point": "latest", "mode": "new", "collections": ["docs", "images"], "dry_run": False}
    run = run_dag(DAG_ID, conf)
    assert run.state == "failed"
    assert run.tasks["plan_restore"] == "failed"
    said = capsys.readouterr().out
    assert "'docs' exists" in said
    assert "'images' exists" in said
    assert "nothing was restored: plan_restore failed" in said


def test_a_collection_comes_back_beside_the_one_there_is(alpha, store, saved) -> None:
    conf = {"restore_point": "latest", "collections": ["docs"], "rename": ["docs=docs_then"], "dry_run": False}
    assert run_dag(DAG_ID, conf).state == "success"
    assert content(alpha, "docs_then") == saved["docs"]


def test_another_server_can_be_the_target_and_the_own_one_is_free_meanwhile(
    alpha, beta, store, beta_store, saved
) -> None:
    conf = {"restore_point": "latest", "target": "beta", "dry_run": False}
    run = run_dag(DAG_ID, conf)
    assert run.state == "success", run.tasks
    assert {name: content(beta, name) for name in saved} == saved
    assert last_fencing(store, "restore") == 0
    assert last_fencing(beta_store, "restore") == 1


def test_an_unknown_restore_point_shows_what_there_is(alpha, store, saved, capsys) -> None:
    (backup,) = Catalog(store, system_clock).backups()
    run = run_dag(DAG_ID, {"restore_point": "2001-01-01T00:00:00Z"})
    assert run.state == "failed"
    assert backup.name in capsys.readouterr().out
