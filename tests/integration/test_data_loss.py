"""The guide's complete data loss in a real Airflow, with the store it was backed up to destroyed as well."""

import pytest

from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import VectorizerServer, connect
from tests.airflow.places import content, remove_bucket
from tests.integration.conftest import BUCKET, OFFSITE_RECORDS, Site
from tests.tables import squeezed

pytestmark = pytest.mark.timeout(600)

SECONDS = 240.0
BACKUP = "vectorizer_offsite_full_backup"
RESTORE = "vectorizer_offsite_restore"
SYNC = "vectorizer_offsite_sync"
PRIMARY = f"s3://{BUCKET}/vectorizer/offsite"


def _run(site: Site, dag_id: str, conf: dict | None = None) -> str:
    run_id = site.dana.trigger(dag_id, conf)
    assert site.dana.wait_for_run(dag_id, run_id, SECONDS) == "success", site.dana.task_states(dag_id, run_id)
    return run_id


@pytest.fixture(scope="module")
def wanted(site: Site) -> dict:
    """What the server held when it was backed up, off-site and to a copy."""
    site.dana.wait_for_dags([SYNC])
    for dag_id in (BACKUP, RESTORE, SYNC):
        site.dana.unpause(dag_id)
    server = connect(site.offsite.url)
    found = {name: content(server, name) for name in OFFSITE_RECORDS}
    run_id = _run(site, BACKUP)
    said = site.dana.task_log(BACKUP, run_id, "copy_backup", index=0)
    assert "copied and read back in" in said
    assert f"file://{site.home}/copies/offsite holds it too" in site.dana.task_log(
        BACKUP, run_id, "confirm_good_backup"
    )
    (told,) = site.dana.asset_events("vectorizer_offsite_copies")
    assert told["extra"]["store"] == f"file://{site.home}/copies/offsite"
    assert told["extra"]["vectors"] == sum(OFFSITE_RECORDS.values())
    return found


@pytest.fixture(scope="module")
def lost(site: Site, wanted: dict) -> VectorizerServer:
    """The server without its data, and the bucket gone with all that was in it."""
    remove_bucket(site.bucket, BUCKET)
    server = connect(site.offsite.url)
    for name in OFFSITE_RECORDS:
        server.delete_collection(name)
    assert server.collections() == ()
    return server


def test_everything_comes_back_from_the_copy_without_knowing_where_it_is(
    site: Site, lost: VectorizerServer, wanted: dict
) -> None:
    run_id = _run(site, RESTORE, {"restore_point": "latest", "dry_run": False})
    assert {name: content(lost, name) for name in OFFSITE_RECORDS} == wanted
    said = site.dana.task_log(RESTORE, run_id, "plan_restore")
    assert f"Read from the copy file://{site.home}/copies/offsite" in said
    assert f"The primary {PRIMARY} is gone: " in said
    assert f"then {SYNC}, 'back'" in site.dana.task_log(RESTORE, run_id, "confirm_restore")


def test_the_lost_store_is_rebuilt_from_the_copy(site: Site, lost: VectorizerServer) -> None:
    client = site.bucket.client()
    client.create_bucket(Bucket=BUCKET)
    made = site.command("store", "init", PRIMARY, "--deployment", "offsite")
    assert made.returncode == 0, made.stderr
    run_id = _run(site, SYNC, {"direction": "back"})
    said = site.dana.task_log(SYNC, run_id, "plan_sync")
    assert f"| copy | file://{site.home}/copies/offsite | {PRIMARY} |" in squeezed(said)
    assert "Every store has what was planned: 1 backup brought" in site.dana.task_log(SYNC, run_id, "confirm_sync")
    places = (open_store(PRIMARY, client), open_store(f"file://{site.home}/copies/offsite"))
    rebuilt, copy = ([backup.name for backup in Catalog(place, system_clock).backups()] for place in places)
    assert rebuilt == copy
    assert len(rebuilt) == 1


def test_a_sync_with_nothing_to_bring_is_green_and_says_so(site: Site, lost: VectorizerServer) -> None:
    run_id = _run(site, SYNC)
    assert site.dana.task_states(SYNC, run_id)["sync_backups"] == "skipped"
    assert "Nothing was missing: every store" in site.dana.task_log(SYNC, run_id, "confirm_sync")
