"""Telling people about a run: that it failed, that it has not ended, that all is well again."""

from __future__ import annotations

import asyncio
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseNotifier, conf
from airflow.sdk.exceptions import AirflowRuntimeError

from vectorizer_backup.dag_defaults import dag_id, deployments
from vectorizer_backup.retrying import reasons_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import Context

    from backup_engine.alerts.incidents import Decision
    from backup_engine.alerts.ledger import Ledger
    from backup_engine.freshness.concerns import Concern
    from vectorizer_backup.notifications.looking import Look

Outcome = Literal["failed", "late", "succeeded"]

_PATIENCE = 30.0
"""Seconds to look at a deployment before people are told."""

_TO_SEND = 14.0
"""Seconds that are kept for sending, of the twenty that Airflow leaves a worker after its task has ended."""

_GLIMPSE = 2.0
"""Seconds that are looked at least, however late it is: most stores and servers answer in tenths of one."""

_REMEMBERED = 20
"""Red runs by purpose: a deadline fires for each that failed, long after it."""


class RunNotifier(BaseNotifier):
    """Tells the deployment's channels what became of a run, each thing once.

    * failed: as ``on_failure_callback`` of a DAG's last task
    * succeeded: as its ``on_success_callback``; one Variable is read when nothing is wrong
    * late: as the callback of a ``DeadlineAlert``, in the triggerer

    :param purpose: of the DAG
    :raises NobodyTold: there is something to tell, and no channel, or none that could be reached
    """

    def __init__(self, deployment: str, purpose: str, outcome: Outcome, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment
        self.purpose = purpose
        self.outcome = outcome

    def notify(self, context: Context) -> None:
        """Tell; in a worker, which Airflow ends some seconds after its task."""
        overtime = conf.getfloat("core", "task_success_overtime", fallback=20.0)
        self._notify(context, monotonic() + min(_PATIENCE, overtime - _TO_SEND))

    async def async_notify(self, context: Context) -> None:
        """Tell; in the triggerer, beside its loop: stores, servers and Airflow's own answers are all waited for."""
        await asyncio.to_thread(self._notify, context, monotonic() + _PATIENCE)

    def _notify(self, context: Context, until: float) -> None:
        from vectorizer_backup.notifications.memory import recall

        seen = recall(self.deployment)
        if self.outcome == "failed":
            self._failed(context, seen, until)
        elif self.outcome == "late":
            self._late(context, seen, until)
        else:
            self._succeeded(context, seen, until)

    def _failed(self, context: Context, seen: Ledger, until: float) -> None:
        from backup_engine.model import system_clock
        from vectorizer_backup.notifications.events import failure

        run_id = context["dag_run"].run_id
        exception, reasons = context.get("exception"), reasons_of(context)
        concern = failure(self.deployment, self.purpose, exception, system_clock(), reasons)
        self._raise(concern, seen, run_id, lambda: self._look(until), red=True)

    def _late(self, context: Context, seen: Ledger, until: float) -> None:
        run: Mapping[str, Any] = context["dag_run"]  # type: ignore[assignment]
        run_id = str(run["dag_run_id"])
        state = state_of(run["dag_id"], run_id) or str(run["state"])
        if state == "failed" and run_id not in seen.red.get(self.purpose, ()):
            self._failed_in_silence(run, seen, until)
        elif state in {"queued", "running"}:
            self._still_going(run, state, _moment(context["deadline"]["deadline_time"]), seen, until)  # type: ignore[typeddict-item]
        else:
            self.log.info("%s is over (%s), and what there was to tell was told then", run_id, state)

    def _failed_in_silence(self, run: Mapping[str, Any], seen: Ledger, until: float) -> None:
        """Tell of a run whose last task never came to it, unless a newer good backup makes that an old story."""
        from backup_engine.alerts.incidents import Decision
        from backup_engine.model import system_clock
        from vectorizer_backup.notifications.events import silent_failure

        run_id, look = str(run["dag_run_id"]), self._look(until)
        concern = silent_failure(self.deployment, self.purpose, run, system_clock())
        fresh_at = look.protection.fresh_for.get(self.purpose) if look.protection else None
        if fresh_at and concern.since and fresh_at > concern.since:
            self.log.info("%s failed, and a newer backup is good: nobody has to know", run_id)
            self._tell(Decision((), counted(seen, self.purpose, run_id)), seen, run_id, lambda: look)
        else:
            self._raise(concern, seen, run_id, lambda: look, red=True)

    def _still_going(self, run: Mapping[str, Any], state: str, deadline: datetime, seen: Ledger, until: float) -> None:
        from backup_engine.model import system_clock
        from vectorizer_backup.notifications.events import lateness, waiting_for

        run_id = str(run["dag_run_id"])
        waiting = waiting_for(state, tasks_of(run["dag_id"], run_id))
        concern = lateness(self.deployment, self.purpose, run, deadline, system_clock(), waiting)
        self._raise(concern, seen, run_id, lambda: self._look(until), red=False)

    def _succeeded(self, context: Context, seen: Ledger, until: float) -> None:
        from backup_engine.alerts.incidents import settle
        from backup_engine.model import system_clock
        from vectorizer_backup.notifications.events import settles

        if not seen.incidents or not settles(self.purpose, context["params"]):
            return
        decision = settle(seen, self.purpose, system_clock())
        self._tell(decision, seen, context["dag_run"].run_id, lambda: self._look(until, probing=False))

    def _raise(self, concern: Concern, seen: Ledger, run_id: str, look: Callable[[], Look], *, red: bool) -> None:
        from backup_engine.alerts.incidents import Decision, raise_event
        from backup_engine.alerts.settings import AlertSettings
        from backup_engine.freshness.concerns import Severity
        from backup_engine.model import system_clock

        decision = Decision((), seen)
        if concern.severity is not Severity.NOTE:
            remind = (deployments().alerts or AlertSettings()).remind
            decision = raise_event(seen, concern, system_clock(), remind=remind)
        if red:
            decision = Decision(decision.told, counted(decision.ledger, self.purpose, run_id))
        self._tell(decision, seen, run_id, look)

    def _tell(self, decision: Decision, seen: Ledger, run_id: str, look: Callable[[], Look]) -> None:
        from backup_engine.model import system_clock
        from vectorizer_backup.notifications.telling import run_reference, tell

        run = run_reference(dag_id(self.deployment, self.purpose), run_id)
        tell(self.deployment, seen, decision, system_clock(), look, run)

    def _look(self, until: float, *, probing: bool = True) -> Look:
        """Look how the deployment stands.

        :param until: by when, on the monotonic clock
        """
        from vectorizer_backup.notifications.looking import Look, look_at

        loaded = deployments()
        deployment = loaded.deployments.get(self.deployment)
        if deployment is None:
            lacking = "it is not in it" if loaded.deployments else "; ".join(loaded.problems.values())
            why = loaded.problems.get(self.deployment, lacking)
            return Look(None, f"deployments.yaml does not describe {self.deployment} as it is now: {why}")
        return look_at(deployment, max(_GLIMPSE, until - monotonic()), probing=probing)


def counted(ledger: Ledger, purpose: str, run_id: str) -> Ledger:
    """Count a run that ended red, once. Pure."""
    known = ledger.red.get(purpose, ())
    if run_id in known:
        return ledger
    failures = {**ledger.failures, purpose: ledger.failures.get(purpose, 0) + 1}
    return ledger.model_copy(
        update={"failures": failures, "red": {**ledger.red, purpose: (*known, run_id)[-_REMEMBERED:]}}
    )


def state_of(dag: str, run_id: str) -> str | None:
    """Ask Airflow how a run stands now; None where that cannot be asked."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        state = RuntimeTaskInstance.get_dagrun_state(dag, run_id)
    except AirflowRuntimeError:
        return None
    return str(getattr(state, "value", state))


def tasks_of(dag: str, run_id: str) -> Mapping[str, object]:
    """Ask Airflow how the tasks of a run stand; nothing where that cannot be asked."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        states: Mapping[str, Mapping[str, object]] = RuntimeTaskInstance.get_task_states(dag_id=dag, run_ids=[run_id])
        return states.get(run_id, {})
    except AirflowRuntimeError:
        return {}


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
