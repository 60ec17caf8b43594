"""Restores, by hand: `vectorizer_{deployment}_restore`. No time limit: a server takes its data back slowly."""

from airflow.sdk import DAG

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import restore_form
from vectorizer_backup.operators.restore import (
    ApproveRestoreOperator,
    ConfirmRestoreOperator,
    PlanRestoreOperator,
    RestoreCollectionsOperator,
)

for deployment in defaults.deployments().deployments.values():
    with DAG(
        defaults.dag_id(deployment.name, defaults.RESTORE),
        schedule=None,
        allowed_run_types=defaults.ALLOWED_RESTORE_RUNS,
        default_args=dict(defaults.TASK_DEFAULTS),
        params=restore_form(deployment),
        tags=defaults.tags(deployment, defaults.RESTORE),
        doc_md=defaults.runbook(defaults.RESTORE, deployment),
        deadline=defaults.deadlines(deployment, defaults.RESTORE),
    ):
        plan = PlanRestoreOperator(
            task_id="plan_restore", deployment=deployment, execution_timeout=limits.PLANNING_TIMEOUT
        )
        approve = ApproveRestoreOperator(task_id="approve", ticket=plan.output)
        restore = RestoreCollectionsOperator(task_id="restore_collections", ticket=plan.output, approval=approve.output)
        confirm = ConfirmRestoreOperator(
            task_id="confirm_restore",
            ticket=plan.output,
            approval=approve.output,
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.RESTORE),
        )
        plan >> approve >> restore >> confirm
