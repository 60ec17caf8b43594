"""What reading a DAG file costs: it happens every few seconds, in every component."""

import json
import os
import subprocess
import sys

import pytest

from tests.airflow.conftest import HOME, ROOT

PROGRAM = """
import json, runpy, sys, time
import airflow.sdk
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
began = time.process_time()
found = runpy.run_path(sys.argv[1])
seconds = time.process_time() - began
dags = sorted({value.dag.dag_id for value in found.values() if isinstance(value, airflow.sdk.BaseOperator)})
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules), "opened": opened, "dags": dags}))
"""
HEAVY = (
    "pyarrow",
    "numpy",
    "simdjson",
    "boto3",
    "botocore",
    "requests",
    "prometheus_client",
    "google.cloud.storage",
    "google.auth",
    "airflow.providers.amazon.aws",
    "airflow.providers.google.cloud",
)


def _parse(name: str, **environment: str) -> dict:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, ROOT / "dags" / name],
        env=os.environ | {"AIRFLOW_HOME": str(HOME)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


FILES = (
    "full_backup.py",
    "incremental_backup.py",
    "verification.py",
    "restore.py",
    "after_restore.py",
    "sync.py",
    "standby.py",
    "watch.py",
)


@pytest.mark.parametrize("name", FILES)
def test_reading_a_dag_file_loads_nothing_heavy_and_takes_less_than_a_second(name) -> None:
    parsed = _parse(name)
    assert "vectorizer_backup.dag_defaults" in parsed["modules"]
    assert [module for module in HEAVY if module in parsed["modules"]] == []
    assert parsed["seconds"] < 1


def test_the_watch_is_parsed_without_a_look_at_the_configuration(tmp_path) -> None:
    broken = tmp_path / "deployments.yaml"
    broken.write_text("alerts: [")
    assert _parse("watch.py", VECTORIZER_BACKUP_CONFIG=str(broken))["dags"] == ["vectorizer_backup_watch"]
    nowhere = str(tmp_path / "nowhere.yaml")
    assert _parse("watch.py", VECTORIZER_BACKUP_CONFIG=nowhere)["dags"] == ["vectorizer_backup_watch"]
    opened = _parse("watch.py", VECTORIZER_BACKUP_CONFIG=str(broken))["opened"]
    assert str(broken) not in opened
    assert any(path.endswith("watch.md") for path in opened), "what is opened is seen here"
