"""Incrementals that come often: giving way to one that is still at work, and the last word on a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TaskInstanceState
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine import wording
from backup_engine.errors import NoGoodBackup
from vectorizer_backup.dag_defaults import INCREMENTAL_BACKUP, dag_id, url_of
from vectorizer_backup.operators.confirmation import ConfirmGoodBackupOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

    from backup_engine.deployment import Deployment
    from backup_engine.freshness.sighting import BackupGlance

VERIFY = "verify_backup"
MAKING = ("wait_until_loaded", "plan_capture", "export_collections", "commit_backup", VERIFY)
"""Tasks that make a recovery point; a run that only copies is in nobody's way."""

_AT_WORK = tuple(
    state.value
    for state in (
        TaskInstanceState.SCHEDULED,
        TaskInstanceState.QUEUED,
        TaskInstanceState.RUNNING,
        TaskInstanceState.RESTARTING,
        TaskInstanceState.DEFERRED,
        TaskInstanceState.UP_FOR_RETRY,
        TaskInstanceState.UP_FOR_RESCHEDULE,
    )
)
_OVER = frozenset({
    TaskInstanceState.SUCCESS.value,
    TaskInstanceState.FAILED.value,
    TaskInstanceState.SKIPPED.value,
    TaskInstanceState.UPSTREAM_FAILED.value,
    TaskInstanceState.REMOVED.value,
})


class GiveWayOperator(BaseOperator):
    """Is skipped, and with it the whole run, while an earlier run of the DAG still makes its backup: two at once read
    the server twice for one recovery point. Hands on why.

    Of runs that begin at the same moment (after an outage, for what was missed) the earliest goes on. Should two go on
    all the same, because Airflow was between two tasks, both make a good backup.
    """

    def execute(self, context: Context) -> None:
        """Look.

        :raises AirflowSkipException: an earlier one is at work
        """
        why = in_the_way(context["ti"])
        if why is None:
            return
        context["ti"].xcom_push(key="return_value", value=why)
        raise AirflowSkipException(f"{why}: this one gives way to it")


class ConfirmRecoveryPointOperator(ConfirmGoodBackupOperator):
    """Runs whatever happened before it. Fails unless the run ends with a good backup that was read back whole, or gave
    way to another while the newest recovery point is as new as promised; then it is skipped.

    :param deployment: what was promised, and where its backups lie
    :param gave_way: from ``GiveWayOperator``
    """

    template_fields = ("tickets", "facts", "gave_way")

    def __init__(self, *, deployment: Deployment, gave_way: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment
        self.gave_way = gave_way

    def execute(self, context: Context) -> None:
        """Look for the backup, or for the newest one.

        :raises AirflowSkipException: the run gave way, and the newest recovery point is new enough
        :raises NoGoodBackup: it is not, or the run made no good backup; the message says what to do
        :raises CopyMissing: it made one, but it is not in every copy
        """
        if not self.gave_way:
            super().execute(context)
            return
        from backup_engine.model import system_clock

        found = require_fresh(self._points(), self.deployment, system_clock(), self.gave_way)
        raise AirflowSkipException(f"{self.gave_way}; {found}")

    def _points(self) -> Sequence[BackupGlance]:
        from backup_engine.catalog import Catalog
        from backup_engine.freshness.glancing import glances
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import store_of_deployment

        store, _ = store_of_deployment(self.deployment)
        held = Catalog(store, system_clock).backups()
        return glances(held, held)


def in_the_way(ti: TaskInstance) -> str | None:
    """Ask Airflow whether another run of this DAG makes its backup now; None: none does.

    :param ti: the task that asks, before any of ``MAKING`` of its own run has begun
    """
    earlier = ti.get_previous_dagrun(state="running")
    if earlier is not None:
        states: Mapping[str, Mapping[str, object]] = ti.get_task_states(dag_id=ti.dag_id, run_ids=[earlier.run_id])
        if not made(states.get(earlier.run_id, {})):
            return f"run {earlier.run_id} still makes its backup"
    at_work = ti.get_ti_count(dag_id=ti.dag_id, task_ids=[*MAKING], states=[*_AT_WORK])
    return "another run still makes its backup" if at_work else None


def made(states: Mapping[str, object]) -> bool:
    """Tell whether a run is through with making its backup, however that ended.

    :param states: by task
    """
    state = states.get(VERIFY)
    return str(getattr(state, "value", state)) in _OVER


def require_fresh(points: Sequence[BackupGlance], deployment: Deployment, now: datetime, gave_way: str) -> str:
    """Say how old the newest recovery point is.

    :raises NoGoodBackup: older than promised, or there is none
    """
    from backup_engine.freshness.points import newest_fresh

    fresh = newest_fresh(sorted(points, key=lambda one: one.started_at, reverse=True))
    rpo, where = deployment.terms.rpo.total_seconds(), url_of(deployment.root)
    promised = f"at most {wording.duration(rpo)} is promised"
    advice = (
        f"Look at what that run of {dag_id(deployment.name, INCREMENTAL_BACKUP)} waits for; a run that hangs can be "
        "marked as failed, and the next one goes on"
    )
    if fresh is None:
        raise NoGoodBackup(f"this run gave way ({gave_way}), and {where} holds no recovery point; {promised}. {advice}")
    age = max(0.0, (now - fresh.started_at).total_seconds())
    found = f"the newest recovery point, {fresh.name}, is {wording.duration(age)} old; {promised}"
    if age > rpo:
        raise NoGoodBackup(f"this run gave way ({gave_way}), and {found}. {advice}")
    return found
