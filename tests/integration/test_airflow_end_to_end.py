"""The main job in a real Airflow, driven over its REST API by two people."""

import json

import pytest

from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.storage.opening import open_store
from services.airflow_client import AirflowError
from services.waiting import poll
from tests.airflow.places import content
from tests.engine.samples import some_records
from tests.integration.conftest import RECORDS, Site

pytestmark = pytest.mark.timeout(600)

BACKUP = "vectorizer_main_full_backup"
RESTORE = "vectorizer_main_restore"
RUN_SECONDS = 180.0


def _backups(site: Site, deployment: str = "main"):
    return Catalog(open_store(f"file://{site.home}/backups/{deployment}"), system_clock).backups()


def _back_up(site: Site, dag_id: str = BACKUP, conf: dict | None = None) -> str:
    site.dana.unpause(dag_id)
    return site.dana.trigger(dag_id, conf)


def _log(site: Site, dag_id: str, run_id: str, task_id: str) -> str:
    return site.dana.task_log(dag_id, run_id, task_id)


@pytest.fixture(scope="module")
def backed_up(site: Site) -> str:
    """The run that made the first good backup."""
    run_id = _back_up(site, conf={"label": "the first"})
    assert site.dana.wait_for_run(BACKUP, run_id, RUN_SECONDS) == "success", site.dana.task_states(BACKUP, run_id)
    return run_id


def test_one_typo_takes_only_its_own_deployment_away(site: Site) -> None:
    dags = site.dana.dag_ids()
    assert {f"vectorizer_{name}_full_backup" for name in ("main", "haunted", "nothing", "dead")} <= dags
    assert not [dag for dag in dags if "mistyped" in dag]
    ((file, told),) = poll(site.dana.import_errors, "the import error", 60).items()
    assert file.endswith("configuration.py")
    assert "mistyped: tier is missing" in told
    assert "'tier' is meant?" in told


def test_the_backup_is_told_of_in_the_asset_and_in_the_logs(site: Site, backed_up: str) -> None:
    facts = site.dana.asset_events("vectorizer_main_backups")[0]["extra"]
    assert facts["state"] == "good"
    assert facts["vectors"] == sum(RECORDS.values())
    assert facts["label"] == "the first"
    assert facts["backup"] in [backup.name for backup in _backups(site)]
    states = site.dana.task_states(BACKUP, backed_up)
    assert {task for task in states if task.startswith("export")} == {f"export_collections[{n}]" for n in range(3)}
    said = _log(site, BACKUP, backed_up, "verify_backup")
    assert "is what its manifest says" in said


def test_a_run_that_is_cleared_in_whole_or_in_part_makes_no_second_backup(site: Site, backed_up: str) -> None:
    before = _backups(site)
    site.dana.clear_tasks(BACKUP, backed_up, [["export_collections", 1]])
    assert site.dana.wait_for_run(BACKUP, backed_up, RUN_SECONDS) == "success"
    site.dana.clear_run(BACKUP, backed_up)
    assert site.dana.wait_for_run(BACKUP, backed_up, RUN_SECONDS) == "success"
    assert [backup.name for backup in _backups(site)] == [backup.name for backup in before]


@pytest.fixture(scope="module")
def red_runs(site: Site) -> dict[str, str]:
    """Runs that must not be green, side by side."""
    runs = {name: _back_up(site, f"vectorizer_{name}_full_backup") for name in ("dead", "haunted", "nothing")}
    for name, run_id in runs.items():
        assert site.dana.wait_for_run(f"vectorizer_{name}_full_backup", run_id, RUN_SECONDS) == "failed"
    return runs


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("dead", "wait_until_loaded", "the server stayed silent"),
        ("dead", "confirm_good_backup", "this run made no backup: wait_until_loaded failed"),
        ("haunted", "confirm_good_backup", "is partial, not good"),
        ("nothing", "plan_capture", "NothingToBackUp"),
        ("nothing", "confirm_good_backup", "this run made no backup: plan_capture failed"),
    ],
)
def test_a_run_without_a_good_backup_is_red_and_says_why(
    site: Site, red_runs: dict[str, str], name: str, task: str, message: str
) -> None:
    assert message in _log(site, f"vectorizer_{name}_full_backup", red_runs[name], task)


def test_a_partial_backup_is_told_of_and_permanent_errors_are_not_tried_again(
    site: Site, red_runs: dict[str, str]
) -> None:
    assert site.dana.asset_events("vectorizer_haunted_backups")[0]["extra"]["state"] == "partial"
    for name, task_id in (("dead", "wait_until_loaded"), ("nothing", "plan_capture")):
        tasks = site.dana.tasks(f"vectorizer_{name}_full_backup", red_runs[name])
        assert [task["try_number"] for task in tasks if task["task_id"] == task_id] == [1]


def test_a_lost_and_a_damaged_collection_come_back_after_a_second_person_approved(site: Site, backed_up: str) -> None:
    wanted = {name: content(site.server, name) for name in RECORDS}
    site.server.delete_collection("docs")
    site.server.flush()
    site.server.upsert("images", some_records(range(250, 350), seed=99))
    conf = {"restore_point": "latest verified", "mode": "replace", "collections": ["docs", "images"]}
    site.dana.unpause(RESTORE)

    rehearsal = site.dana.trigger(RESTORE, conf)
    assert site.dana.wait_for_run(RESTORE, rehearsal, RUN_SECONDS) == "success"
    assert site.dana.task_states(RESTORE, rehearsal)["restore_collections"] == "skipped"
    assert "docs" not in [state.name for state in site.server.collections()]

    run_id = site.dana.trigger(RESTORE, conf | {"dry_run": False})
    question = site.dana.wait_for_question(RESTORE, run_id, "approve", RUN_SECONDS)
    assert "images" in question["body"]
    assert "dana asks, another person has to decide" in question["body"]
    site.dana.answer(RESTORE, run_id, "approve", "Approve")
    question = site.dana.wait_for_question(RESTORE, run_id, "approve", RUN_SECONDS)
    assert content(site.server, "images") != wanted["images"]
    site.kim.answer(RESTORE, run_id, "approve", "Approve")
    assert site.dana.wait_for_run(RESTORE, run_id, RUN_SECONDS) == "success", site.dana.task_states(RESTORE, run_id)
    assert {name: content(site.server, name) for name in RECORDS} == wanted
    assert "Approved by kim" in _log(site, RESTORE, run_id, "restore_collections")


def test_marking_the_approval_as_done_does_not_restore_anything(site: Site, backed_up: str) -> None:
    conf = {"restore_point": "latest", "mode": "replace", "collections": ["users"], "dry_run": False}
    site.dana.unpause(RESTORE)
    run_id = site.dana.trigger(RESTORE, conf)
    site.dana.wait_for_question(RESTORE, run_id, "approve", RUN_SECONDS)
    site.dana.mark_success(RESTORE, run_id, "approve")
    assert site.dana.wait_for_run(RESTORE, run_id, RUN_SECONDS) == "failed"
    assert "nobody's approval is recorded" in _log(site, RESTORE, run_id, "restore_collections")


def test_the_form_refuses_what_makes_no_sense(site: Site) -> None:
    with pytest.raises(AirflowError, match="restore_point"):
        site.dana.trigger(RESTORE, {"mode": "replace"})
    with pytest.raises(AirflowError, match="overwrite"):
        site.dana.trigger(RESTORE, {"restore_point": "latest", "mode": "overwrite"})
    with pytest.raises(AirflowError, match="stranger"):
        site.dana.trigger(RESTORE, {"restore_point": "latest", "target": "stranger"})


def test_the_connection_can_be_tried_from_its_form(site: Site) -> None:
    tried = {"connection_id": "vectorizer_main", "conn_type": "vectorizer", "host": site.server.facts().url}
    answer = site.dana.call("POST", "/connections/test", tried)
    assert answer["status"] is True
    assert f"at {site.server.facts().url} lists" in answer["message"]


def test_the_check_says_what_is_missing_here_and_how_to_mend_it(site: Site) -> None:
    answer = site.command("airflow", "check", "--json")
    assert answer.returncode == 1
    found = json.loads(answer.stdout)
    missing = {finding["what"] for finding in found["findings"] if finding["level"] == "missing"}
    assert {"deployment mistyped", "connection vectorizer_dead"} <= missing
    assert [what for what in missing if what.startswith("DAG file")] != []
    fine = {finding["what"] for finding in found["findings"] if finding["level"] == "ok"}
    assert {"provider", "plugin", "connection vectorizer_main", "store of main"} <= fine
