"""Which errors are tried again: decided by class alone."""

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from backup_engine import errors
from vectorizer_backup.retrying import LONGEST_RETRY_AFTER, ErrorClassPolicy

POLICY = ErrorClassPolicy()
CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.BackupError) and kind is not errors.BackupError
]


def _decide(error: BaseException):
    return POLICY.evaluate(error, try_number=1, max_tries=3)


def _example(kind: type[errors.BackupError]) -> errors.BackupError:
    return kind("said", status=400) if issubclass(kind, errors.RequestRefused) else kind("said")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_is_decided_on_by_its_class(kind) -> None:
    wanted = RetryAction.FAIL if issubclass(kind, errors.PermanentError) else RetryAction.RETRY
    decision = _decide(_example(kind))
    assert decision.action is wanted
    assert f"{kind.__name__}: said" in decision.reason


def test_the_other_side_may_say_when_to_come_back_within_limits() -> None:
    assert _decide(errors.ServerBusy("busy", retry_after=42)).retry_delay == timedelta(seconds=42)
    assert _decide(errors.ServerBusy("busy", retry_after=1e6)).retry_delay == LONGEST_RETRY_AFTER
    assert _decide(errors.ServerBusy("busy")).retry_delay is None


def test_what_is_no_error_of_ours_takes_the_tasks_own_retries() -> None:
    assert _decide(RuntimeError("a bug")).action is RetryAction.DEFAULT
