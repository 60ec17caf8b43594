"""Whether a failed task is tried again: decided by the class of its error, in this one place."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy

from backup_engine.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

LONGEST_RETRY_AFTER = timedelta(minutes=30)
"""However long the other side asks us to wait, a backup should not sleep through its window."""


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
        if isinstance(exception, PermanentError):
            return RetryDecision.fail(reason=f"trying again cannot help. {said}")
        if isinstance(exception, TransientError):
            wait = timedelta(seconds=exception.retry_after) if exception.retry_after is not None else None
            return RetryDecision.retry(delay=min(wait, LONGEST_RETRY_AFTER) if wait else None, reason=said)
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Describe it for the serialized DAG; only workers evaluate it."""
        return {"__type": type(self).__name__}
