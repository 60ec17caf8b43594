"""Incremental backups: `vectorizer_{deployment}_incremental_backup`; one that finds another at work gives way."""

from airflow.sdk import DAG, chain

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import incremental_form
from vectorizer_backup.operators.capture import CommitBackupOperator, ExportCollectionsOperator, PlanCaptureOperator
from vectorizer_backup.operators.copying import copy_tasks
from vectorizer_backup.operators.incremental import ConfirmRecoveryPointOperator, GiveWayOperator
from vectorizer_backup.operators.verification import VerifyBackupOperator
from vectorizer_backup.sensors.loaded import ServerLoadedSensor

for deployment in defaults.deployments().deployments.values():
    if deployment.terms.incremental is None:
        continue
    with DAG(
        defaults.dag_id(deployment.name, defaults.INCREMENTAL_BACKUP),
        schedule=deployment.terms.incremental,
        max_active_runs=limits.MOST_INCREMENTALS,
        params=incremental_form(),
        **defaults.backup_settings(deployment, defaults.INCREMENTAL_BACKUP),
    ):
        gate = GiveWayOperator(task_id="give_way", execution_timeout=limits.MEASURING_TIMEOUT)
        loaded = ServerLoadedSensor(task_id="wait_until_loaded", deployment=deployment)
        plan = PlanCaptureOperator(
            task_id="plan_capture",
            deployment=deployment,
            suspicions=loaded.output,
            incremental=True,
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
        copies = copy_tasks(deployment, commit.output, limits.INCREMENT_COPY_TIMEOUT)
        confirm = ConfirmRecoveryPointOperator(
            task_id="confirm_recovery_point",
            deployment=deployment,
            gave_way=gate.output,
            tickets=plan.output,
            facts=commit.output,
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.INCREMENTAL_BACKUP),
        )
        chain(gate, loaded, plan, exports, commit, verify, *copies, confirm)
