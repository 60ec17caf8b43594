"""Links on task instances."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink, conf

from backup_engine.errors import StoreDenied
from backup_engine.storage.address import Scheme, StoreAddress, parse_address
from vectorizer_backup.dag_defaults import FULL_BACKUP, INCREMENTAL_BACKUP, RESTORE, VERIFICATION

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class RestoreFormLink(BaseOperatorLink):
    """From a task that made or checked a backup to the DAG that restores it."""

    name = "Restore"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the address of the deployment's restore DAG."""
        dag = ti_key.dag_id
        for purpose in (FULL_BACKUP, INCREMENTAL_BACKUP, VERIFICATION):
            dag = dag.removesuffix(purpose) + RESTORE if dag.endswith(purpose) else dag
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/{quote(dag)}"


class BackupPlaceLink(BaseOperatorLink):
    """From a task that wrote a backup to the bucket it lies in, as Amazon's and Google's consoles show it."""

    name = "Where it lies"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the address of the console's page; none for a directory, and for a server that has no console."""
        root = getattr(operator, "root", None)
        if not root:
            return ""
        from vectorizer_backup.clients import endpoint_of

        address = parse_address(root)
        try:
            return console_page(address, endpoint_of(address))
        except StoreDenied:  # the task itself has said so
            return ""


def console_page(address: StoreAddress, endpoint: str | None) -> str:
    """Give the address of the page that shows a bucket's folder; empty where there is none.

    :param endpoint: where the bucket is served, if not by Amazon or Google
    """
    if endpoint or address.scheme is Scheme.FILE:
        return ""
    prefix = quote(address.path)
    if address.scheme is Scheme.S3:
        return f"https://console.aws.amazon.com/s3/buckets/{address.bucket}?prefix={prefix}/"
    return f"https://console.cloud.google.com/storage/browser/{address.bucket}/{prefix}"
