"""The standby as DAG runs: fed by every backup, compared, and red when it could not be switched to."""

import pytest

from tests.airflow.places import content, fill
from tests.airflow.runs import run_dag
from tests.engine.samples import some_records

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_twin_standby"
TASKS = ("apply_to_standby", "compare_standby", "confirm_standby")


def test_it_follows_the_backups_and_is_compared_when_that_is_asked_for(alpha, twin, spare) -> None:
    fill(alpha, "docs", 60)
    assert run_dag("vectorizer_twin_full_backup").state == "success"
    run = run_dag(DAG_ID)
    assert run.state == "success", run.tasks
    assert run.tasks == dict(zip(TASKS, ("success", "skipped", "success"), strict=True))
    assert content(spare, "docs") == content(alpha, "docs")

    alpha.upsert("docs", some_records(range(50, 80), seed=9))
    alpha.delete_records("docs", [min(content(alpha, "docs"))])
    assert run_dag("vectorizer_twin_incremental_backup").state == "success"
    run = run_dag(DAG_ID, {"compare": True})
    assert run.state == "success", run.tasks
    assert set(run.tasks.values()) == {"success"}
    assert content(spare, "docs") == content(alpha, "docs")
    told = run.xcom("apply_to_standby")
    assert (told["changed"], told["upserts"], told["deletions"]) == (["docs"], 30, 1)


def test_one_that_was_never_fed_is_red_whatever_the_tasks_say(alpha, twin, spare, capsys) -> None:
    run = run_dag(DAG_ID, mark_success_pattern="apply_to_standby|compare_standby")
    assert (run.state, run.tasks["confirm_standby"]) == ("failed", "failed")
    assert "the standby spare is not as it should be: it holds no backup as a whole yet" in capsys.readouterr().out
