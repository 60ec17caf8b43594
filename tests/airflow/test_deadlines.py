"""When a run is late, and who tells of its end."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagbag import DBDagBag
from airflow.models.deadline import Deadline
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineReference
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

from backup_engine.deployment import ScheduleSettings
from backup_engine.model import system_clock
from tests.airflow.conftest import ROOT
from tests.airflow.runs import parse_dags
from vectorizer_backup.dag_defaults import PURPOSES, WATCH, callbacks, deadlines, deployments, full_within
from vectorizer_backup.notifications.runs import RunNotifier

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(ROOT / "dags")


@pytest.mark.parametrize(
    ("dag_id", "allowed"),
    [
        ("vectorizer_alpha_incremental_backup", "rpo"),
        ("vectorizer_beta_full_backup", "rpo"),
        ("vectorizer_alpha_verification", "rto"),
        ("vectorizer_alpha_restore", "rto"),
        ("vectorizer_hasty_incremental_backup", "rpo"),
    ],
)
def test_a_run_is_late_when_it_has_not_ended_in_the_time_that_was_promised(bag, dag_id, allowed) -> None:
    _, deployment, purpose = dag_id.split("_", 2)
    (alert,) = bag.dags[dag_id].deadline
    assert alert.interval == getattr(deployments().deployments[deployment].terms, allowed)
    assert alert.reference is DeadlineReference.DAGRUN_QUEUED_AT
    assert isinstance(alert.callback, AsyncCallback), "only the triggerer may read connections"
    assert alert.callback.path == f"{RunNotifier.__module__}.{RunNotifier.__qualname__}"
    assert alert.callback.kwargs == {"deployment": deployment, "purpose": purpose, "outcome": "late"}
    RunNotifier(**alert.callback.kwargs)


def test_what_nobody_waits_for_is_never_late(bag) -> None:
    without = {dag_id for dag_id, dag in bag.dags.items() if not dag.deadline}
    assert without == {dag_id for dag_id in bag.dags if dag_id.endswith(("_after_restore", "_sync"))} | {WATCH}


def test_deadlines_follow_the_deployments_own_promises() -> None:
    alpha = deployments().deployments["alpha"].model_copy(update={"rpo": 7 * HOUR, "rto": 3 * HOUR})
    intervals = {purpose: [one.interval for one in deadlines(alpha, purpose)] for purpose in PURPOSES}
    assert intervals == {
        "full_backup": [12 * HOUR],
        "incremental_backup": [7 * HOUR],
        "verification": [3 * HOUR],
        "restore": [3 * HOUR],
        "after_restore": [],
        "sync": [],
        "standby": [3 * HOUR],
        "pruning": [6 * HOUR],
    }
    assert deadlines(alpha, "incremental_backup")[0].name == "alpha: incremental backup within 7 h"


@pytest.mark.parametrize(
    ("changes", "hours"),
    [
        ({}, 12),
        ({"rpo": 13 * HOUR}, 13),
        ({"schedule": ScheduleSettings(incremental="never")}, 1),
        ({"schedule": ScheduleSettings(full="0 2 * * 0")}, 22),
    ],
    ids=["half a day before the next", "promised", "nothing else keeps the promise", "no longer than it may run"],
)
def test_a_full_may_take_longer_than_the_promise_while_incrementals_keep_it(changes, hours) -> None:
    alpha = deployments().deployments["alpha"].model_copy(update=changes)
    assert full_within(alpha) == hours * HOUR


def test_the_last_task_of_every_dag_and_no_other_tells_how_its_run_ended(bag) -> None:
    for dag_id, dag in bag.dags.items():
        for task in dag.tasks if dag_id != WATCH else ():
            told = [*task.on_failure_callback, *task.on_success_callback]
            if task not in dag.leaves:
                assert told == [], task
                continue
            assert [(type(one), one.outcome) for one in told] == [(RunNotifier, "failed"), (RunNotifier, "succeeded")]
            assert {f"vectorizer_{one.deployment}_{one.purpose}" for one in told} == {dag_id}


def test_every_dag_can_be_kept_in_airflows_database_with_its_deadlines(bag) -> None:
    for dag in bag.dags.values():
        kept = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert len(kept.deadline or []) == len(dag.deadline or [])


@pytest.mark.parametrize("logical_date", [None, datetime(2026, 1, 1, 2, tzinfo=UTC)])
def test_a_run_for_a_day_long_past_or_for_none_is_not_late_at_once(airflow_database, logical_date) -> None:
    parse_dags()
    began = system_clock()
    with create_session() as session:
        dag = DBDagBag().get_latest_version_of_dag("vectorizer_alpha_full_backup", session=session)
        run = dag.create_dagrun(
            run_id=f"tried_{began:%f}",
            logical_date=logical_date,
            data_interval=(logical_date, logical_date) if logical_date else None,
            run_after=logical_date or began,
            run_type=DagRunType.SCHEDULED if logical_date else DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.QUEUED,
            session=session,
        )
        session.flush()
        (deadline,) = session.scalars(select(Deadline).where(Deadline.dagrun_id == run.id))
        allowed = deadline.deadline_time - began
        session.delete(run)
    promised = full_within(deployments().deployments["alpha"])
    assert promised <= allowed <= promised + timedelta(minutes=1)


def test_callbacks_are_arguments_of_a_task() -> None:
    assert set(callbacks(deployments().deployments["alpha"], "sync")) == {"on_failure_callback", "on_success_callback"}
