"""In a real Airflow: a server that has nothing but a backup API, and one that fails in the middle of an export."""

import psutil
import pytest

from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import connect
from sandbox.rules import Rule
from services.waiting import poll
from tests.airflow.places import content
from tests.integration.conftest import GUIDE_RECORDS, Site
from tests.tables import squeezed

pytestmark = pytest.mark.timeout(600)

SECONDS = 300.0
SCROLL = "/points/scroll$"


def _newest(site: Site, deployment: str):
    return Catalog(open_store(f"file://{site.home}/backups/{deployment}"), system_clock).backups()[0]


def _held(backup) -> dict[str, int]:
    return {private.name: summary.vectors for summary, private in backup.manifest.each()}


def test_a_server_of_the_guides_dialect_is_backed_up_verified_and_restored_elsewhere(site: Site) -> None:
    backup, restore = "vectorizer_guide_full_backup", "vectorizer_guide_restore"
    for dag_id in (backup, restore):
        site.dana.unpause(dag_id)
    run_id = site.dana.trigger(backup)
    assert site.dana.wait_for_run(backup, run_id, SECONDS) == "success", site.dana.task_states(backup, run_id)
    made = _newest(site, "guide")
    assert _held(made) == GUIDE_RECORDS
    assert made.verified_at is not None
    facts = site.dana.asset_events("vectorizer_guide_backups")[0]["extra"]
    assert facts["ways"] == {"backup-api": len(GUIDE_RECORDS)}
    assert "| manuals | 200 | backup-api | whole |" in squeezed(site.dana.task_log(backup, run_id, "commit_backup"))

    conf = {"restore_point": "latest", "target": "vectorizer_main", "allow_quantization": True, "dry_run": False}
    run_id = site.dana.trigger(restore, conf)
    assert site.dana.wait_for_run(restore, run_id, SECONDS) == "success", site.dana.task_states(restore, run_id)
    assert {name: len(content(site.server, name)) for name in GUIDE_RECORDS} == GUIDE_RECORDS


def test_a_server_that_fails_and_dies_in_the_middle_of_an_export_is_read_again(site: Site) -> None:
    backup = "vectorizer_shaky_full_backup"
    site.dana.unpause(backup)
    wanted = {state.name: state.vectors for state in connect(site.shaky.url).collections()}
    site.shaky.clear()
    site.shaky.place(
        Rule(what="500", path="/graphql$", nth=3),
        Rule(what="429", path=SCROLL, nth=1, retry_after=1),
        Rule(what="kill", path=SCROLL, nth=3, when="after"),
    )
    run_id = site.dana.trigger(backup, {"label": "under fire"})
    killed = psutil.Process(site.shaky.pid)
    poll(lambda: killed.status() == psutil.STATUS_ZOMBIE, "the server to be killed while it is read", SECONDS)
    site.shaky.revive()
    assert site.dana.wait_for_run(backup, run_id, SECONDS) == "success", site.dana.task_states(backup, run_id)
    made = _newest(site, "shaky")
    assert made.manifest.private.label == "under fire"
    assert _held(made) == wanted
    assert made.verified_at is not None
