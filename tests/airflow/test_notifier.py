"""Runs that end badly are told to a real receiver, once, with what was found and what to do; the end of it too."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from backup_engine.errors import NoGoodBackup
from backup_engine.freshness.concerns import Severity
from sandbox.rules import Rule
from services.webhook_receiver import SILENCE, WebhookReceiver
from tests.airflow.answering import Answer, answering
from tests.airflow.notifying import (
    CONFIGURED,
    asked,
    described,
    existing,
    forget,
    ledger,
    miss_deadline,
    run_and_tell,
    words_of,
    write,
)
from tests.airflow.places import connected, fill, make_ghost, running_sandbox
from vectorizer_backup.notifications.memory import recall
from vectorizer_backup.notifications.runs import RunNotifier

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_alpha_full_backup"
RESTORE = "vectorizer_alpha_restore"
WRONG = {"colections": ["docs"]}
"""A field that the form does not have: the first task refuses it, and the last one says what came of that."""


@pytest.fixture(autouse=True)
def configured(tmp_path, monkeypatch):
    """Who is told, and where Airflow is."""
    path = tmp_path / "deployments.yaml"
    path.write_text(CONFIGURED)
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(path))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
    for deployment in ("alpha", "hasty"):
        forget(deployment)
    return path


@pytest.fixture
def listener(monkeypatch):
    """Both channels, at one server."""
    with WebhookReceiver() as receiver:
        for name in ("hook", "spare"):
            monkeypatch.setenv(f"AIRFLOW_CONN_ALERTS_{name.upper()}", f"{receiver.url}/{name}")
        yield receiver


def test_a_failed_backup_is_told_with_what_was_found_what_to_do_and_where_to_look(alpha, store, listener) -> None:
    run = run_and_tell(DAG_ID, WRONG)
    assert run.state == "failed"
    (message,) = listener.said("/hook")
    said = words_of(message)
    assert "this run made no backup: wait_until_loaded failed, and its log says why; wait_until_loaded: " in said
    assert "What was written since the newest good backup cannot be restored" in said
    assert f"https://airflow.example/dags/{DAG_ID}/runs/" in said
    assert "https://airflow.example/dags/vectorizer_alpha_restore" in said
    for heading in ("disk", "rights", "network", "server", "low-traffic window"):
        assert heading in said
    assert "lists 0 collections" in said
    assert listener.said("/spare") == [message]


def test_what_was_told_is_not_told_again_and_its_end_is(alpha, store, listener) -> None:
    run_and_tell(DAG_ID, WRONG)
    run_and_tell(DAG_ID, WRONG)
    assert len(listener.said("/hook")) == 1
    assert ledger("alpha").failures == {"full_backup": 2}
    listener.clear()
    fill(alpha, "docs", 20)
    assert run_and_tell(DAG_ID).state == "success"
    (message,) = listener.said("/hook")
    assert "recovered" in words_of(message).lower()
    assert ledger("alpha").open == ()
    listener.clear()
    assert run_and_tell(DAG_ID).state == "success"
    assert listener.said("/hook") == []


def test_a_good_run_costs_one_look_at_one_variable_when_nothing_is_wrong(alpha, store, listener) -> None:
    with asked() as questions:
        RunNotifier("alpha", "full_backup", "succeeded").notify({"dag_run": None, "params": {}})
    assert [one for one in questions if one != "MaskSecret"] == ["GetVariable"]
    assert listener.requests == []


def test_a_backup_of_chosen_collections_does_not_end_the_trouble(alpha, store, listener) -> None:
    run_and_tell(DAG_ID, WRONG)
    listener.clear()
    fill(alpha, "docs", 20)
    assert run_and_tell(DAG_ID, {"collections": ["docs"]}).state == "success"
    assert listener.said("/hook") == []
    assert [one.concern.kind for one in ledger("alpha").open] == ["run-failed"]


def test_a_partial_and_a_suspect_backup_are_called_so(alpha, store, listener) -> None:
    fill(alpha, "docs", 100)
    fill(alpha, "images", 20)
    assert run_and_tell(DAG_ID).state == "success"
    make_ghost(alpha, "ghost")
    assert run_and_tell(DAG_ID).state == "failed"
    assert [one.concern.kind for one in ledger("alpha").open] == ["backup-partial"]
    assert "'ghost' is incomplete" in words_of(listener.said("/hook")[-1])
    alpha.delete_collection("ghost")
    alpha.delete_collection("docs")
    assert run_and_tell(DAG_ID).state == "failed"
    assert {one.concern.kind for one in ledger("alpha").open} == {"backup-partial", "backup-suspect"}
    said = words_of(listener.said("/hook")[-1])
    assert "'docs' is gone" in said
    assert "acknowledge" in said


def test_where_nobody_is_named_the_log_says_so_and_the_run_is_what_it_was(alpha, store, configured, capsys) -> None:
    configured.write_text(CONFIGURED.split("alerts:")[0])
    assert run_and_tell(DAG_ID, WRONG).state == "failed"
    said = capsys.readouterr().out
    assert "nobody was told about alpha, because no channel is configured" in said
    (incident,) = ledger("alpha").open
    assert incident.told is None
    fill(alpha, "docs", 20)
    assert run_and_tell(DAG_ID).state == "success"


def test_a_deployment_of_which_nobody_wants_to_hear_is_silent_and_still_counted(store, listener, configured) -> None:
    configured.write_text(CONFIGURED.replace("  alpha:\n", "  alpha:\n    alerts: []\n"))
    assert run_and_tell(DAG_ID, WRONG).state == "failed"
    assert listener.requests == []
    assert ledger("alpha").failures == {"full_backup": 1}


def test_what_is_being_sent_is_written_down_as_owed_first(alpha, store, monkeypatch) -> None:
    meanwhile = []

    class Looking(WebhookReceiver):
        def answer_to(self, call):
            meanwhile.extend(one.owed for one in ledger("alpha").open)
            return super().answer_to(call)

    with Looking() as receiver:
        for name in ("HOOK", "SPARE"):
            monkeypatch.setenv(f"AIRFLOW_CONN_ALERTS_{name}", f"{receiver.url}/{name}")
        run_and_tell(DAG_ID, WRONG)
    assert meanwhile == [("hook", "spare")] * 2, "whoever is killed now leaves behind what the watch sends"
    assert [one.owed for one in ledger("alpha").open] == [()]


def test_a_channel_that_cannot_be_reached_is_owed_the_message_and_the_other_gets_it(
    alpha, store, listener, monkeypatch, caplog
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ALERTS_SPARE", "http://127.0.0.1:9")
    assert run_and_tell(DAG_ID, WRONG).state == "failed"
    assert len(listener.said("/hook")) == 1
    (incident,) = ledger("alpha").open
    assert (incident.owed, incident.told) == (("spare",), Severity.WARNING)
    assert "Not told through channel spare" in caplog.text


def test_where_no_channel_can_be_reached_everybody_is_owed_it_and_a_green_run_stays_green(
    alpha, store, listener, monkeypatch, capsys
) -> None:
    run_and_tell(DAG_ID, WRONG)
    for name in ("HOOK", "SPARE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_ALERTS_{name}", "http://127.0.0.1:9")
    fill(alpha, "docs", 20)
    assert run_and_tell(DAG_ID).state == "success"
    assert "nobody could be told" in capsys.readouterr().out
    (incident,) = ledger("alpha").incidents.values()
    assert incident.owed == ("hook", "spare")


def test_a_ledger_that_cannot_be_read_does_not_keep_anybody_from_being_told(alpha, store, listener, caplog) -> None:
    write("alpha", '{"incidents": "none"}')
    run_and_tell(DAG_ID, WRONG)
    assert len(listener.said("/hook")) == 1
    assert "cannot be read" in caplog.text
    assert ledger("alpha").failures == {"full_backup": 1}


def test_a_server_that_is_dead_and_a_store_that_is_gone_are_told_of_in_time(listener) -> None:
    with connected("hasty", "http://127.0.0.1:9"):
        run = run_and_tell("vectorizer_hasty_full_backup")
    assert run.state == "failed"
    said = words_of(listener.said("/hook")[-1])
    assert "refuses connections" in said
    assert "store init" in said
    assert "none of its stores answers this machine" in said


def test_a_server_and_a_channel_that_hang_do_not_outlast_what_airflow_leaves_a_worker(
    tmp_path, store, listener
) -> None:
    listener.answer(SILENCE, "/spare", times=9)
    with running_sandbox(tmp_path / "hanging", "alpha", faults=True) as sandbox:
        sandbox.place(Rule(what="slow", seconds=60))
        with asked():
            recall("alpha")  # the first question starts what answers here
            began = time.monotonic()
            context = {"dag_run": SimpleNamespace(run_id="r"), "exception": NoGoodBackup("it failed")}
            RunNotifier("alpha", "full_backup", "failed").notify(context)
            took = time.monotonic() - began
        sandbox.clear()
    assert took < 20, "Airflow's task_success_overtime"
    (message,) = listener.said("/hook")
    assert "gave no answer within" in words_of(message)
    assert [one.owed for one in ledger("alpha").open] == [("spare",)]


def test_a_dry_run_and_a_rejected_restore_are_nobodys_trouble(alpha, store, listener) -> None:
    fill(alpha, "docs", 20)
    assert run_and_tell(DAG_ID).state == "success"
    asked = {"restore_point": "latest", "mode": "replace"}
    alpha.delete_records("docs", ["record-1"])
    assert run_and_tell(RESTORE, asked).state == "success"
    with answering(RESTORE, [Answer("kim", "Reject")]):
        assert run_and_tell(RESTORE, {**asked, "dry_run": False}).state == "failed"
    assert listener.requests == []
    assert ledger("alpha").failures == {"restore": 1}


def test_a_restore_that_fails_says_so_in_its_own_terms(alpha, store, listener) -> None:
    run = run_and_tell(RESTORE, {"restore_point": "latest", "dry_run": False})
    assert run.state == "failed"
    said = words_of(listener.said("/hook")[-1])
    assert "nothing was restored: plan_restore failed" in said
    assert "The server may hold only a part of what was to be restored" in said
    assert ledger("alpha").failures == {"restore": 1}


# ------------------------------------------------------------------ deadlines


def test_the_deadline_of_a_run_whose_failure_was_told_says_nothing(alpha, store, listener) -> None:
    run = run_and_tell(DAG_ID, WRONG)
    listener.clear()
    assert miss_deadline("alpha", "full_backup", described(run))["state"] == "success"
    assert listener.said("/hook") == []
    assert ledger("alpha").failures == {"full_backup": 1}


def test_the_deadline_of_a_run_that_failed_in_silence_tells_it_once(alpha, store, listener) -> None:
    run = run_and_tell(DAG_ID, WRONG)
    forget("alpha")  # as if its last task had been killed before it could say anything
    listener.clear()
    for _ in range(2):
        assert miss_deadline("alpha", "full_backup", described(run))["state"] == "success"
    (message,) = listener.said("/hook")
    assert "ended red" in words_of(message)
    assert run.dag_run.run_id in words_of(message)
    assert ledger("alpha").failures == {"full_backup": 1}


def test_the_deadline_of_an_old_failure_says_nothing_once_a_newer_backup_is_good(alpha, store, listener) -> None:
    fill(alpha, "docs", 20)
    assert run_and_tell(DAG_ID).state == "success"
    with existing(DAG_ID, "old", "failed") as run:
        assert miss_deadline("alpha", "full_backup", run)["state"] == "success"
    assert listener.requests == []
    assert ledger("alpha").failures == {"full_backup": 1}


def test_the_deadline_of_a_run_that_ended_well_meanwhile_says_nothing(listener) -> None:
    with existing(DAG_ID, "well", "success") as run:
        assert miss_deadline("alpha", "full_backup", {**run, "state": "running"})["state"] == "success"
    assert listener.requests == []


def test_a_run_that_has_not_ended_is_told_to_be_late_once_and_its_good_end_settles_it(alpha, store, listener) -> None:
    fill(alpha, "docs", 20)
    with existing(DAG_ID, "going_on", "running") as run:
        for _ in range(2):
            assert miss_deadline("alpha", "full_backup", run)["state"] == "success"
    (message,) = listener.said("/hook")
    assert "Run going_on of vectorizer_alpha_full_backup has not ended after 1 d 1 h" in words_of(message)
    assert "None of its tasks is at work" in words_of(message)
    listener.clear()
    assert run_and_tell(DAG_ID).state == "success"
    assert len(listener.said("/hook")) == 1
    assert ledger("alpha").open == ()


def test_a_deployment_that_is_no_longer_configured_is_told_of_all_the_same(listener, configured) -> None:
    configured.write_text(CONFIGURED.replace("  alpha:\n", "  omega:\n"))
    with existing(DAG_ID, "going_on", "queued") as run:
        assert miss_deadline("alpha", "full_backup", run)["state"] == "success"
    said = words_of(listener.said("/hook")[-1])
    assert "deployments.yaml does not describe alpha as it is now: it is not in it" in said
    assert "It has not begun" in said


def test_in_the_triggerer_nobody_told_is_what_the_deadline_s_callback_ended_with(configured) -> None:
    configured.write_text(CONFIGURED.split("alerts:")[0])
    with existing(DAG_ID, "going_on", "running") as run:
        end = miss_deadline("alpha", "full_backup", run)
    assert end["state"] == "failed"
    assert "nobody was told about alpha" in end["body"]
