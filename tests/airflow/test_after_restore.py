"""After a restore, as DAG runs: letting go, undoing, going on; what is asked, of whom, and what is touched."""

import pytest

from backup_engine.lease import last_fencing
from backup_engine.model import system_clock
from backup_engine.restore.lifecycle import Progression, list_restores
from backup_engine.restore.names import parse_reserved
from backup_engine.storage.identity import read_identity
from backup_engine.vectorizer.server import connect
from sandbox.rules import Rule
from tests.airflow.answering import Answer, answering
from tests.airflow.places import connected, content, fill, running_sandbox
from tests.airflow.runs import run_dag, running
from tests.engine.captures import capture
from tests.engine.samples import some_records

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database")]

RESTORE = "vectorizer_alpha_restore"
AFTER = "vectorizer_alpha_after_restore"
NAMES = ("docs", "images")


@pytest.fixture
def saved(alpha, store):
    """What a good backup holds; the server holds something else by now."""
    for name in NAMES:
        fill(alpha, name, 60)
    capture(alpha, store, system_clock, store_id=read_identity(store).store_id, deployment="alpha")
    found = {name: content(alpha, name) for name in NAMES}
    for name in NAMES:
        alpha.upsert(name, some_records(range(40, 70), seed=99))
    alpha.flush()
    return found


@pytest.fixture
def damaged(alpha, saved):
    """What the server holds before it is restored."""
    return {name: content(alpha, name) for name in NAMES}


def _restore(deployment: str = "alpha", **conf) -> str:
    """Replace what the server has by the newest backup, and give the restore's id."""
    dag_id = f"vectorizer_{deployment}_restore"
    with answering(dag_id, [Answer("kim", "Approve")]):
        run = run_dag(dag_id, {"restore_point": "latest", "mode": "replace", "dry_run": False, **conf})
    assert run.state == "success", run.tasks
    return str(run.xcom("restore_collections")["restore_id"])


def _undo(restore: str, *answers: Answer):
    with answering(AFTER, answers) as questions:
        return run_dag(AFTER, {"action": "undo", "restore": restore}), questions


def _held(server) -> list[str]:
    return [state.name for state in server.collections() if parse_reserved(state.name)]


def _contents(server) -> dict:
    return {name: content(server, name) for name in NAMES}


@pytest.mark.parametrize("replacing", ["beside", "in-place"])
def test_an_undo_brings_back_what_was_there_once_another_person_agrees(alpha, store, saved, damaged, replacing) -> None:
    _restore(replacing=replacing)
    assert _contents(alpha) == saved
    run, questions = _undo("latest", Answer("dag_test", "Approve"), Answer("kim", "Approve"))
    assert run.state == "success", run.tasks
    assert {name: set(held) for name, held in _contents(alpha).items()} == {
        name: set(held) for name, held in damaged.items()
    }
    assert [one.progression for one in list_restores(store)] == [Progression.UNDONE]
    assert len(questions) == 2, "who asked for it does not decide"
    assert "another person has to decide" in questions[0]
    assert "70 vectors" in questions[0]
    assert "written to these collections since the restore is lost" in questions[0]


def test_what_was_swapped_comes_back_bit_for_bit_and_can_then_be_let_go_of(alpha, store, saved, damaged) -> None:
    restore = _restore()
    run, _ = _undo(restore, Answer("kim", "Approve"))
    assert run.state == "success", run.tasks
    assert _contents(alpha) == damaged
    assert run_dag(AFTER, {"action": "release", "restore": restore}).state == "success"
    assert _held(alpha) == []
    assert _contents(alpha) == damaged


def test_a_rejected_undo_touches_nothing_and_is_red(alpha, store, saved, capsys) -> None:
    restore = _restore()
    run, _ = _undo(restore, Answer("kim", "Reject"))
    assert run.state == "failed"
    assert run.tasks["carry_out[0]"] == "skipped"
    assert _contents(alpha) == saved
    assert f"not done: undo {restore}" in capsys.readouterr().out


def test_an_undo_whose_approval_was_only_marked_as_done_is_refused(alpha, store, saved, capsys) -> None:
    restore = _restore()
    run = run_dag(AFTER, {"action": "undo", "restore": restore}, mark_success_pattern="approve")
    assert run.state == "failed"
    assert _contents(alpha) == saved
    assert "nobody's approval is recorded" in capsys.readouterr().out


def test_nothing_due_is_a_green_run_that_takes_no_lease(alpha, store, saved) -> None:
    _restore()
    held, fencing = _held(alpha), last_fencing(store, "restore")
    run = run_dag(AFTER)
    assert run.state == "success", run.tasks
    assert run.tasks == {
        "plan_after_restore": "success",
        "approve": "success",
        "carry_out": "skipped",
        "confirm_after_restore": "success",
    }
    assert _held(alpha) == held
    assert last_fencing(store, "restore") == fencing, "a capture that is running is not disturbed"


def test_what_was_kept_long_enough_is_let_go_of_without_asking_anybody(alpha, hasty_store) -> None:
    fill(alpha, "docs", 30)
    with connected("hasty", alpha.facts().url):
        capture(alpha, hasty_store, system_clock, store_id=read_identity(hasty_store).store_id, deployment="hasty")
        wanted = content(alpha, "docs")
        _restore("hasty")
        assert len(_held(alpha)) == 1
        with running("vectorizer_hasty_full_backup"):
            disturbed = run_dag("vectorizer_hasty_after_restore")
        assert (disturbed.state, disturbed.tasks["carry_out"]) == ("success", "skipped"), "the backup goes first"
        assert len(_held(alpha)) == 1
        run = run_dag("vectorizer_hasty_after_restore")
    assert run.state == "success", run.tasks
    assert run.tasks["carry_out[0]"] == "success"
    assert _held(alpha) == []
    assert content(alpha, "docs") == wanted
    assert [one.progression for one in list_restores(hasty_store)] == [Progression.RELEASED]


def test_what_is_released_cannot_be_undone_and_the_message_says_what_can_be_done(alpha, store, saved, capsys) -> None:
    restore = _restore()
    assert run_dag(AFTER, {"action": "release", "restore": restore}).state == "success"
    run = run_dag(AFTER, {"action": "undo", "restore": restore})
    assert run.state == "failed"
    said = capsys.readouterr().out
    assert "can only come back from a backup" in said
    assert "nothing was done: plan_after_restore failed" in said


def test_an_undo_of_nothing_in_particular_is_refused(alpha, store, saved, capsys) -> None:
    restore = _restore()
    assert run_dag(AFTER, {"action": "undo"}).state == "failed"
    assert f"say which restore to undo: its id, or 'latest'. The newest are {restore}" in capsys.readouterr().out


def test_a_restore_that_stopped_is_gone_on_with(tmp_path, store) -> None:
    with running_sandbox(tmp_path / "shaky", "alpha", faults=True) as sandbox:
        server = connect(sandbox.url)
        for name in NAMES:
            fill(server, name, 60)
        capture(server, store, system_clock, store_id=read_identity(store).store_id, deployment="alpha")
        wanted = content(server, "docs")
        server.delete_collection("docs")
        server.flush()
        sandbox.place(Rule(what="500", method="POST", path="rename$"))
        stopped = run_dag(RESTORE, {"restore_point": "latest", "collections": ["docs"], "dry_run": False})
        assert stopped.state == "failed"
        sandbox.clear()
        run = run_dag(AFTER, {"action": "resume", "restore": "latest"})
        assert run.state == "success", run.tasks
        assert content(server, "docs") == wanted
