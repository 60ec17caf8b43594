"""``vectorizer-backup airflow check``: says what is missing and how to mend it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow.conftest import HOME
from tests.airflow.runs import parse_dags, pause

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

PROGRAM = Path(sys.executable).parent / "vectorizer-backup"


def _check(configuration: str = "", **environment: str) -> tuple[int, dict[str, dict]]:
    if configuration:
        (HOME / "tried.yaml").write_text(configuration)
        environment["VECTORIZER_BACKUP_CONFIG"] = str(HOME / "tried.yaml")
    answer = subprocess.run(
        [PROGRAM, "airflow", "check", "--json"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    findings = json.loads(answer.stdout)["findings"]
    return answer.returncode, {finding["what"]: finding for finding in findings}


def test_whatever_is_missing_is_named_with_its_remedy() -> None:
    code, found = _check(
        AIRFLOW__CORE__PLUGINS_FOLDER=str(HOME / "no-plugins"),
        AIRFLOW_CONN_HASTY="vectorizer://127.0.0.1:9",
        AIRFLOW_CONN_ALPHA="",
    )
    assert code == 1
    missing = {what: one["remedy"] for what, one in found.items() if one["level"] == "missing"}
    assert "correct" in missing["deployment broken"]
    assert "plugins_folder" in missing["plugin"]
    assert missing["connection beta"].startswith("airflow connections add beta --conn-type vectorizer")
    assert "start the server" in missing["connection hasty"]
    assert missing["store of alpha"].startswith(f"vectorizer-backup store init 'file://{HOME}/backups/alpha'")
    assert found["provider"]["level"] == "ok"


def test_another_deployments_store_is_not_taken_for_ones_own(alpha, store) -> None:
    configuration = f"""
deployments:
  gamma:
    tier: production
    server: {{connection: alpha, url: "http://alpha.invalid"}}
    store: file://{HOME}/backups/swapped
"""
    swapped = HOME / "backups" / "swapped"
    swapped.mkdir()
    (swapped / "gamma").symlink_to(HOME / "backups" / "alpha")
    code, found = _check(configuration)
    (swapped / "gamma").unlink()
    swapped.rmdir()
    assert code == 1
    assert found["store of gamma"]["level"] == "missing"


def test_every_store_is_looked_at_and_a_directory_of_one_machine_is_refused_to_several(twin) -> None:
    _, found = _check(AIRFLOW_CONN_SEAWEED="")
    assert found["store of twin"]["level"] == "ok"
    assert found[f"copy of twin in {twin[1].url}"]["level"] == "ok"
    assert "DAG vectorizer_twin_sync" in found
    assert "DAG vectorizer_alpha_sync" not in found
    denied = found["store of remote"]
    assert (denied["level"], "the connection 'seaweed'" in denied["found"]) == ("missing", True)
    code, found = _check(AIRFLOW__CORE__EXECUTOR="CeleryExecutor")
    assert code == 1
    for what in ("store of twin", f"copy of twin in {twin[2].url}"):
        assert "tasks run on several" in found[what]["found"]
        assert "?shared=yes" in found[what]["remedy"]


def test_when_all_is_there_the_check_passes(alpha, store, monkeypatch) -> None:
    configuration = f"""
deployments:
  alpha:
    tier: production
    rpo: 24h
    server: {{connection: alpha, url: "http://alpha.invalid"}}
    store: file://{HOME}/backups
alerts:
  channels:
    duty: {{kind: pagerduty, connection: pager}}
    sns: {{kind: notifier, notifier: airflow.providers.smtp.notifications.smtp.SmtpNotifier}}
  heartbeat: beat
"""
    for connection in ("PAGER", "BEAT"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{connection}", "http://127.0.0.1:9")
    (HOME / "fine.yaml").write_text(configuration)
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(HOME / "fine.yaml"))
    parse_dags()
    code, found = _check()
    assert [what for what, one in found.items() if one["level"] == "missing"] == []
    assert code == 0
    assert found["DAG vectorizer_alpha_restore"]["level"] == "ok"
    assert found["DAG vectorizer_alpha_after_restore"]["level"] == "note", "paused, it would release nothing"
    assert found["DAG vectorizer_alpha_full_backup"]["remedy"] == "airflow dags unpause vectorizer_alpha_full_backup"
    assert found["DAG vectorizer_backup_watch"]["level"] == "ok", "new DAGs are paused, the watch is not"
    assert {found[what]["level"] for what in ("channel duty", "channel sns", "heartbeat")} == {"ok"}
    assert found["triggerer"]["level"] == "note", "none runs here"


def test_whoever_could_not_be_told_is_named() -> None:
    parse_dags()
    pause("vectorizer_backup_watch")
    code, found = _check(
        f"""
deployments:
  alpha:
    tier: production
    server: {{connection: alpha, url: "http://alpha.invalid"}}
    store: file://{HOME}/backups
alerts:
  channels:
    mail: {{kind: mail, to: [ops@example.com], connection: no_mail}}
    sns: {{kind: notifier, notifier: nowhere.to.be.Found}}
  heartbeat: no_beat
"""
    )
    pause("vectorizer_backup_watch", paused=False)
    assert code == 1
    for what in ("channel mail", "channel sns", "heartbeat", "DAG vectorizer_backup_watch"):
        assert found[what]["level"] == "missing", what
    assert found["channel mail"]["remedy"].startswith("airflow connections add no_mail --conn-type smtp")
    assert found["heartbeat"]["remedy"].startswith("airflow connections add no_beat --conn-type http")
    _, silent = _check(AIRFLOW_CONN_ALPHA="")
    assert (silent["alerts"]["level"], silent["heartbeat"]["level"]) == ("note", "note")
