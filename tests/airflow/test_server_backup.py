"""The operators for the server's own backup API, on servers of both dialects."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backup_engine.errors import InvalidInput, LeaseHeld, UnknownBackup, UnknownCollection, Unsupported
from backup_engine.lease import acquire
from backup_engine.model import Metric, system_clock
from backup_engine.vectorizer.server import connect
from tests.airflow.places import fill, fill_guide, remove_bucket, running_sandbox
from vectorizer_backup.operators.server_backup import (
    CreateServerBackupOperator,
    DownloadServerBackupOperator,
    ListServerBackupsOperator,
    RestoreServerBackupOperator,
    folder_and_name,
)
from vectorizer_backup.retrying import ErrorClassPolicy

NAMES = ["docs", "images"]


class _Run:
    """As much of a run as an operator of its own looks at."""

    dag_id = "auditors"
    run_id = "manual"


CONTEXT: Any = {"dag_run": _Run()}


@pytest.fixture(params=["bare", "guide"])
def server(request, tmp_path):
    """The server behind connection tried, with two collections."""
    with running_sandbox(tmp_path / "tried", "tried", dialect=request.param) as sandbox:
        server = connect(sandbox.url)
        for name in NAMES:
            if request.param == "guide":
                fill_guide(sandbox.url, name, 20)
            else:
                fill(server, name, 20)
        yield server


def _counts(server) -> dict[str, int]:
    return {state.name: state.vectors for state in server.collections()}


def _create(collections=NAMES, **kwargs) -> dict:
    operator = CreateServerBackupOperator(
        task_id="create", vectorizer_conn_id="tried", backup_name="monday", collections=collections, **kwargs
    )
    return operator.execute(CONTEXT)


def test_what_is_made_is_counted_listed_and_downloaded_without_a_vector_in_an_xcom(server, tmp_path) -> None:
    made = _create()
    assert made["name"] == "monday"
    assert made["vectors"] == dict.fromkeys(NAMES, 20)
    (listed,) = ListServerBackupsOperator(task_id="list", vectorizer_conn_id="tried").execute(CONTEXT)
    assert (listed["id"], listed["collections"]) == (made["id"], NAMES)
    into = tmp_path / "monday"
    operator = DownloadServerBackupOperator(
        task_id="download", vectorizer_conn_id="tried", backup_id=made["id"], into=into.as_uri()
    )
    saved = operator.execute(CONTEXT)
    assert saved["vectors"] == dict.fromkeys(NAMES, 20)
    assert saved["bytes"] == into.stat().st_size
    assert saved["sha256"] == hashlib.sha256(into.read_bytes()).hexdigest()
    assert Path(saved["path"]) == into
    assert all(len(json.dumps(handed_on)) < 1000 for handed_on in (made, listed, saved))
    with pytest.raises(InvalidInput, match="must be a new file"):
        operator.execute(CONTEXT)


def test_a_server_backup_can_be_streamed_into_a_bucket_where_it_replaces_nothing(server, seaweed) -> None:
    made, client = _create(), seaweed.client()
    client.create_bucket(Bucket="auditors")
    operator = DownloadServerBackupOperator(
        task_id="download", vectorizer_conn_id="tried", backup_id=made["id"], into="s3://seaweed@auditors/2026/monday"
    )
    saved = operator.execute(CONTEXT)
    assert saved["path"] == "s3://auditors/2026/monday"
    content = client.get_object(Bucket="auditors", Key="2026/monday")["Body"].read()
    assert saved["sha256"] == hashlib.sha256(content).hexdigest()
    assert saved["vectors"] == dict.fromkeys(NAMES, 20)
    with pytest.raises(InvalidInput, match="must be a new object"):
        operator.execute(CONTEXT)
    operator.backup_id, operator.into = "nope", "s3://seaweed@auditors/2026/tuesday"
    with pytest.raises(UnknownBackup, match="nope"):
        operator.execute(CONTEXT)
    assert [found["Key"] for found in client.list_objects_v2(Bucket="auditors")["Contents"]] == ["2026/monday"]
    remove_bucket(seaweed, "auditors")


def test_a_bucket_alone_is_no_address_of_a_file() -> None:
    assert folder_and_name("gs://google@auditors/2026/monday?kms_key=k") == (
        "gs://google@auditors/2026?kms_key=k",
        "monday",
    )
    assert folder_and_name("s3://auditors/monday") == ("s3://auditors", "monday")
    with pytest.raises(InvalidInput, match="names a bucket"):
        folder_and_name("s3://auditors")


def test_nothing_is_made_of_no_collection_or_of_one_that_is_not_there(server) -> None:
    for collections in ([], (), "docs", ["docs", 1], None):
        with pytest.raises(InvalidInput, match="collections is"):
            _create(collections)
    with pytest.raises(UnknownCollection, match="'dosc'"):
        _create(["docs", "dosc"])
    assert ListServerBackupsOperator(task_id="list", vectorizer_conn_id="tried").execute(CONTEXT) == []


def test_what_was_lost_comes_back_with_its_metric_and_is_counted_before_and_after(server) -> None:
    made = _create()
    server.delete_collection("docs")
    server.flush()
    operator = RestoreServerBackupOperator(task_id="restore", vectorizer_conn_id="tried", backup_id=made["id"])
    restored = operator.execute(CONTEXT)
    assert restored["before"] == {"docs": None, "images": 20}
    assert restored["after"] == dict.fromkeys(NAMES, 20)
    assert _counts(server) == dict.fromkeys(NAMES, 20)
    assert server.configuration("docs").metric is Metric.EUCLIDEAN


def test_a_backup_that_is_not_there_is_named(server, tmp_path) -> None:
    operator = DownloadServerBackupOperator(
        task_id="download", vectorizer_conn_id="tried", backup_id="nope", into=str(tmp_path / "new")
    )
    with pytest.raises(UnknownBackup, match="nope"):
        operator.execute(CONTEXT)
    assert not (tmp_path / "new").exists()


def test_a_choice_that_the_server_would_ignore_is_refused(alpha, store) -> None:
    for name in NAMES:
        fill(alpha, name, 20)
    make = CreateServerBackupOperator(
        task_id="create", vectorizer_conn_id="alpha", backup_name="monday", collections=NAMES
    )
    made = make.execute(CONTEXT)
    operator = RestoreServerBackupOperator(
        task_id="restore", vectorizer_conn_id="alpha", backup_id=made["id"], collections=["docs"]
    )
    with pytest.raises(Unsupported):
        operator.execute(CONTEXT)
    assert _counts(alpha) == dict.fromkeys(NAMES, 20)


def test_a_restore_keeps_captures_and_restores_of_its_server_away(alpha, store) -> None:
    operator = RestoreServerBackupOperator(task_id="restore", vectorizer_conn_id="alpha", backup_id="any")
    with acquire(store, "restore", "somebody's restore", timedelta(seconds=60), system_clock), pytest.raises(LeaseHeld):
        operator.execute(CONTEXT)


def test_errors_are_tried_again_or_not_by_their_class_and_names_may_be_templates() -> None:
    operator = RestoreServerBackupOperator(task_id="restore", backup_id="{{ params.id }}")
    assert isinstance(operator.retry_policy, ErrorClassPolicy)
    assert operator.vectorizer_conn_id == "vectorizer_default"
    assert {"vectorizer_conn_id", "backup_id", "collections"} <= set(operator.template_fields)
