"""Letting go of old backups: `vectorizer_{deployment}_pruning`, after each verified full, by hand, and once a week by
the clock: while a copy is missing no full counts as verified everywhere.
"""

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import pruning_form
from vectorizer_backup.operators.pruning import (
    ApprovePruningOperator,
    PlanPruningOperator,
    PruneBackupsOperator,
)
from vectorizer_backup.operators.pruning_runs import ConfirmPruningOperator

for deployment in defaults.deployments().deployments.values():
    weekly = CronTriggerTimetable(defaults.PRUNING_SCHEDULE, timezone="UTC")
    with DAG(
        defaults.dag_id(deployment.name, defaults.PRUNING),
        schedule=AssetOrTimeSchedule(timetable=weekly, assets=[defaults.verified_fulls_asset(deployment.name)]),
        max_active_runs=1,
        allowed_run_types=defaults.ALLOWED_PRUNING_RUNS,
        default_args=dict(defaults.TASK_DEFAULTS),
        params=pruning_form(),
        tags=defaults.tags(deployment, defaults.PRUNING),
        doc_md=defaults.runbook(defaults.PRUNING, deployment),
        deadline=defaults.deadlines(deployment, defaults.PRUNING),
    ):
        plan = PlanPruningOperator(
            task_id="plan_pruning", deployment=deployment, execution_timeout=limits.PLANNING_TIMEOUT
        )
        approve = ApprovePruningOperator(task_id="approve", tickets=plan.output)
        prune = PruneBackupsOperator(
            task_id="prune_backups",
            deployment=deployment,
            tickets=plan.output,
            approval=approve.output,
            execution_timeout=limits.PRUNING_TIMEOUT,
        )
        confirm = ConfirmPruningOperator(
            task_id="confirm_pruning",
            deployment=deployment,
            tickets=plan.output,
            approval=approve.output,
            pruned=prune.output,
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.PRUNING),
        )
        plan >> approve >> prune >> confirm
