"""Links on task instances."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink, conf

from vectorizer_backup.dag_defaults import FULL_BACKUP, RESTORE, VERIFICATION

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class RestoreFormLink(BaseOperatorLink):
    """From a task that made or checked a backup to the DAG that restores it."""

    name = "Restore"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the address of the deployment's restore DAG."""
        dag = ti_key.dag_id
        for purpose in (FULL_BACKUP, VERIFICATION):
            dag = dag.removesuffix(purpose) + RESTORE if dag.endswith(purpose) else dag
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/{quote(dag)}"
