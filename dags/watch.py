"""The watch: `vectorizer_backup_watch`, every five minutes. It reads the configuration when it runs, not when this file
is parsed: it is there and the same whatever deployments.yaml says.
"""

from airflow.sdk import DAG

from vectorizer_backup import dag_defaults as defaults
from vectorizer_backup import limits
from vectorizer_backup.operators.watch import HeartbeatOperator, LookOperator, MetricsOperator, TellOperator

with DAG(
    defaults.WATCH,
    schedule=defaults.WATCH_SCHEDULE,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=limits.WATCH_TIMEOUT,
    default_args=dict(defaults.WATCH_DEFAULTS),
    tags=["vectorizer", "watch"],
    doc_md=defaults.watch_runbook(),
):
    look = LookOperator(task_id="look", execution_timeout=limits.LOOKING_TIMEOUT)
    tell = TellOperator(task_id="tell", watched=look.output, execution_timeout=limits.TELLING_TIMEOUT)
    heartbeat = HeartbeatOperator(task_id="heartbeat", watched=look.output, execution_timeout=limits.MEASURING_TIMEOUT)
    metrics = MetricsOperator(task_id="metrics", watched=look.output, execution_timeout=limits.MEASURING_TIMEOUT)
    look >> tell >> [heartbeat, metrics]
