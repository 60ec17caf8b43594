"""In a real Airflow: a restore in place and its undo by two people, and what is let go of by itself."""

import pytest

from backup_engine.restore.names import parse_reserved
from backup_engine.vectorizer.server import VectorizerServer, connect
from tests.airflow.places import content
from tests.engine.samples import some_records
from tests.integration.conftest import Site

pytestmark = pytest.mark.timeout(600)

SECONDS = 240.0
BACKUP = "vectorizer_shaky_full_backup"
RESTORE = "vectorizer_shaky_restore"
AFTER = "vectorizer_shaky_after_restore"


def _held(server: VectorizerServer) -> list[str]:
    return [state.name for state in server.collections() if parse_reserved(state.name)]


@pytest.fixture(scope="module")
def server(site: Site) -> VectorizerServer:
    """A server with a good backup."""
    for dag_id in (BACKUP, RESTORE, AFTER):
        site.dana.unpause(dag_id)
    run_id = site.dana.trigger(BACKUP)
    assert site.dana.wait_for_run(BACKUP, run_id, SECONDS) == "success", site.dana.task_states(BACKUP, run_id)
    return connect(site.shaky.url)


def _approved(site: Site, dag_id: str, conf: dict) -> tuple[str, str]:
    """Have dana ask and kim approve: the run, and what was asked."""
    run_id = site.dana.trigger(dag_id, conf)
    question = site.dana.wait_for_question(dag_id, run_id, "approve", SECONDS)
    site.kim.answer(dag_id, run_id, "approve", "Approve")
    assert site.dana.wait_for_run(dag_id, run_id, SECONDS) == "success", site.dana.task_states(dag_id, run_id)
    return run_id, f"{question['subject']}\n{question['body']}"


def _damage(server: VectorizerServer) -> dict:
    server.upsert("songs", some_records(range(250, 350), seed=99))
    server.flush()
    return content(server, "songs")


def test_a_restore_in_place_is_asked_about_carried_out_and_undone(site: Site, server: VectorizerServer) -> None:
    wanted, damaged = content(server, "songs"), _damage(server)
    conf = {"restore_point": "latest", "mode": "replace", "replacing": "in-place", "collections": ["songs"]}
    run_id, asked = _approved(site, RESTORE, conf | {"dry_run": False})
    assert "readers see a mixture" in asked
    assert content(server, "songs") == wanted
    assert _held(server) == [], "no second copy was made"
    said = site.dana.task_log(RESTORE, run_id, "confirm_restore")
    assert f"To undo this: trigger {AFTER} with 'undo' and restore " in said

    run_id, asked = _approved(site, AFTER, {"action": "undo", "restore": "latest"})
    assert "350 vectors" in asked
    assert "since the restore is lost" in asked
    assert set(content(server, "songs")) == set(damaged)
    assert "is undone" in site.dana.task_log(AFTER, run_id, "carry_out", index=0)


def test_what_was_replaced_beside_is_let_go_of_when_it_is_due(site: Site, server: VectorizerServer) -> None:
    _damage(server)
    conf = {"restore_point": "latest", "mode": "replace", "collections": ["songs"], "dry_run": False}
    _approved(site, RESTORE, conf)
    assert len(_held(server)) == 1
    run_id = site.dana.trigger(AFTER)
    assert site.dana.wait_for_run(AFTER, run_id, SECONDS) == "success", site.dana.task_states(AFTER, run_id)
    assert _held(server) == []
    assert "1 collection dropped" in site.dana.task_log(AFTER, run_id, "carry_out", index=0)


def test_a_day_with_nothing_to_release_is_green_and_says_so(site: Site, server: VectorizerServer) -> None:
    run_id = site.dana.trigger(AFTER)
    assert site.dana.wait_for_run(AFTER, run_id, SECONDS) == "success", site.dana.task_states(AFTER, run_id)
    assert "Nothing to release" in site.dana.task_log(AFTER, run_id, "plan_after_restore")
    assert "Nothing was due" in site.dana.task_log(AFTER, run_id, "confirm_after_restore")
