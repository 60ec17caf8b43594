"""What a run says about itself, as a concern. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from backup_engine import wording
from backup_engine.errors import BackupError, CopyMissing, PartialBackup, RestoreRejected, SuspectBackup
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from vectorizer_backup.dag_defaults import (
    AFTER_RESTORE,
    FULL_BACKUP,
    INCREMENTAL_BACKUP,
    PRUNING,
    RESTORE,
    STANDBY,
    SYNC,
    VERIFICATION,
    dag_id,
)
from vectorizer_backup.forms import DUE

_LONGEST = 2_000  # letters; a message is read, its log is searched

_AT_RISK: Mapping[str, str] = {
    FULL_BACKUP: "What was written since the newest good backup cannot be restored.",
    INCREMENTAL_BACKUP: "What was written since the newest good backup cannot be restored.",
    VERIFICATION: "A backup that was not found right, or not read again, may fail on the day it is needed.",
    RESTORE: "The server may hold only a part of what was to be restored, or nothing of it.",
    AFTER_RESTORE: "What a restore replaced still takes the server's memory, or has not been brought back.",
    SYNC: "A backup that lies in one place only is lost with that place.",
    STANDBY: "The standby lacks what was written since it was last brought up to date.",
    PRUNING: "Nothing that is needed is lost; backups that have had their time stay, and the store grows.",
}
_WHEN_LATE: Mapping[str, str] = {
    FULL_BACKUP: "Until it ends, what was written since the newest good backup cannot be restored.",
    INCREMENTAL_BACKUP: "Until it ends, what was written since the newest good backup cannot be restored.",
    VERIFICATION: "Until it ends, nothing says that the backups it was to read are still right.",
    RESTORE: "It takes longer than was promised to have the data back.",
    PRUNING: "Until it ends, backups that have had their time stay, and the store grows.",
    STANDBY: "Until it ends, the standby lacks what was written since it was last brought up to date.",
}
_OF: Mapping[ConcernKind, str] = {
    ConcernKind.BACKUP_PARTIAL: "What it lacks can be restored from an older backup only, and only as it was then.",
    ConcernKind.BACKUP_SUSPECT: "If data was lost on the server, only older backups hold it, and they are kept for a "
    "limited time. This one does not count as a good backup.",
}
_WAITING: Mapping[str, str] = {
    "awaiting_input": "{} waits for somebody's decision (Browse, Required Actions)",
    "up_for_reschedule": "{} waits for what it needs, and looks again and again",
    "deferred": "{} waits for what it needs",
    "up_for_retry": "{} failed and waits to be tried again",
    "running": "{} is at work",
    "restarting": "{} is started again",
    "queued": "{} waits for a free worker",
    "scheduled": "{} waits for a free place in its pool or among the running tasks",
}
"""By Airflow's word for a task's state; what a person can do something about comes first."""


def failure(deployment: str, purpose: str, exception: object, now: datetime, reasons: Sequence[str] = ()) -> Concern:
    """Say what went wrong with a run that ended red.

    :param exception: what its last task raised, as Airflow hands it on: an exception, words, or nothing
    :param reasons: why tasks before it failed
    """
    kind = _kind(exception)
    found = _words(exception) or f"{dag_id(deployment, purpose)} ended red, and its last task left no word why."
    return Concern(
        kind=kind,
        severity=_severity(purpose, exception),
        subject=purpose,
        found=_cut("; ".join([found.rstrip("."), *reasons])) if reasons else found,
        risk=_AT_RISK[SYNC] if isinstance(exception, CopyMissing) else _OF.get(kind, _AT_RISK[purpose]),
        remedy=_remedy(deployment, purpose, kind, exception),
        since=now,
    )


def silent_failure(deployment: str, purpose: str, run: Mapping[str, object], now: datetime) -> Concern:
    """Say that a run ended red without any of its tasks having told anybody.

    :param run: as Airflow's API describes it
    """
    ended = _moment(run.get("end_date"))
    when = f" at {wording.moment(ended)}" if ended else ""
    found = (
        f"Run {run.get('dag_run_id')} of {dag_id(deployment, purpose)} ended red{when}, and none of its tasks told "
        "why: it met its time limit, somebody marked it as failed, or its last task was killed."
    )
    return failure(deployment, purpose, None, ended or now).model_copy(update={"found": found})


def lateness(
    deployment: str, purpose: str, run: Mapping[str, object], deadline: datetime, now: datetime, waiting: str
) -> Concern:
    """Say that a run has not ended although it should have.

    :param run: as Airflow's API describes it
    :param waiting: what it waits for, a sentence
    """
    queued = _moment(run.get("queued_at"))
    after = f" after {wording.duration((now - queued).total_seconds())}" if queued else ""
    allowed = f" ({wording.duration((deadline - queued).total_seconds())} are allowed)" if queued else ""
    found = (
        f"Run {run.get('dag_run_id')} of {dag_id(deployment, purpose)} has not ended{after}{allowed}; it should have "
        f"by {wording.moment(deadline)}. {waiting}"
    )
    return Concern(
        kind=ConcernKind.RUN_LATE,
        severity=Severity.CRITICAL if purpose == RESTORE else Severity.WARNING,
        subject=purpose,
        found=found,
        risk=_WHEN_LATE.get(purpose, _AT_RISK[purpose]),
        remedy="Look at the run's page: what it waits for can be given, a task that hangs can be cleared and goes on "
        "where it stopped. Nothing is lost by waiting longer, if it moves.",
        since=deadline,
    )


def waiting_for(state: str, tasks: Mapping[str, object]) -> str:
    """Say what a run that has not ended waits for.

    :param state: the run's
    :param tasks: state by task, mapped ones with their number
    """
    if state == "queued":
        return "It has not begun: it waits for an earlier run of its DAG, or for the scheduler."
    found = "; ".join(_waits(tasks))
    return f"{found}." if found else "None of its tasks is at work or waits for one: the scheduler has not moved it on."


def settles(purpose: str, params: Mapping[str, object]) -> bool:
    """Tell whether a green run shows that what was wrong with its purpose is over.

    One that was asked for less than the usual shows nothing: a dry run, a backup of chosen collections.
    """
    if purpose == FULL_BACKUP:
        return not params.get("collections")
    if purpose == VERIFICATION:
        return not params.get("backups") and not params.get("stores")
    if purpose == AFTER_RESTORE:
        return params.get("action", DUE) == DUE
    return not params.get("dry_run")


def _kind(exception: object) -> ConcernKind:
    if isinstance(exception, PartialBackup):
        return ConcernKind.BACKUP_PARTIAL
    return ConcernKind.BACKUP_SUSPECT if isinstance(exception, SuspectBackup) else ConcernKind.RUN_FAILED


def _severity(purpose: str, exception: object) -> Severity:
    if isinstance(exception, RestoreRejected):
        return Severity.NOTE
    return Severity.CRITICAL if purpose == RESTORE else Severity.WARNING


def _words(exception: object) -> str:
    said = str(exception or "").strip()
    if isinstance(exception, BaseException) and not isinstance(exception, BackupError):
        said = f"{type(exception).__name__}: {said}".rstrip(": ")
    return _cut(said)


def _cut(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _remedy(deployment: str, purpose: str, kind: ConcernKind, exception: object) -> str:
    dag = dag_id(deployment, purpose)
    if isinstance(exception, CopyMissing):
        return f"Mend that store, then trigger {dag_id(deployment, SYNC)}."
    if kind is ConcernKind.BACKUP_SUSPECT:
        return (
            "Look at the server. If what is missing is meant to be gone, accept the backup with `vectorizer-backup "
            f"acknowledge`; if not, restore it from an older one with {dag_id(deployment, RESTORE)}."
        )
    if purpose in {RESTORE, AFTER_RESTORE}:
        return "Mend what the run's log names, then clear the task that failed: it goes on where it stopped."
    return f"Mend what the run's log names, then trigger {dag}; it is tried again by its schedule too."


def _waits(tasks: Mapping[str, object]) -> Iterator[str]:
    for state, words in _WAITING.items():
        found = [task for task, its in tasks.items() if str(its) == state]
        if found:
            yield words.format(wording.listing(found))


def _moment(text: object) -> datetime | None:
    if isinstance(text, datetime):
        return text
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
