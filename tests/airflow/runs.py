"""Running the product's DAGs inside the test process: a real scheduler loop over a real database."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from backup_engine.model import system_clock
from tests.airflow.conftest import ROOT
from vectorizer_backup.dag_defaults import PURPOSES, WATCH

_SOON = 0.2  # seconds


@dataclass(frozen=True)
class Run:
    """A finished run.

    :param tasks: state of each task; mapped ones as ``task[index]``
    """

    state: str
    tasks: dict[str, str]
    dag_run: Any

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        """What a task handed on."""
        return self.dag_run.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=key)


def load_dag(dag_id: str, retries: int = 0) -> DAG:
    """Parse the DAG; without deadlines, which this way of running cannot stand, and without waiting for retries."""
    dag: DAG = DagBag(ROOT / "dags" / f"{_purpose(dag_id)}.py").dags[dag_id]
    dag.deadline = None
    for task in dag.tasks:
        task.retries = retries
        task.retry_delay = timedelta(seconds=1)
        if hasattr(task, "poke_interval"):
            task.poke_interval = 0.5
    return dag


def run_dag(dag_id: str, conf: dict[str, Any] | None = None, *, retries: int = 0, **options: Any) -> Run:
    """Run the DAG as somebody's trigger without a logical date would, if none is given."""
    return run_loaded(load_dag(dag_id, retries), conf, **options)


def run_loaded(dag: DAG, conf: dict[str, Any] | None = None, **options: Any) -> Run:
    """Do the same with a DAG that was parsed, and perhaps changed."""
    with _in_short(dag.fileloc):
        dag_run = dag.test(**{"logical_date": None, "run_conf": conf, **options})
    return Run(str(dag_run.state), {_label(ti): str(ti.state) for ti in dag_run.get_task_instances()}, dag_run)


@contextmanager
def _in_short(file: str) -> Iterator[None]:
    """Have a run parse and keep the DAGs of this file alone, not of all files each time, and have it look again soon
    where nothing can be started: it would wait a second, and does so after every skipped or mapped task.
    """
    here = {"path": file, "refresh_interval": 0}
    bundle = {"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": here}
    sleep = time.sleep

    def look_again_soon(seconds: float) -> None:
        sleep(_SOON if sys._getframe(1).f_code is DAG.test.__code__ else seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
        patch.setattr(time, "sleep", look_again_soon)
        yield


def parse_dags() -> None:
    """Do what the dag-processor does."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    (bundle,) = manager.get_all_dag_bundles()
    bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
    sync_bag_to_db(bag, bundle.name, bundle.version)


def pause(*dag_ids: str, paused: bool = True) -> None:
    """Switch DAGs off, or on."""
    from airflow.models import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag_id in dag_ids:
            session.get_one(DagModel, dag_id).is_paused = paused


def _purpose(dag_id: str) -> str:
    if dag_id == WATCH:
        return "watch"
    return next(purpose for purpose in PURPOSES if re.fullmatch(f"vectorizer_[^_]+_{purpose}", dag_id))


def _label(ti: Any) -> str:
    return ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"


@contextmanager
def running(dag_id: str) -> Iterator[None]:
    """Let Airflow believe that a run of this DAG is going on."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    run = DagRun(dag_id=dag_id, run_id="going_on", run_type="manual", state="running", run_after=system_clock())
    with create_session() as session:
        session.add(run)
    try:
        yield
    finally:
        with create_session() as session:
            session.delete(session.merge(run))


def asset_extras(deployment: str, what: str = "backups") -> list[dict[str, Any]]:
    """What the events of a deployment's backups, or of its copies, carry, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    events = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id).order_by(AssetEvent.id)
    with create_session() as session:
        return list(session.scalars(events.where(AssetModel.uri == f"x-vectorizer://{deployment}/{what}")))


@contextmanager
def at_work(dag_id: str, logical_date: datetime | None, **states: str | None) -> Iterator[str]:
    """Let Airflow believe that a run of this DAG is going on, and that its tasks are in these states."""
    from airflow.models.dagbag import DBDagBag
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with _in_short(load_dag(dag_id).fileloc):
        parse_dags()
    with create_session() as session:
        dag = DBDagBag().get_latest_version_of_dag(dag_id, session=session)
        run = dag.create_dagrun(
            run_id=f"at_work_{uuid4().hex}",
            logical_date=logical_date,
            data_interval=(logical_date, logical_date) if logical_date else None,
            run_after=logical_date or system_clock(),
            run_type=DagRunType.SCHEDULED if logical_date else DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=session,
        )
        session.flush()
        for task in run.get_task_instances(session=session):
            task.state = states.get(task.task_id)
        run_id = run.run_id
    try:
        yield run_id
    finally:
        with create_session() as session:
            session.delete(session.merge(run))
