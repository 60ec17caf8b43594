"""Feeding the standby: `vectorizer_{deployment}_standby`, after every backup; by the clock, and by hand, all that it
holds is compared. Only where there is a standby. No time limit: a standby that restarted is loaded anew.
"""

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.forms import standby_form
from vectorizer_backup.operators.standby import ApplyToStandbyOperator
from vectorizer_backup.operators.standby_runs import CompareWhenDueOperator, ConfirmStandbyOperator

for deployment in defaults.deployments().deployments.values():
    if deployment.standby is None:
        continue
    comparison = CronTriggerTimetable(deployment.schedule.standby_comparison, timezone="UTC")
    with DAG(
        defaults.dag_id(deployment.name, defaults.STANDBY),
        schedule=AssetOrTimeSchedule(timetable=comparison, assets=[defaults.backups_asset(deployment.name)]),
        max_active_runs=1,
        allowed_run_types=defaults.ALLOWED_STANDBY_RUNS,
        default_args=dict(defaults.TASK_DEFAULTS),
        params=standby_form(),
        tags=defaults.tags(deployment, defaults.STANDBY),
        doc_md=defaults.runbook(defaults.STANDBY, deployment),
        deadline=defaults.deadlines(deployment, defaults.STANDBY),
    ):
        apply = ApplyToStandbyOperator(task_id="apply_to_standby", deployment=deployment)
        compare = CompareWhenDueOperator(task_id="compare_standby", deployment=deployment)
        confirm = ConfirmStandbyOperator(
            task_id="confirm_standby",
            deployment=deployment,
            execution_timeout=limits.PLANNING_TIMEOUT,
            **defaults.callbacks(deployment, defaults.STANDBY),
        )
        apply >> compare >> confirm
