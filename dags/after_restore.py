"""After a restore: `vectorizer_{deployment}_after_restore`. Daily it releases what was kept long enough; by hand it
releases, undoes or resumes the restore that is named. One run at a time: nothing is released while somebody decides
about an undo. No time limit: an undo or a resumed restore takes as long as the server does.
"""

from airflow.sdk import DAG

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import after_restore_form
from vectorizer_backup.operators.after_restore import (
    ApproveUndoOperator,
    CarryOutOperator,
    ConfirmAfterRestoreOperator,
    PlanAfterRestoreOperator,
)

for deployment in defaults.deployments().deployments.values():
    with DAG(
        defaults.dag_id(deployment.name, defaults.AFTER_RESTORE),
        schedule=defaults.release_schedule(deployment),
        max_active_runs=1,
        allowed_run_types=defaults.ALLOWED_AFTER_RESTORE_RUNS,
        default_args=dict(defaults.TASK_DEFAULTS),
        params=after_restore_form(),
        tags=defaults.tags(deployment, defaults.AFTER_RESTORE),
        doc_md=defaults.runbook(defaults.AFTER_RESTORE, deployment),
    ):
        plan = PlanAfterRestoreOperator(
            task_id="plan_after_restore", deployment=deployment, execution_timeout=limits.PLANNING_TIMEOUT
        )
        approve = ApproveUndoOperator(task_id="approve", tickets=plan.output)
        carry_out = CarryOutOperator.partial(
            task_id="carry_out",
            approval=approve.output,
            max_active_tis_per_dagrun=1,
            map_index_template="{{ task.ticket['followup'] }} {{ task.ticket['restore_id'] }}",
        ).expand(ticket=plan.output)
        confirm = ConfirmAfterRestoreOperator(
            task_id="confirm_after_restore",
            tickets=plan.output,
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.AFTER_RESTORE),
        )
        plan >> approve >> carry_out >> confirm
