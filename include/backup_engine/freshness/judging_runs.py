"""Does the server answer, are the DAGs at work, and would a restore be quick enough? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind
from backup_engine.catalog import CLOCK_TOLERANCE
from backup_engine.freshness.case import GRACE, Case, ended
from backup_engine.freshness.clocks import SMALL
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.judging_places import clocks_apart
from backup_engine.freshness.sighting import DagSighting, ServerSighting
from backup_engine.readiness import patience
from backup_engine.tiers import spoken

_PARSED = timedelta(minutes=15)
"""Airflow looks for new files every five minutes and reads each twice a minute, when it has nothing else to do."""

_PAUSED = timedelta(hours=1)
"""Who pauses a DAG for a while at work is not called."""

_MADE = timedelta(minutes=10)
"""A scheduler that is busy makes a run some minutes late."""

_WITHOUT: Mapping[str, str] = {
    "full_backup": "No new full backup is made.",
    "incremental_backup": "What is written is not kept before the next full backup.",
    "standby": "The standby falls behind, and what is switched to on the day it is needed is old.",
    "verification": "Old backups are not read again: one that rots is found when it is needed.",
    "sync": "What a copy lacks is not brought there.",
    "restore": "A restore that is triggered in Airflow waits for ever.",
    "after_restore": "What restores replaced is not let go of, and takes the server's memory.",
    "pruning": "Backups that have had their time stay, and the store grows until it is full.",
}
_OF_NOTE = frozenset({"after_restore", "pruning"})
"""Others tell when it matters: a restore that finds no room, a store that nothing was pruned from for long."""

_MADE_BY: Mapping[BackupKind, tuple[str, ...]] = {
    BackupKind.FULL: ("full_backup", "incremental_backup"),
    BackupKind.INCREMENTAL: ("incremental_backup",),
}
"""Which DAGs a backup stands in for: a full holds all that an incremental would."""


def judge_runs(case: Case) -> Iterator[Concern]:
    """Say what is wrong with the server, the DAGs, and the time a restore takes."""
    yield from _server(case, case.sighting.server)
    for dag in case.sighting.dags:
        yield from _dag(case, dag)
    yield from _standby(case)
    yield from _too_slow(case)


def _server(case: Case, server: ServerSighting) -> Iterator[Concern]:
    if server.problem is not None:
        yield Concern(
            kind=ConcernKind.SERVER_UNREACHABLE,
            severity=Severity.WARNING,
            found=f"The server {server.url} gives no answer: {ended(server.problem)}",
            risk="While that is so no backup of it can be made.",
            remedy="Look whether it runs and whether the address and the credentials of the connection "
            f"{case.deployment.server.connection!r} are right. If it is lost, restore: the newest recovery point is "
            f"{_newest(case)}.",
            grace_seconds=GRACE.total_seconds(),
        )
    elif server.loading:
        yield _loading(case, server)
    if server.clock_ahead is not None and abs(server.clock_ahead) > SMALL.total_seconds():
        much = abs(server.clock_ahead) > CLOCK_TOLERANCE.total_seconds()
        severity = Severity.WARNING if much else Severity.NOTE
        yield clocks_apart("server", f"the clock of the server {server.url}", server.clock_ahead, severity)


def _newest(case: Case) -> str:
    fresh, at = case.protection.fresh, case.protection.fresh_at
    return f"{fresh} of {wording.moment(at)}" if fresh and at else "none"


def _loading(case: Case, server: ServerSighting) -> Concern:
    held = max(server.vectors, case.protection.vectors)
    patient = case.deployment.server.patience or patience(held)
    return Concern(
        kind=ConcernKind.SERVER_LOADING,
        severity=Severity.WARNING,
        found=f"The server {server.url} started and has still not loaded what it held: "
        f"{wording.listing(server.loading, most=3)}.",
        risk="It serves a part of its data, and a backup made now is suspect.",
        remedy="Look at its log and its memory. If it does not go on, restore what is missing: the newest recovery "
        f"point is {_newest(case)}.",
        grace_seconds=patient.total_seconds(),
    )


def _dag(case: Case, dag: DagSighting) -> Iterator[Concern]:
    """Tell the first that is wrong: what Airflow does not have is not paused, and what is paused makes no run."""
    if not dag.known:
        yield _about(
            dag,
            ConcernKind.DAG_MISSING,
            f"Airflow does not have the DAG {dag.dag_id}.",
            "Look for import errors on Airflow's start page, and whether its DAG processor runs.",
            _PARSED,
        )
    elif dag.paused:
        yield _about(
            dag,
            ConcernKind.DAG_PAUSED,
            f"The DAG {dag.dag_id} is paused.",
            f"Switch it on, on its page or with: airflow dags unpause {dag.dag_id}",
            _PAUSED,
        )
    elif _overdue(case, dag):
        due = wording.moment(dag.due) if dag.due else ""
        yield _about(
            dag,
            ConcernKind.NO_RUN,
            f"The DAG {dag.dag_id} was due at {due}, and no run was made for that.",
            "Look whether Airflow's scheduler runs and is not overloaded, and whether an earlier run still goes on. To "
            "make up for it, trigger the DAG by hand.",
            timedelta(0),
        ).model_copy(update={"since": dag.due})


def _overdue(case: Case, dag: DagSighting) -> bool:
    """Nothing was due before there was a store; and a backup made since, by whomever, is as good as the run."""
    if dag.made or dag.due is None or case.since(dag.due) <= _MADE:
        return False
    if case.created_at is None or dag.due <= case.created_at:
        return False
    as_good = [one for one in case.points if dag.purpose in _MADE_BY[one.kind]]
    return not any(one.started_at >= dag.due for one in as_good)


def _about(dag: DagSighting, kind: ConcernKind, found: str, remedy: str, grace: timedelta) -> Concern:
    return Concern(
        kind=kind,
        severity=Severity.NOTE if dag.purpose in _OF_NOTE else Severity.WARNING,
        subject=dag.purpose,
        found=found,
        risk=_WITHOUT.get(dag.purpose, ""),
        remedy=remedy,
        grace_seconds=grace.total_seconds(),
    )


def _standby(case: Case) -> Iterator[Concern]:
    """Look whether the standby could be switched to; a new one is given the time until it was brought up to date."""
    standby, protection = case.sighting.primary.standby, case.protection
    if standby is None or protection.fresh is None or protection.standby_ready:
        return
    behind = protection.standby_behind
    holds = f"{wording.duration(behind)} behind {protection.fresh}" if behind is not None else "empty"
    wrong = f": {wording.listing(standby.wrong, most=3)}" if standby.wrong else ""
    yield Concern(
        kind=ConcernKind.STANDBY_BEHIND,
        severity=Severity.WARNING,
        found=f"The standby behind the connection {standby.connection!r} is not ready: it is {holds}{ended(wrong)}",
        risk="If the server is lost, switching to it loses what it lacks; a restore takes its time.",
        remedy=f"Look at the newest run of {case.dag('standby')} and trigger it again, or run: vectorizer-backup "
        f"standby status --deployment {case.deployment.name}",
        grace_seconds=(GRACE + case.terms.gap).total_seconds(),
    )


def _too_slow(case: Case) -> Iterator[Concern]:
    protection, rto = case.protection, case.terms.rto
    if protection.rto_forecast is None or protection.rto_forecast <= rto.total_seconds():
        return
    name = protection.fresh or protection.newest
    of = "measured here" if protection.rate_measured else "what servers usually take"
    yield Concern(
        kind=ConcernKind.RESTORE_TOO_SLOW,
        severity=Severity.WARNING,
        found=f"Restoring all of {name} would take {wording.duration(protection.rto_forecast)} "
        f"({protection.rate:,.0f} vectors a second, {of}); {spoken(rto)} is promised.",
        risk="After a loss the service stays away for longer than was promised.",
        remedy="Restore the collections that matter most first (they can be named), split the data over several "
        f"servers, or promise what can be kept: `rto: {-int(-protection.rto_forecast // 3600)}h` in deployments.yaml.",
    )
