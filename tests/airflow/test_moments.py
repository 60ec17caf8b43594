"""A moment in the restore form: what it finds, what is said of it, and what a broken chain comes to."""

import pytest

from backup_engine.archive.manifest import sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.storage.identity import read_identity
from tests.airflow.answering import Answer, answering
from tests.airflow.places import content, fill
from tests.airflow.runs import run_dag
from tests.engine.captures import capture
from tests.engine.samples import some_records

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_alpha_restore"


@pytest.fixture
def past(alpha, store):
    """A full and an incremental, what the server held at each, and a moment after each."""
    fill(alpha, "docs", 60)
    found = []
    for number in range(2):
        if number:
            alpha.upsert("docs", some_records(range(50, 70), seed=number))
        made = capture(
            alpha,
            store,
            system_clock,
            f"run {number}",
            store_id=read_identity(store).store_id,
            deployment="alpha",
            incremental=bool(number),
        )
        found.append((made.name, content(alpha, "docs"), system_clock().isoformat()))
    alpha.upsert("docs", some_records(range(30), seed=99))
    return found


@pytest.mark.parametrize("number", [0, 1])
def test_a_moment_is_restored_and_everybody_is_told_how_far_before_it_the_state_lies(alpha, past, number) -> None:
    name, wanted, moment = past[number]
    with answering(DAG_ID, [Answer("kim", "Approve")]) as questions:
        run = run_dag(DAG_ID, {"restore_point": moment, "mode": "replace", "dry_run": False})
    assert run.state == "success", run.tasks
    assert content(alpha, "docs") == wanted
    (asked,) = questions
    assert f"{name} is the newest state that can be restored; it was captured" in asked
    assert f"before {moment}" in asked
    assert run.xcom("plan_restore")["origin"] == "", "the primary store is read"


def test_a_name_says_nothing_of_a_distance(alpha, past) -> None:
    run = run_dag(DAG_ID, {"restore_point": past[1][0], "mode": "replace"})
    assert run.state == "success", run.tasks
    ticket = run.xcom("plan_restore")
    assert (ticket["backup"], ticket["distance"], ticket["origin"]) == (past[1][0], "", "")


def test_a_backup_whose_chain_is_broken_is_refused_before_anybody_is_asked(alpha, store, past, capsys) -> None:
    (full, _, _), (incremental, changed, _) = past
    backup = Catalog(store, system_clock).by_name[full]
    store.delete([sidecar_key(backup.folder, full)])
    before = content(alpha, "docs")
    run = run_dag(DAG_ID, {"restore_point": incremental, "mode": "replace", "dry_run": False})
    assert run.state == "failed"
    assert run.tasks["plan_restore"] == "failed"
    assert content(alpha, "docs") == before != changed
    assert f"{incremental} hangs on {full}, which is not there" in capsys.readouterr().out
