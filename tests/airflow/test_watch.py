"""The watch as a DAG run: silent and green when all is well, once told when it is not, once told when it is over."""

import json

import pytest

from backup_engine.model import system_clock
from backup_engine.storage.identity import read_identity
from backup_engine.vectorizer.server import connect
from backup_engine.verification import VerificationLevel, verify_backup
from services.webhook_receiver import Answer
from tests.airflow.conftest import HOME
from tests.airflow.notifying import asked, forget, ledger
from tests.airflow.places import fill
from tests.airflow.runs import pause, run_dag
from tests.airflow.watching import DAGS, watched_site
from tests.engine.captures import capture
from tests.tables import squeezed
from vectorizer_backup.operators.watch import TellOperator

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database", "store")]

FULL = DAGS[0]


@pytest.fixture
def site(tmp_path):
    with watched_site(tmp_path / "site") as site:
        yield site


@pytest.fixture
def protected(site, store):
    """A site with a good backup that was read back."""
    server = connect(site.sandbox.url)
    fill(server, "docs", 40)
    made = capture(server, store, system_clock, deployment="alpha", store_id=read_identity(store).store_id)
    verify_backup(store, made.folder, made.name, VerificationLevel.FULL, system_clock, token="t")
    return site


def test_when_all_is_well_nobody_is_told_and_one_heartbeat_is_sent(protected) -> None:
    run = protected.watch()
    assert run.state == "success", run.tasks
    assert run.tasks == {"look": "success", "tell": "success", "heartbeat": "success", "metrics": "success"}
    assert protected.heartbeats() == 1
    assert protected.heard() == []
    table = run.xcom("look", "table")
    assert squeezed(table).startswith("| deployment | tier |")
    assert table.splitlines()[-1].endswith("| nothing |")


def test_what_is_wrong_is_told_once_and_its_end_is_told_once(protected) -> None:
    protected.sandbox.stop()
    assert protected.watch().state == "success"
    assert (protected.heartbeats(), protected.heard()) == (1, []), "what mends itself soon wakes nobody"
    protected.time_passes(15)
    run = protected.watch()
    assert run.state == "success", "the watch did what it is there for"
    assert run.tasks["heartbeat"] == "skipped"
    assert protected.heartbeats() == 0
    assert protected.heard() == ["raised server-unreachable"]
    assert protected.watch().state == "success"
    assert (protected.heartbeats(), protected.heard()) == (0, [])
    protected.sandbox.start()
    protected.watch()
    assert protected.heartbeats() == 1
    assert protected.heard() == ["recovered server-unreachable"]
    protected.watch()
    assert protected.heard() == []


def test_a_paused_dag_is_told_of_after_an_hour(protected) -> None:
    pause(FULL)
    protected.watch()
    assert protected.heard() == []
    protected.time_passes(61)
    protected.watch()
    assert protected.heard() == ["raised dag-paused"]
    pause(FULL, paused=False)
    protected.watch()
    assert protected.heard() == ["recovered dag-paused"]


def test_a_configuration_that_cannot_be_read_is_told_to_those_who_were_to_be_told_before(protected) -> None:
    right = protected.configuration.read_text()
    protected.watch()
    protected.receiver.clear()
    protected.configuration.write_text("alerts: [\n")
    assert protected.watch().state == "success"
    protected.receiver.clear()
    protected.time_passes(6, "")
    run = protected.watch()
    assert protected.heartbeats() == 0
    assert protected.heard() == ["raised configuration-unreadable"]
    assert "configuration-unreadable" in run.xcom("look", "table")
    protected.watch()
    assert protected.heard() == []
    protected.configuration.write_text(right)
    protected.watch()
    assert protected.heartbeats() == 1
    assert protected.heard() == ["recovered configuration-unreadable"]


def test_an_invalid_deployment_is_told_and_does_not_keep_the_others_unwatched(protected) -> None:
    right = protected.configuration.read_text()
    protected.configuration.write_text(right + "  beta: {tier: produktion}\n")
    protected.watch()
    protected.time_passes(6, "beta")
    run = protected.watch()
    assert protected.heard() == ["raised deployment-invalid"]
    rows = run.xcom("look", "table").splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["beta", "alpha"]
    protected.configuration.write_text(right)
    forget("beta")


def test_a_channel_that_could_not_be_reached_is_told_by_the_next_run(protected) -> None:
    protected.sandbox.stop()
    protected.watch()
    protected.time_passes(15)
    protected.receiver.clear()
    protected.receiver.answer(Answer(500), "/hook", times=100)
    run = protected.watch()
    assert (run.state, run.tasks["tell"], run.tasks["heartbeat"]) == ("failed", "failed", "upstream_failed")
    assert run.tasks["metrics"] == "success"
    protected.receiver.clear()
    assert protected.watch().state == "success"
    assert protected.heard() == ["raised server-unreachable"]
    protected.watch()
    assert protected.heard() == []


def test_without_a_channel_the_run_is_red_and_says_so_and_nothing_counts_as_told(protected, caplog) -> None:
    right = protected.configuration.read_text()
    protected.configuration.write_text(right.replace("channels: {hook: {kind: webhook, connection: hook}}", ""))
    protected.watch()
    assert protected.heartbeats() == 1, "while there is nothing to tell nobody has to be there"
    protected.sandbox.stop()
    protected.watch()
    protected.time_passes(15)
    run = protected.watch()
    assert (run.state, run.tasks["tell"]) == ("failed", "failed")
    assert all(one.told is None for one in ledger("alpha").incidents.values())
    protected.configuration.write_text(right)
    protected.watch()
    assert protected.heard() == ["raised server-unreachable"]


def test_metrics_are_left_for_prometheus_whatever_else_is_wrong(protected) -> None:
    protected.sandbox.stop()
    protected.watch()
    text = (HOME / "watched.prom").read_text()
    assert 'vectorizer_backup_server_reachable{deployment="alpha"} 0.0' in text
    assert 'vectorizer_backup_restorable{deployment="alpha"} 1.0' in text
    protected.configuration.write_text(protected.configuration.read_text().replace("watched.prom", "no/folder.prom"))
    run = protected.watch()
    assert (run.state, run.tasks["metrics"]) == ("failed", "failed")


def test_a_failed_run_keeps_the_heartbeat_back_until_a_newer_backup_is_good(protected) -> None:
    assert run_dag(FULL, {"colections": ["docs"]}).state == "failed"
    assert protected.heard() == ["raised run-failed"]
    protected.watch()
    assert (protected.heartbeats(), protected.heard()) == (0, [])
    assert run_dag(FULL).state == "success"
    assert protected.heard() == ["recovered run-failed"]
    protected.watch()
    assert protected.heartbeats() == 1


def test_on_a_fresh_install_the_watch_is_green_and_nobody_is_called(site) -> None:
    pause(*DAGS)
    run = site.watch()
    assert run.state == "success"
    assert site.heard() == []


def test_without_an_address_for_the_heartbeat_it_is_skipped(protected) -> None:
    protected.configuration.write_text(protected.configuration.read_text().replace("heartbeat: beat", ""))
    run = protected.watch()
    assert (run.state, run.tasks["heartbeat"]) == ("success", "skipped")


def test_a_heartbeat_that_gets_no_answer_is_red_after_some_tries_and_its_address_stays_secret(protected, capfd) -> None:
    protected.receiver.answer(Answer(500))
    assert protected.watch().state == "success"
    assert protected.heartbeats() == 2
    protected.receiver.clear()
    protected.receiver.answer(Answer(404), times=100)
    run = protected.watch()
    assert (run.state, run.tasks["heartbeat"], protected.heartbeats()) == ("failed", "failed", 3)
    assert "/beat" not in "".join(capfd.readouterr())


def test_a_deployment_whose_judging_breaks_is_told_of_and_the_others_are_watched(protected, monkeypatch) -> None:
    nobody_foresaw = {"conn_type": "vectorizer", "host": "gamma.invalid", "extra": "[1]"}
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps(nobody_foresaw))
    other = """
  gamma:
    tier: production
    server: {connection: broken, url: "http://gamma.invalid:15002"}
    store: file:///nowhere
"""
    protected.configuration.write_text(protected.configuration.read_text() + other)
    run = protected.watch()
    assert run.state == "failed", (run.tasks, run.xcom("look", "table"))
    assert run.tasks == {"look": "failed", "tell": "success", "heartbeat": "upstream_failed", "metrics": "success"}
    assert protected.heard() == []
    protected.time_passes(11, "gamma")
    run = protected.watch()
    assert protected.heard() == ["raised not-judged"]
    rows = run.xcom("look", "table").splitlines()[2:]
    assert [row.split("|")[-2].strip() for row in rows] == ["nothing", "not-judged"]
    forget("gamma")


def test_a_look_that_breaks_off_altogether_is_told_too(protected) -> None:
    tell = TellOperator(task_id="tell", watched=None)
    with asked():
        tell.execute({})
        protected.time_passes(11, "")
        tell.execute({})
    assert protected.heard() == ["raised not-judged"]
    protected.watch()
    assert protected.heard() == ["recovered not-judged"]
