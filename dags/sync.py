"""Bringing every store what it lacks: `vectorizer_{deployment}_sync`, by schedule and by hand, where there are copies.
No time limit for a run: rebuilding a lost store takes as long as the line does.
"""

from airflow.sdk import DAG, XComArg

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.operators.syncing import (
    UNREACHABLE,
    ConfirmSyncOperator,
    PlanSyncOperator,
    SyncBackupsOperator,
)
from vectorizer_backup.place_fields import sync_form

for deployment in defaults.deployments().deployments.values():
    if not deployment.copies:
        continue
    with DAG(
        defaults.dag_id(deployment.name, defaults.SYNC),
        schedule=deployment.terms.sync,
        max_active_runs=1,
        allowed_run_types=defaults.ALLOWED_SYNC_RUNS,
        default_args=dict(defaults.TASK_DEFAULTS),
        params=sync_form(),
        tags=defaults.tags(deployment, defaults.SYNC),
        doc_md=defaults.runbook(defaults.SYNC, deployment),
    ):
        plan = PlanSyncOperator(task_id="plan_sync", deployment=deployment, execution_timeout=limits.PLANNING_TIMEOUT)
        synced = SyncBackupsOperator.partial(
            task_id="sync_backups", execution_timeout=limits.SYNC_TIMEOUT, map_index_template="{{ task.place }}"
        ).expand(ticket=plan.output)
        confirm = ConfirmSyncOperator(
            task_id="confirm_sync",
            deployment=deployment,
            planned=plan.output,
            unreachable=XComArg(plan, key=UNREACHABLE),
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.SYNC),
        )
        plan >> synced >> confirm
