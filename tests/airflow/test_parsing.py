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
began = time.process_time()
runpy.run_path(sys.argv[1])
print(json.dumps({"seconds": time.process_time() - began, "modules": sorted(sys.modules)}))
"""
HEAVY = (
    "pyarrow",
    "numpy",
    "simdjson",
    "boto3",
    "botocore",
    "requests",
    "google.cloud.storage",
    "google.auth",
    "airflow.providers.amazon.aws",
    "airflow.providers.google.cloud",
)


def _parse(name: str) -> dict:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, ROOT / "dags" / name],
        env=os.environ | {"AIRFLOW_HOME": str(HOME)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["full_backup.py", "verification.py", "restore.py", "after_restore.py", "sync.py"])
def test_reading_a_dag_file_loads_nothing_heavy_and_takes_less_than_a_second(name) -> None:
    parsed = _parse(name)
    assert "vectorizer_backup.dag_defaults" in parsed["modules"]
    assert [module for module in HEAVY if module in parsed["modules"]] == []
    assert parsed["seconds"] < 1
