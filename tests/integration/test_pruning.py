"""In a real Airflow: a verified full starts the pruning by itself, what has had its time goes, and latest restores."""

from datetime import timedelta

import pytest

from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.records import VerificationLevel
from backup_engine.storage.identity import read_identity
from backup_engine.storage.opening import open_store
from backup_engine.verification import verify_backup
from services.waiting import poll
from tests.airflow.places import content
from tests.engine.captures import Time, capture, words
from tests.engine.memory_server import MemoryServer
from tests.integration.conftest import RECORDS, Site

pytestmark = pytest.mark.timeout(600)

SECONDS = 240.0
FULL, PRUNING = "vectorizer_aged_full_backup", "vectorizer_aged_pruning"
DAYS = 36


def _history(store) -> set[str]:
    """Make a verified full for each of the last days: names."""
    server, token, now = MemoryServer(), words("old"), system_clock()
    server.fill("users", 5)
    made = set()
    for age in range(DAYS, 0, -1):
        clock = Time(now - timedelta(days=age))
        known = {"store_id": read_identity(store).store_id, "deployment": "aged", "include": ("users",)}
        done = capture(server, store, clock, run=f"day-{age}", **known)
        verify_backup(store, done.folder, done.name, VerificationLevel.FULL, clock, token=token())
        made.add(done.name)
    return made


def test_each_verified_full_lets_go_of_what_has_had_its_time_and_latest_restores(site: Site) -> None:
    store = open_store(f"file://{site.home}/backups/aged")
    made = _history(store)
    for dag_id in (FULL, PRUNING):
        site.dana.unpause(dag_id)
    run_id = site.dana.trigger(FULL)
    state = site.dana.wait_for_run(FULL, run_id, SECONDS)
    assert state == "success", site.dana.task_states(FULL, run_id)

    def begun() -> str | None:
        runs = site.dana.call("GET", f"/dags/{PRUNING}/dagRuns")["dag_runs"]
        return next((str(run["dag_run_id"]) for run in runs if run["run_type"] == "asset_triggered"), None)

    pruning = poll(begun, "a pruning that the full started", SECONDS)
    assert site.dana.wait_for_run(PRUNING, pruning, SECONDS) == "success", site.dana.task_states(PRUNING, pruning)
    left = {backup.name for backup in Catalog(store, system_clock).backups()}
    gone = made - left
    assert 1 <= len(gone) <= DAYS - 30
    # For most of a day after its time in the week, switching it on makes a run too; it ended before this one began.
    runs = [str(run["dag_run_id"]) for run in site.dana.call("GET", f"/dags/{PRUNING}/dagRuns")["dag_runs"]]
    said = "".join(site.dana.task_log(PRUNING, run, "confirm_pruning") for run in runs)
    assert [name for name in gone if name not in said] == [], said
    assert "first full of 2" in said
    assert " freed in " in said

    done = site.command("restore", "latest", "--deployment", "aged", "--rename", "users=aged-users")
    assert done.returncode == 0, done.stderr
    assert len(content(site.server, "aged-users")) == RECORDS["users"]
    site.server.delete_collection("aged-users")
    site.server.flush()
