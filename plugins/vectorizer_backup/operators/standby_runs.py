"""What a run that feeds the standby has beside applying: the nightly comparison, and the last word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine import wording
from backup_engine.errors import ComparisonFailed
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.operators.standby import CompareStandbyOperator
from vectorizer_backup.tickets import failed_tasks

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

    from backup_engine.deployment import Deployment
    from backup_engine.freshness.sighting import BackupGlance, StandbyGlance

_BY_TIME = "scheduled"


class CompareWhenDueOperator(CompareStandbyOperator):
    """Compares all that the standby holds where the run was made by the clock, or asked for it by hand; skipped where a
    backup made the run.
    """

    def execute(self, context: Context) -> JsonValue:
        """Compare.

        :raises AirflowSkipException: not now
        :raises ComparisonFailed: something is wrong; the next apply loads it anew
        """
        refuse_unknown_fields(context)
        kind = getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type)
        if kind != _BY_TIME and not context["params"].get("compare"):
            raise AirflowSkipException("a backup made this run: the comparison of everything comes by the clock")
        return super().execute(context)


class ConfirmStandbyOperator(BaseOperator):
    """Runs whatever happened before it, and fails unless the standby can be switched to: nothing that it holds is in
    doubt, and it is no further behind the newest recovery point than recovery points may lie apart.

    It asks the store, not the tasks.

    :param deployment: names the standby
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.deployment = deployment

    def execute(self, context: Context) -> None:
        """Look.

        :raises ComparisonFailed: it cannot; the message says why, and what to do
        """
        standby, points = self._seen()
        behind = lag(standby, points)
        failed = failed_tasks(self._states(context))
        problem = unready(self.deployment, standby, points)
        if problem is None and not failed:
            self.log.info("The standby holds %s, %s", standby.backup, _words(behind))
            return
        why = f"; the log of {', '.join(failed)} says why" if failed else ""
        said = problem or "it can be switched to, and a task failed"
        raise ComparisonFailed(f"the standby {standby.connection} is not as it should be: {said}{why}")

    def _seen(self) -> tuple[StandbyGlance, tuple[BackupGlance, ...]]:
        from backup_engine.catalog import Catalog
        from backup_engine.errors import ConfigurationError
        from backup_engine.freshness.glancing import glance_at_standby, glances
        from backup_engine.model import system_clock
        from backup_engine.standby.state import read_standby, standby_id
        from vectorizer_backup.connecting import store_of_deployment

        settings = self.deployment.standby
        if settings is None:
            raise ConfigurationError(f"deployment {self.deployment.name!r} names no standby any more")
        store, _ = store_of_deployment(self.deployment)
        held = Catalog(store, system_clock).backups()
        points = sorted(glances(held, held), key=lambda one: one.started_at, reverse=True)
        known = read_standby(store, standby_id(settings.connection))
        return glance_at_standby(settings.connection, known), tuple(one for one in points if one.good)

    @staticmethod
    def _states(context: Context) -> dict[str, object]:
        run = context["dag_run"]
        states = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])
        return dict(states.get(run.run_id, {}))


def lag(standby: StandbyGlance, points: tuple[BackupGlance, ...]) -> timedelta | None:
    """Tell how much newer the newest good backup is than what the standby holds; None: nothing can be compared.

    :param points: good ones, newest first
    """
    if standby.started_at is None or not points:
        return None
    return max(timedelta(0), points[0].started_at - standby.started_at)


def unready(deployment: Deployment, standby: StandbyGlance, points: tuple[BackupGlance, ...]) -> str | None:
    """Say why the standby cannot be switched to; None: it can.

    :param points: good ones, newest first
    """
    from backup_engine.freshness.points import is_ready

    behind = lag(standby, points)
    if behind is not None and is_ready(deployment.terms, points, standby, behind):
        return None
    return "; ".join([_words(behind), *standby.wrong[:3]])


def _words(behind: timedelta | None) -> str:
    if behind is None:
        return "it holds no backup as a whole yet"
    return f"{wording.duration(behind.total_seconds())} behind the newest backup"
