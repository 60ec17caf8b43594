"""Whether a failed task is tried again: decided by the class of its error, in this one place.

A task that is not leaves its reason for whoever tells people of the run.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowRuntimeError

from backup_engine.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

LONGEST_RETRY_AFTER = timedelta(minutes=30)
"""However long the other side asks us to wait, a backup should not sleep through its window."""


REASON = "reason"
"""Under this key."""

_LONGEST_REASON = 1_000  # characters; the task's log has the rest

_log = logging.getLogger(__name__)


class ErrorClassPolicy(RetryPolicy):
    """Permanent errors fail at once, transient ones are tried again, when asked so not before ``retry_after``.

    Anything else (a killed worker, a bug) takes the task's own retries.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decide; the reason appears in the log and on the task instance."""
        said = f"{type(exception).__name__}: {exception}"
        decision = _decided(exception, said)
        if context is not None and (decision.action is RetryAction.FAIL or try_number > max_tries):
            _leave_reason(context, said)
        return decision

    def serialize(self) -> dict[str, Any]:
        """Describe it for the serialized DAG; only workers evaluate it."""
        return {"__type": type(self).__name__}


def reasons_of(context: Context) -> list[str]:
    """Give why the other tasks of this run failed for good: for each that did, its name and its error."""
    own, dag = context.get("ti"), context.get("dag")
    if own is None or dag is None:  # where the DAG processor speaks for a worker that was killed
        return []
    others = sorted(set(dag.task_ids) - {own.task_id})
    try:
        left = own.xcom_pull(task_ids=others, key=REASON)
    except AirflowRuntimeError as error:
        _log.warning("Why other tasks failed cannot be read: %s", error)
        return []
    return [str(one) for one in left or () if one]


def _leave_reason(context: Context, said: str) -> None:
    ti = context["ti"]
    try:
        ti.xcom_push(key=REASON, value=f"{ti.task_id}: {said}"[:_LONGEST_REASON])
    except AirflowRuntimeError as error:  # the decision counts for more
        _log.warning("Why this task failed could not be handed on: %s", error)


def _decided(exception: BaseException, said: str) -> RetryDecision:
    if isinstance(exception, PermanentError):
        return RetryDecision.fail(reason=f"trying again cannot help. {said}")
    if isinstance(exception, TransientError):
        wait = timedelta(seconds=exception.retry_after) if exception.retry_after is not None else None
        return RetryDecision.retry(delay=min(wait, LONGEST_RETRY_AFTER) if wait else None, reason=said)
    return RetryDecision.default()
