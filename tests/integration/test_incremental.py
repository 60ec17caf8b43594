"""In a real Airflow: what changed is kept, a moment before it comes back, and of two runs one gives way."""

import pytest

from backup_engine.archive.manifest import BackupKind
from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import connect
from sandbox.rules import Rule
from tests.airflow.places import content
from tests.engine.samples import some_records
from tests.integration.conftest import STEADY_RECORDS, Site

pytestmark = pytest.mark.timeout(600)

SECONDS = 300.0
FULL, INCREMENTAL, RESTORE = (f"vectorizer_steady_{one}" for one in ("full_backup", "incremental_backup", "restore"))
CONFIRM = "confirm_recovery_point"


def _finish(site: Site, dag_id: str, run_id: str) -> dict[str, str]:
    """Wait for a green run, and tell how its tasks ended."""
    state, tasks = site.dana.wait_for_run(dag_id, run_id, SECONDS), site.dana.task_states(dag_id, run_id)
    assert state == "success", tasks
    return tasks


def test_a_moment_comes_back_and_a_run_that_finds_another_at_work_ends_skipped_and_green(site: Site) -> None:
    for dag_id in (FULL, INCREMENTAL, RESTORE):
        site.dana.unpause(dag_id)
    server = connect(site.steady.url)
    _finish(site, FULL, site.dana.trigger(FULL))
    before, moment = content(server, "notes"), system_clock()
    server.upsert("notes", some_records(range(390, 420), seed=9))
    server.delete_records("notes", [min(before)])

    site.steady.place(Rule(what="slow", path="/notes/points/scroll$", seconds=12))
    first = site.dana.trigger(INCREMENTAL)
    site.dana.wait_for_task(INCREMENTAL, first, "plan_capture", ["success"], SECONDS)
    second = site.dana.trigger(INCREMENTAL)
    assert set(_finish(site, INCREMENTAL, second).values()) == {"skipped"}
    assert _finish(site, INCREMENTAL, first)[CONFIRM] == "success"

    made, full = Catalog(open_store(f"file://{site.home}/backups/steady"), system_clock).backups()
    assert (made.kind, full.kind) == (BackupKind.INCREMENTAL, BackupKind.FULL)
    assert made.verified_at is not None
    facts = site.dana.asset_events("vectorizer_steady_backups")[0]["extra"]
    assert (facts["backup"], facts["stored"], facts["vectors"]) == (made.name, 30, sum(STEADY_RECORDS.values()) + 19)
    said = site.dana.task_log(INCREMENTAL, first, "commit_backup")
    assert "Recovery point reached: " in said
    assert "could have been lost at most; 1 d is promised" in said
    assert site.figures.latest("airflow.vectorizer_backup_rpo_measured_seconds.steady") == facts["rpo_measured"]

    conf = {"restore_point": moment.isoformat(), "rename": ["notes=then"], "collections": ["notes"], "dry_run": False}
    _finish(site, RESTORE, site.dana.trigger(RESTORE, conf))
    assert content(server, "then") == before
