"""What the DAGs of all deployments have in common: names, assets, limits, and where deployments come from.

Imported whenever a DAG file is parsed, so nothing here may import pyarrow or a cloud SDK.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from backup_engine.cron import parse_cron
from backup_engine.deployment import Deployment
from backup_engine.deployments import Loaded, configuration_path, load_deployments
from backup_engine.storage.address import parse_address
from backup_engine.tiers import spoken
from vectorizer_backup.limits import BACKUP_TIMEOUT
from vectorizer_backup.retrying import ErrorClassPolicy

if TYPE_CHECKING:
    from vectorizer_backup.notifications.runs import RunNotifier

FULL_BACKUP = "full_backup"
INCREMENTAL_BACKUP = "incremental_backup"
VERIFICATION = "verification"
RESTORE = "restore"
AFTER_RESTORE = "after_restore"
SYNC = "sync"
STANDBY = "standby"
PRUNING = "pruning"
PURPOSES = (FULL_BACKUP, INCREMENTAL_BACKUP, VERIFICATION, RESTORE, AFTER_RESTORE, SYNC, STANDBY, PRUNING)

WATCH = "vectorizer_backup_watch"
"""The one DAG that is there whatever the configuration says."""

WATCH_SCHEDULE = "*/5 * * * *"

TASK_DEFAULTS: Mapping[str, Any] = {
    "owner": "vectorizer-backup",
    "retries": 3,
    # A server that loads answers nothing for about 70 s per 20,000 vectors (measured): 1, 2 and 4 minutes outlast that.
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": ErrorClassPolicy(),
}

WATCH_DEFAULTS: Mapping[str, Any] = {**TASK_DEFAULTS, "retries": 0}
"""The next run of the watch is its next try: it comes as soon, and looks anew."""

RELEASE_SCHEDULE = "35 1 * * *"
"""Every day before the fulls, and between two incrementals: letting go takes seconds, but a capture that meets it has
to start again.
"""

PRUNING_SCHEDULE = "20 9 * * 1"
"""Beside the run after each verified full: while a copy is missing none of those is made, and somebody has to be asked
what becomes of what waits for it. On a Monday morning, when there is somebody.
"""

PRUNING_WITHIN = timedelta(hours=6)
"""Deleting takes minutes: what is not over by then waits for somebody's decision, and it is morning."""

ALLOWED_BACKUP_RUNS = ["scheduled", "manual", "operator_triggered", "asset_materialization"]
"""A backfill is refused: yesterday's state cannot be read today."""

ALLOWED_VERIFICATION_RUNS = ["scheduled", "manual", "operator_triggered"]
ALLOWED_RESTORE_RUNS = ["manual", "operator_triggered"]
ALLOWED_AFTER_RESTORE_RUNS = ["scheduled", "manual", "operator_triggered"]
ALLOWED_SYNC_RUNS = ["scheduled", "manual", "operator_triggered"]
ALLOWED_STANDBY_RUNS = ["scheduled", "asset_triggered", "manual", "operator_triggered"]
ALLOWED_PRUNING_RUNS = ALLOWED_STANDBY_RUNS


def deployments() -> Loaded:
    """Read the configuration as this process sees it."""
    return load_deployments(configuration_path(os.environ))


def dag_id(deployment: str, purpose: str) -> str:
    """Name the DAG that does this for the deployment."""
    return f"vectorizer_{deployment}_{purpose}"


def purposes(deployment: Deployment) -> tuple[str, ...]:
    """Tell which DAGs a deployment has: one without copies has nothing to bring anywhere."""
    without = {
        SYNC: not deployment.copies,
        INCREMENTAL_BACKUP: deployment.terms.incremental is None,
        STANDBY: deployment.standby is None,
    }
    return tuple(one for one in PURPOSES if not without.get(one))


def schedules(deployment: Deployment) -> dict[str, str | None]:
    """Tell when each of a deployment's DAGs runs by itself: five cron fields in UTC; None: by hand only."""
    terms = deployment.terms
    every = {
        FULL_BACKUP: terms.full,
        INCREMENTAL_BACKUP: terms.incremental,
        VERIFICATION: terms.verification,
        RESTORE: None,
        AFTER_RESTORE: release_schedule(deployment),
        SYNC: terms.sync,
        STANDBY: deployment.schedule.standby_comparison,
        PRUNING: PRUNING_SCHEDULE,
    }
    return {purpose: every[purpose] for purpose in purposes(deployment)}


def deadlines(deployment: Deployment, purpose: str) -> list[DeadlineAlert]:
    """Say when a run should have ended, waiting included, and who is told if it has not: none for some purposes.

    Counted from when the run was queued: a run that is made late, or by hand for another day, is not late at once.
    """
    terms = deployment.terms
    every = {
        FULL_BACKUP: full_within(deployment),
        INCREMENTAL_BACKUP: terms.rpo,
        VERIFICATION: terms.rto,
        RESTORE: terms.rto,
        STANDBY: terms.rto,
        PRUNING: PRUNING_WITHIN,
    }
    allowed = every.get(purpose)
    if allowed is None:
        return []
    told = AsyncCallback(
        "vectorizer_backup.notifications.runs.RunNotifier",
        kwargs={"deployment": deployment.name, "purpose": purpose, "outcome": "late"},
    )
    name = f"{deployment.name}: {purpose.replace('_', ' ')} within {spoken(allowed)}"
    return [DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, allowed, told, name=name)]


def full_within(deployment: Deployment) -> timedelta:
    """Tell how long a full may take: no longer than the recovery point may be old, unless incrementals go on meanwhile.
    Then half the time to the next full, so that it is told before that one finds it running.
    """
    terms = deployment.terms
    if terms.incremental is None:
        return terms.rpo
    return max(terms.rpo, min(parse_cron(terms.full).longest_gap() / 2, BACKUP_TIMEOUT))


def callbacks(deployment: Deployment, purpose: str) -> dict[str, RunNotifier]:
    """Give the arguments with which a DAG's last task tells what became of the run."""
    from vectorizer_backup.notifications.runs import RunNotifier

    return {
        "on_failure_callback": RunNotifier(deployment.name, purpose, "failed"),
        "on_success_callback": RunNotifier(deployment.name, purpose, "succeeded"),
    }


def backup_settings(deployment: Deployment, purpose: str) -> dict[str, Any]:
    """Give the arguments that a DAG has if it makes backups, whichever kind."""
    return {
        "dagrun_timeout": BACKUP_TIMEOUT,
        "allowed_run_types": ALLOWED_BACKUP_RUNS,
        "default_args": dict(TASK_DEFAULTS),
        "tags": tags(deployment, purpose),
        "doc_md": runbook(purpose, deployment),
        "deadline": deadlines(deployment, purpose),
    }


def backups_asset(deployment: str) -> Asset:
    """Give the asset that stands for the deployment's backups; its events carry each backup's facts."""
    return Asset(f"vectorizer_{deployment}_backups", uri=f"x-vectorizer://{deployment}/backups", group="vectorizer")


def copies_asset(deployment: str) -> Asset:
    """Give the asset that stands for the copies of a deployment's backups: an event for each, once it is compared."""
    return Asset(f"vectorizer_{deployment}_copies", uri=f"x-vectorizer://{deployment}/copies", group="vectorizer")


def verified_fulls_asset(deployment: str) -> Asset:
    """Give the asset that stands for fulls that are good, were read back, and lie in every copy: an event for each."""
    return Asset(f"vectorizer_{deployment}_verified", uri=f"x-vectorizer://{deployment}/verified", group="vectorizer")


def tags(deployment: Deployment, purpose: str) -> list[str]:
    """Tag a DAG so that the list can be filtered by deployment, by tier and by purpose."""
    return ["vectorizer", deployment.name, deployment.tier.value, purpose.replace("_", " ")]


def url_of(root: str) -> str:
    """Write where a store lies as people read it: without connection and options."""
    return parse_address(root).url


def release_schedule(deployment: Deployment) -> str | None:
    """Tell when what restores replaced is let go of; None when somebody has to do it by hand."""
    return RELEASE_SCHEDULE if deployment.restore.keep_replaced is not None else None


def kept(deployment: Deployment) -> str:
    """Say how long what a restore replaced is kept."""
    keep = deployment.restore.keep_replaced
    return "until somebody releases it" if keep is None else f"for {spoken(keep)}"


def runbook(purpose: str, deployment: Deployment) -> str:
    """Write what the DAG's page says: what it does, and what to do when it is red."""
    text = _for_copies((Path(__file__).parent / "runbooks" / f"{purpose}.md").read_text(encoding="utf-8"), deployment)
    terms = deployment.terms
    warned = deployment.warnings if purpose in {FULL_BACKUP, INCREMENTAL_BACKUP} else ()
    warnings = "".join(f"> **Mind:** {warning}\n\n" for warning in warned)
    return warnings + Template(text).substitute(
        deployment=deployment.name,
        tier=deployment.tier.value,
        root=url_of(deployment.root),
        init=f"vectorizer-backup store init '{deployment.root}' --deployment {deployment.name}",
        copies=", ".join(f"`{url_of(root)}`" for root in deployment.copy_roots),
        connection=deployment.server.connection,
        url=deployment.server.url,
        rpo=spoken(terms.rpo),
        rto=spoken(terms.rto),
        full_schedule=terms.full,
        incremental_schedule=terms.incremental or "never",
        full_within=spoken(full_within(deployment)),
        standby=deployment.standby.connection if deployment.standby else "",
        standby_url=deployment.standby.url if deployment.standby else "",
        comparison_schedule=deployment.schedule.standby_comparison,
        standby_dag=dag_id(deployment.name, STANDBY),
        full_backup=dag_id(deployment.name, FULL_BACKUP),
        incremental_backup=dag_id(deployment.name, INCREMENTAL_BACKUP),
        verification=dag_id(deployment.name, VERIFICATION),
        restore=dag_id(deployment.name, RESTORE),
        after_restore=dag_id(deployment.name, AFTER_RESTORE),
        sync=dag_id(deployment.name, SYNC),
        sync_schedule=terms.sync,
        pruning=dag_id(deployment.name, PRUNING),
        pruning_schedule=PRUNING_SCHEDULE,
        slots=deployment.retention.slots,
        copy_grace=spoken(deployment.retention.copy_grace),
        and_copied=" and lies in every copy" if deployment.copies else "",
        share_limit=f"{deployment.retention.share_limit:.0%}",
        watch=WATCH,
        kept=kept(deployment),
        released="Every day at 01:35 UTC what was kept for that long is released."
        if release_schedule(deployment)
        else "",
    )


def watch_runbook() -> str:
    """Write what the page of the watch says."""
    return (Path(__file__).parent / "runbooks" / "watch.md").read_text(encoding="utf-8")


def _for_copies(text: str, deployment: Deployment) -> str:
    """Take away the lines that speak of copies, which begin with "¶", where a deployment has none; and those that speak
    of incrementals, which begin with "§".
    """
    lines = text.splitlines(keepends=True)
    there = {"¶": bool(deployment.copies), "§": deployment.terms.incremental is not None}
    return "".join(line.lstrip("¶§") for line in lines if all(there[mark] for mark in there if _marked(line, mark)))


def _marked(line: str, mark: str) -> bool:
    return mark in line[:2]
