"""Reading older backups again: `vectorizer_{deployment}_verification`, weekly and by hand."""

from airflow.sdk import DAG, XComArg

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import verification_form
from vectorizer_backup.operators.verification import (
    PROBLEMS,
    ConfirmVerificationOperator,
    PlanVerificationOperator,
    VerifyBackupOperator,
)

for deployment in defaults.deployments().deployments.values():
    with DAG(
        defaults.dag_id(deployment.name, defaults.VERIFICATION),
        schedule=deployment.terms.verification,
        max_active_runs=1,
        max_active_tasks=deployment.streams,
        dagrun_timeout=limits.BACKUP_TIMEOUT,
        allowed_run_types=defaults.ALLOWED_VERIFICATION_RUNS,
        default_args=dict(defaults.TASK_DEFAULTS),
        params=verification_form(deployment),
        tags=defaults.tags(deployment, defaults.VERIFICATION),
        doc_md=defaults.runbook(defaults.VERIFICATION, deployment),
        deadline=defaults.deadlines(deployment, defaults.VERIFICATION),
    ):
        plan = PlanVerificationOperator(
            task_id="plan_verification", deployment=deployment, execution_timeout=limits.PLANNING_TIMEOUT
        )
        verified = VerifyBackupOperator.partial(
            task_id="verify_backup",
            execution_timeout=limits.VERIFICATION_TIMEOUT,
            map_index_template="{{ task.label }}",
        ).expand(backup=plan.output)
        confirm = ConfirmVerificationOperator(
            task_id="confirm_verification",
            planned=plan.output,
            problems=XComArg(plan, key=PROBLEMS),
            verified=verified.output,
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.VERIFICATION),
        )
        plan >> verified >> confirm
