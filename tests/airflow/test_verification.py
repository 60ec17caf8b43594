"""Verification as DAG runs: what is read, and what makes the run red."""

from pathlib import Path

import pytest

from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.storage.identity import read_identity
from tests.airflow.conftest import HOME
from tests.airflow.runs import run_dag
from tests.engine.captures import capture
from tests.engine.memory_server import MemoryServer

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_alpha_verification"


@pytest.fixture
def archives(store) -> dict[str, Path]:
    """Two good backups: by name the file of each."""
    server = MemoryServer()
    server.fill("docs", 200)
    known = {"store_id": read_identity(store).store_id, "deployment": "alpha"}
    for run in ("monday", "tuesday"):
        capture(server, store, system_clock, run=run, **known)
    root = HOME / "backups" / "alpha"
    return {one.name: root / one.folder / f"{one.name}.tar.gz" for one in Catalog(store, system_clock).backups()}


def _verified(store) -> list[str]:
    return [backup.name for backup in Catalog(store, system_clock).backups() if backup.verified_at]


def test_unread_backups_are_read_and_that_is_recorded(store, archives) -> None:
    run = run_dag(DAG_ID)
    assert run.state == "success", run.tasks
    assert sorted(_verified(store)) == sorted(archives)


def test_a_damaged_backup_makes_the_run_red_and_the_others_are_verified_all_the_same(store, archives, capsys) -> None:
    damaged, fine = archives
    content = bytearray(archives[damaged].read_bytes())
    content[len(content) // 3] ^= 1
    archives[damaged].write_bytes(content)
    run = run_dag(DAG_ID)
    assert run.state == "failed"
    assert _verified(store) == [fine]
    said = capsys.readouterr().out
    assert f"{damaged} was not found right" in said
    assert f"{fine} was not found right" not in said


def test_a_manifest_that_cannot_be_read_makes_the_run_red(store, archives, capsys) -> None:
    lost, fine = archives
    Path(str(archives[lost]).replace(".tar.gz", ".json")).write_text("{}")
    run = run_dag(DAG_ID)
    assert run.state == "failed"
    assert _verified(store) == [fine]
    assert "no manifest that can be read" in capsys.readouterr().out


def test_nothing_to_verify_is_red(store, capsys) -> None:
    run = run_dag(DAG_ID)
    assert run.state == "failed"
    assert "holds no backup that could be read" in capsys.readouterr().out


def test_a_backup_can_be_asked_for_by_name(store, archives) -> None:
    _, older = archives
    run = run_dag(DAG_ID, {"backups": [older]})
    assert run.state == "success", run.tasks
    assert _verified(store) == [older]
