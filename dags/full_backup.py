"""Full backups: `vectorizer_{deployment}_full_backup`, by the tier's schedule and by hand."""

from airflow.sdk import DAG, chain

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import backup_form
from vectorizer_backup.operators.capture import CommitBackupOperator, ExportCollectionsOperator, PlanCaptureOperator
from vectorizer_backup.operators.confirmation import ConfirmGoodBackupOperator
from vectorizer_backup.operators.copying import copy_tasks
from vectorizer_backup.operators.verification import VerifyBackupOperator
from vectorizer_backup.sensors.loaded import ServerLoadedSensor

for deployment in defaults.deployments().deployments.values():
    with DAG(
        defaults.dag_id(deployment.name, defaults.FULL_BACKUP),
        schedule=deployment.terms.full,
        max_active_runs=1,
        params=backup_form(),
        **defaults.backup_settings(deployment, defaults.FULL_BACKUP),
    ):
        loaded = ServerLoadedSensor(task_id="wait_until_loaded", deployment=deployment)
        plan = PlanCaptureOperator(
            task_id="plan_capture",
            deployment=deployment,
            suspicions=loaded.output,
            execution_timeout=limits.PLANNING_TIMEOUT,
        )
        exports = ExportCollectionsOperator.partial(
            task_id="export_collections",
            execution_timeout=limits.EXPORT_TIMEOUT,
            map_index_template="stream {{ task.ticket['stream'] + 1 }}",
        ).expand(ticket=plan.output)
        commit = CommitBackupOperator(
            task_id="commit_backup",
            tickets=plan.output,
            exports=exports.output,
            asset=defaults.backups_asset(deployment.name),
            execution_timeout=limits.COMMIT_TIMEOUT,
        )
        verify = VerifyBackupOperator(
            task_id="verify_backup", backup=commit.output, execution_timeout=limits.VERIFICATION_TIMEOUT
        )
        copies = copy_tasks(deployment, commit.output)
        confirm = ConfirmGoodBackupOperator(
            task_id="confirm_good_backup",
            tickets=plan.output,
            facts=commit.output,
            asset=defaults.verified_fulls_asset(deployment.name),
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.FULL_BACKUP),
        )
        chain(loaded, plan, exports, commit, verify, *copies, confirm)
