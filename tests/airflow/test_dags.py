"""Rules that every DAG of the product keeps."""

import re
from datetime import timedelta

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from tests.airflow.conftest import ROOT
from vectorizer_backup.dag_defaults import WATCH
from vectorizer_backup.operators.incremental import MAKING
from vectorizer_backup.retrying import ErrorClassPolicy

FILES = sorted((ROOT / "dags").glob("*.py"))
VALID = ("alpha", "beta", "hasty", "twin", "remote")
COPIED = ("twin", "remote")
INCREMENTAL = ("alpha", "hasty", "twin", "remote")
PARTLY = {"sync": COPIED, "incremental_backup": INCREMENTAL, "standby": ("twin",)}
PURPOSES = ("full_backup", "verification", "restore", "after_restore", "pruning")
ACTING = re.compile(r"give_|plan_|export_|commit_|verify_|copy_|sync_|prune_|confirm_")


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(ROOT / "dags")


def _dags(bag: DagBag, purpose: str) -> list[DAG]:
    return [bag.dags[f"vectorizer_{name}_{purpose}"] for name in PARTLY.get(purpose, VALID)]


def _of_deployments(bag: DagBag) -> list[DAG]:
    return [dag for dag in bag.dags.values() if dag.dag_id != WATCH]


def test_each_valid_deployment_has_its_dags_and_the_broken_one_is_shown_as_an_import_error(bag) -> None:
    everywhere = {f"vectorizer_{name}_{purpose}" for name in VALID for purpose in PURPOSES}
    partly = {f"vectorizer_{name}_{purpose}" for purpose, names in PARTLY.items() for name in names}
    assert set(bag.dags) == everywhere | partly | {WATCH}
    (file,) = bag.import_errors
    assert file.endswith("configuration.py")
    assert "- broken: tier: Input should be 'critical', 'production' or 'development'" in bag.import_errors[file]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_airflow_takes_every_file_for_one_of_its_own(file) -> None:
    text = file.read_text().lower()
    assert "airflow" in text, "the safe mode of the dag-processor passes over it"
    assert "dag" in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_depends_on_a_logical_date(file) -> None:
    words = r"\bds\b|logical_date|data_interval|execution_date|start_date|catchup=True|datetime\.now"
    assert re.findall(words, file.read_text()) == []


def test_backups_come_by_the_tiers_schedule_one_at_a_time_and_never_for_yesterday(bag) -> None:
    schedules = {dag.dag_id: dag.timetable.expression for dag in _dags(bag, "full_backup")}
    assert schedules == {
        "vectorizer_alpha_full_backup": "0 2 * * *",
        "vectorizer_beta_full_backup": "0 2 * * 0",
        "vectorizer_hasty_full_backup": "0 2 * * *",
        "vectorizer_twin_full_backup": "0 2 * * *",
        "vectorizer_remote_full_backup": "0 2 * * *",
    }
    for dag in [*_dags(bag, "full_backup"), *_dags(bag, "verification")]:
        assert dag.max_active_runs == 1
        assert dag.catchup is False
        assert "backfill" not in dag.allowed_run_types
        assert dag.dagrun_timeout < timedelta(hours=24)


def test_incrementals_come_by_the_tiers_schedule_and_several_may_be_there_so_that_one_can_give_way(bag) -> None:
    schedules = {dag.dag_id: dag.timetable.expression for dag in _dags(bag, "incremental_backup")}
    assert schedules == {
        "vectorizer_alpha_incremental_backup": "0 * * * *",
        "vectorizer_hasty_incremental_backup": "*/10 * * * *",
        "vectorizer_twin_incremental_backup": "0 * * * *",
        "vectorizer_remote_incremental_backup": "0 * * * *",
    }
    for dag in _dags(bag, "incremental_backup"):
        assert (dag.max_active_runs, dag.catchup) == (5, False)
        assert dag.roots[0].task_id == "give_way"
        assert "backfill" not in dag.allowed_run_types
        assert dag.get_task("plan_capture").incremental is True
        assert set(MAKING) == set(dag.task_ids) - {"give_way", "copy_backup", "confirm_recovery_point"}
        if dag.has_task("copy_backup"):
            assert dag.get_task("copy_backup").execution_timeout == timedelta(minutes=30)


def test_after_an_outage_one_run_makes_up_for_all_that_were_missed(bag) -> None:
    kept = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags["vectorizer_hasty_incremental_backup"]))
    timetable, now = kept.timetable, pendulum.now("UTC")
    restriction = TimeRestriction(earliest=None, latest=None, catchup=kept.catchup)
    last = timetable.infer_manual_data_interval(run_after=now.subtract(hours=5).start_of("hour"))
    missed = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    assert now.subtract(minutes=10, seconds=1) < missed.run_after <= pendulum.now("UTC")
    after = timetable.next_dagrun_info(last_automated_data_interval=missed.data_interval, restriction=restriction)
    assert after.run_after == missed.run_after.add(minutes=10)


def test_restores_come_by_hand_only_and_take_as_long_as_they_take(bag) -> None:
    for dag in _dags(bag, "restore"):
        assert dag.timetable.can_be_scheduled is False
        assert set(dag.allowed_run_types) == {"manual", "operator_triggered"}
        assert dag.dagrun_timeout is None
        assert dag.get_task("restore_collections").execution_timeout is None


def test_what_restores_replaced_is_let_go_of_daily_unless_it_is_to_be_kept(bag) -> None:
    schedules = {dag.dag_id: getattr(dag.timetable, "expression", None) for dag in _dags(bag, "after_restore")}
    assert schedules == {
        "vectorizer_alpha_after_restore": "35 1 * * *",
        "vectorizer_beta_after_restore": None,
        "vectorizer_hasty_after_restore": "35 1 * * *",
        "vectorizer_twin_after_restore": "35 1 * * *",
        "vectorizer_remote_after_restore": "35 1 * * *",
    }
    for dag in _dags(bag, "after_restore"):
        assert dag.max_active_runs == 1, "nothing is released while somebody decides about an undo"
        assert dag.catchup is False
        assert dag.dagrun_timeout is None
        assert dag.params.get_param("action").value == "due", "what a scheduled run does"
        assert dag.params.get_param("restore").value is None


def test_every_task_that_acts_has_a_time_limit_and_a_bounded_number_of_tries(bag) -> None:
    for dag in _of_deployments(bag):
        for task in dag.tasks:
            assert 1 <= task.retries <= 5, task
            assert isinstance(task.retry_policy, ErrorClassPolicy), task
            assert task.retry_exponential_backoff == 2.0
            if ACTING.match(task.task_id):
                assert task.execution_timeout is not None, task


def test_the_steps_of_a_backup_cannot_together_outlast_its_run(bag) -> None:
    for purpose in ("full_backup", "incremental_backup"):
        dag = bag.dags[f"vectorizer_twin_{purpose}"]
        steps = ("export_collections", "commit_backup", "verify_backup", "copy_backup")
        assert sum((dag.get_task(step).execution_timeout for step in steps), timedelta()) < dag.dagrun_timeout


def test_waiting_holds_no_worker_and_no_pool_decides_over_correctness(bag) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert task.pool == "default_pool"
            if task.task_id == "wait_until_loaded":
                assert task.mode == "reschedule"


@pytest.mark.parametrize(
    ("purpose", "leaf"),
    [
        ("full_backup", "confirm_good_backup"),
        ("incremental_backup", "confirm_recovery_point"),
        ("verification", "confirm_verification"),
        ("restore", "confirm_restore"),
        ("after_restore", "confirm_after_restore"),
        ("sync", "confirm_sync"),
        ("standby", "confirm_standby"),
        ("pruning", "confirm_pruning"),
    ],
)
def test_one_last_task_decides_whatever_happened_before(bag, purpose, leaf) -> None:
    for dag in _dags(bag, purpose):
        (last,) = dag.leaves
        assert last.task_id == leaf
        assert last.trigger_rule == TriggerRule.ALL_DONE


def test_what_is_mapped_is_known_and_bounded_where_it_is_planned(bag) -> None:
    mapped = [task.task_id for dag in bag.dags.values() for task in dag.tasks if task.is_mapped]
    assert set(mapped) == {"export_collections", "verify_backup", "carry_out", "copy_backup", "sync_backups"}
    for dag in _dags(bag, "after_restore"):
        assert dag.get_task("carry_out").max_active_tis_per_dagrun == 1, "they would wait for each other's lease"


def test_only_where_there_are_copies_is_copied_and_asked_about_stores(bag) -> None:
    for name in VALID:
        copied = name in COPIED
        assert bag.dags[f"vectorizer_{name}_full_backup"].has_task("copy_backup") is copied
        assert ("read_from" in bag.dags[f"vectorizer_{name}_restore"].params) is copied
        assert ("stores" in bag.dags[f"vectorizer_{name}_verification"].params) is copied
        assert ("copy_backup" in bag.dags[f"vectorizer_{name}_full_backup"].doc_md) is copied
        for purpose in (*PURPOSES, *(["incremental_backup"] if name in INCREMENTAL else [])):
            assert ("_sync)" in bag.dags[f"vectorizer_{name}_{purpose}"].doc_md) is (
                copied and purpose != "after_restore"
            )


def test_a_sync_comes_by_schedule_one_at_a_time_and_takes_as_long_as_it_takes(bag) -> None:
    schedules = {dag.dag_id: dag.timetable.expression for dag in _dags(bag, "sync")}
    assert schedules == {"vectorizer_twin_sync": "15 * * * *", "vectorizer_remote_sync": "45 */6 * * *"}
    for dag in _dags(bag, "sync"):
        assert dag.max_active_runs == 1
        assert dag.catchup is False
        assert dag.dagrun_timeout is None
        assert (dag.params.get_param("direction").value, dag.params.get_param("dry_run").value) == ("out", False)


def test_a_standby_is_fed_after_every_backup_and_compared_by_the_clock(bag) -> None:
    (dag,) = _dags(bag, "standby")
    assert [asset.name for asset in dag.timetable.asset_condition.objects] == ["vectorizer_twin_backups"]
    assert dag.timetable.timetable.expression == "30 3 * * *"
    assert {"scheduled", "asset_triggered"} < set(dag.allowed_run_types)
    assert (dag.max_active_runs, dag.catchup, dag.dagrun_timeout) == (1, False, None)
    assert dag.params.get_param("compare").value is False


def test_pruning_follows_every_verified_full_one_at_a_time_and_comes_once_a_week_where_there_is_none(bag) -> None:
    for dag in _dags(bag, "pruning"):
        name = dag.dag_id.split("_")[1]
        (asset,) = dag.timetable.asset_condition.objects
        assert asset.name == f"vectorizer_{name}_verified"
        (outlet,) = bag.dags[f"vectorizer_{name}_full_backup"].get_task("confirm_good_backup").outlets
        assert (outlet.name, outlet.uri) == (asset.name, asset.uri)
        assert dag.timetable.timetable.expression == "20 9 * * 1"
        assert (dag.max_active_runs, dag.catchup, dag.dagrun_timeout) == (1, False, None)
        assert {"scheduled", "asset_triggered"} < set(dag.allowed_run_types)
        assert dict(dag.params) == {"dry_run": False}, "what goes is the configuration's to say"


def test_stores_are_chosen_by_where_they_lie_without_their_connection(bag) -> None:
    read_from = bag.dags["vectorizer_remote_restore"].params.get_param("read_from")
    auto, primary, copy = read_from.schema["enum"]
    assert (auto, primary) == ("auto", "s3://vectorizer-backups/airflow/remote")
    assert read_from.schema["values_display"][primary].endswith("(primary)")
    assert read_from.schema["values_display"][copy].endswith("(copy)")
    assert "seaweed@" not in str(read_from.schema)


def test_the_runbook_names_the_deployment_and_says_where_it_cannot_keep_its_promise(bag) -> None:
    assert "When it is red" in bag.dags[WATCH].doc_md
    for dag in _of_deployments(bag):
        assert "$" not in dag.doc_md
        assert "¶" not in dag.doc_md
        assert f"{dag.dag_id.split('_')[1]}" in dag.doc_md
        assert "When it is red" in dag.doc_md
    assert "> **Mind:** a recovery point at most 1 d old" in bag.dags["vectorizer_beta_full_backup"].doc_md


def test_every_field_of_every_form_explains_itself(bag) -> None:
    for dag in bag.dags.values():
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.schema["title"], name
            assert len(param.description) > 30, name


def test_a_restore_has_no_default_for_what_to_restore_and_touches_nothing_by_default(bag) -> None:
    (dag, *_) = _dags(bag, "restore")
    with pytest.raises(ParamValidationError):
        dag.params.validate()
    assert dag.params.get_param("dry_run").value is True
    assert dag.params.get_param("mode").value == "new"
    assert dag.params.get_param("target").value == "alpha"
    assert dag.params.get_param("target").schema["enum"] == ["alpha", "beta", "elsewhere"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("action", "delete"), ("restore", "../x"), ("restore", "0123456789AB"), ("restore", "")],
)
def test_the_form_after_a_restore_refuses_what_makes_no_sense(bag, field, value) -> None:
    (dag, *_) = _dags(bag, "after_restore")
    with pytest.raises(ParamValidationError):
        dag.params.get_param(field).resolve(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "overwrite"),
        ("replacing", "at once"),
        ("target", "stranger"),
        ("rename", ["no equals sign"]),
        ("rename", ["a=b=c"]),
        ("collections", "docs"),
        ("collections", [""]),
        ("dry_run", "yes"),
        ("restore_point", ""),
    ],
)
def test_a_form_refuses_what_makes_no_sense(bag, field, value) -> None:
    (dag, *_) = _dags(bag, "restore")
    param = dag.params.get_param(field)
    with pytest.raises(ParamValidationError):
        param.resolve(value)


def test_the_watch_comes_every_few_minutes_by_itself_one_at_a_time_and_is_its_own_next_try(bag) -> None:
    dag = bag.dags[WATCH]
    assert dag.timetable.expression == "*/5 * * * *"
    assert (dag.is_paused_upon_creation, dag.max_active_runs, dag.catchup) == (False, 1, False)
    assert {task.retries for task in dag.tasks} == {0}
    limits = [dag.get_task(task).execution_timeout for task in ("look", "tell", "metrics")]
    assert sum(limits, timedelta()) < dag.dagrun_timeout
    assert dag.get_task("heartbeat").execution_timeout <= dag.get_task("metrics").execution_timeout


def test_secrets_have_no_place_in_a_form(bag) -> None:
    for dag in bag.dags.values():
        assert not [name for name in dag.params if re.search("pass|secret|token|key|user", name)]
