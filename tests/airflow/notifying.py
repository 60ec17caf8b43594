"""Runs whose end is told: a configuration with channels, the notifier at a DAG's last task, and who is called."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import structlog
from airflow.sdk.execution_time.supervisor import (
    InProcessSupervisorComms,
    InProcessTestSupervisor,
    set_supervisor_comms,
)
from airflow.triggers.callback import CallbackTrigger
from uuid6 import uuid7

from backup_engine.alerts.ledger import Ledger
from tests.airflow.conftest import CONFIGURATION
from tests.airflow.runs import Run, load_dag, run_loaded
from vectorizer_backup.notifications.memory import variable_of
from vectorizer_backup.notifications.runs import RunNotifier

CHANNELS = """
alerts:
  channels:
    hook: {kind: webhook, connection: alerts_hook}
    spare: {kind: webhook, connection: alerts_spare}
"""
CONFIGURED = CONFIGURATION + CHANNELS


def run_and_tell(dag_id: str, conf: dict[str, Any] | None = None) -> Run:
    """Run a DAG that tells people how it ended."""
    deployment, purpose = dag_id.removeprefix("vectorizer_").split("_", 1)
    dag = load_dag(dag_id)
    (leaf,) = dag.leaves
    leaf.on_failure_callback = [RunNotifier(deployment, purpose, "failed")]
    leaf.on_success_callback = [RunNotifier(deployment, purpose, "succeeded")]
    return run_loaded(dag, conf)


def miss_deadline(deployment: str, purpose: str, run: Mapping[str, Any], late_by: float = 60.0) -> Any:
    """Let a deadline fire as the triggerer does, and give what its callback ended with."""
    deadline = {"id": "1", "deadline_time": datetime.now(UTC) - timedelta(seconds=late_by)}
    trigger = CallbackTrigger(
        "vectorizer_backup.notifications.runs.RunNotifier",
        {
            "deployment": deployment,
            "purpose": purpose,
            "outcome": "late",
            "context": {"dag_run": dict(run), "deadline": deadline},
        },
    )

    async def events() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    with asked():
        return asyncio.run(events())[-1]


def described(run: Run, state: str | None = None) -> dict[str, Any]:
    """A run as Airflow describes it to the callback of a deadline."""
    dag_run = run.dag_run
    return {
        "dag_id": dag_run.dag_id,
        "dag_run_id": dag_run.run_id,
        "state": state or str(dag_run.state),
        "queued_at": (datetime.now(UTC) - timedelta(hours=25)).isoformat(),
        "start_date": dag_run.start_date.isoformat(),
        "end_date": dag_run.end_date.isoformat() if dag_run.end_date else None,
    }


class _Noting(InProcessSupervisorComms):
    """Keeps what was asked."""

    def send(self, msg: Any) -> Any:
        self.asked.append(type(msg).__name__)
        return super().send(msg)


@contextmanager
def asked() -> Iterator[list[str]]:
    """Let what runs here ask Airflow as a task or a trigger may; what was asked is in the list afterwards."""
    supervisor = InProcessTestSupervisor(
        id=uuid7(),
        pid=os.getpid(),
        process=psutil.Process(),
        process_log=structlog.get_logger(),
        client=InProcessTestSupervisor._api_client(),
    )
    supervisor.comms = _Noting(supervisor=supervisor)
    supervisor.comms.asked = []
    with set_supervisor_comms(supervisor.comms):
        yield supervisor.comms.asked


def ledger(deployment: str) -> Ledger:
    """What is remembered of a deployment."""
    text = in_database(lambda session, model: session.query(model).filter_by(key=variable_of(deployment)).first())
    return Ledger() if text is None else Ledger.model_validate_json(text.val)


def forget(deployment: str) -> None:
    """Let nothing be remembered."""
    in_database(lambda session, model: session.query(model).filter_by(key=variable_of(deployment)).delete())


def write(deployment: str, text: str) -> None:
    """Let this be what is remembered."""
    from airflow.models.variable import Variable

    forget(deployment)
    in_database(lambda session, model: session.add(Variable(key=variable_of(deployment), val=text)))


def in_database(work: Callable[[Any, Any], Any]) -> Any:
    """Look at, or change, Airflow's Variables."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session

    with create_session() as session:
        found = work(session, Variable)
        session.flush()
        if found is not None and hasattr(found, "val"):
            session.refresh(found)
            session.expunge(found)
        return found


@contextmanager
def existing(dag_id: str, run_id: str, state: str) -> Iterator[dict[str, Any]]:
    """Let Airflow have a run, and give it as Airflow describes it to the callback of a deadline."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    now = datetime.now(UTC)
    run = DagRun(dag_id=dag_id, run_id=run_id, run_type="manual", state=state, run_after=now)
    with create_session() as session:
        session.add(run)
    ended = (now - timedelta(minutes=5)).isoformat() if state in {"failed", "success"} else None
    queued = (now - timedelta(hours=25)).isoformat()
    try:
        yield {"dag_id": dag_id, "dag_run_id": run_id, "state": state, "queued_at": queued, "end_date": ended}
    finally:
        with create_session() as session:
            session.delete(session.merge(run))


def words_of(message: object) -> str:
    """What a message says, however it is laid out."""
    return " ".join(json.dumps(message, ensure_ascii=False).split())
