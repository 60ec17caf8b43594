"""From an address to a store: whose credentials are taken, and what is refused before anything is touched."""

import json

import pytest

from backup_engine.errors import ConfigurationError, StoreDenied
from backup_engine.storage.address import parse_address
from services.google_storage.service import GoogleStorage
from tests.airflow.conftest import HOME
from tests.airflow.places import remove_bucket
from vectorizer_backup.clients import client_of, endpoint_of
from vectorizer_backup.connecting import executors, open_root
from vectorizer_backup.sharing import executor_names, unshared

DIRECTORY = f"file://{HOME}/backups/alpha"


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("LocalExecutor", ("LocalExecutor",)),
        ("LocalExecutor, CeleryExecutor", ("LocalExecutor", "CeleryExecutor")),
        ("KubernetesExecutor;team_a=LocalExecutor", ("KubernetesExecutor", "LocalExecutor")),
        ("far:company.executors.FarExecutor", ("FarExecutor",)),
        ("airflow.executors.local_executor.LocalExecutor", ("LocalExecutor",)),
    ],
)
def test_every_executor_is_found_in_the_setting(setting, names) -> None:
    assert executor_names(setting) == names


@pytest.mark.parametrize(
    ("root", "running", "refused"),
    [
        ("file:///backups/a", ("LocalExecutor",), False),
        ("file:///backups/a", ("SequentialExecutor",), False),
        ("file:///backups/a", ("CeleryExecutor",), True),
        ("file:///backups/a", ("LocalExecutor", "KubernetesExecutor"), True),
        ("file:///backups/a?shared=yes", ("CeleryExecutor",), False),
        ("s3://bucket/a", ("CeleryExecutor",), False),
        ("gs://bucket/a", ("KubernetesExecutor",), False),
    ],
)
def test_a_directory_of_one_machine_is_refused_where_tasks_run_on_several(root, running, refused) -> None:
    assert (unshared(parse_address(root), running) is not None) is refused


def test_the_refusal_comes_before_anything_is_touched_and_names_both_remedies(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert executors() == ("CeleryExecutor",)
    with pytest.raises(ConfigurationError, match="one machine") as refused:
        open_root(f"file://{tmp_path}/never")
    assert "s3://… or gs://…" in str(refused.value)
    assert f"file://{tmp_path}/never?shared=yes" in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert open_root(f"{DIRECTORY}?shared=yes").url == DIRECTORY


def test_a_missing_connection_is_an_error_and_not_whatever_credentials_are_found(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-elses")
    with pytest.raises(StoreDenied, match="the connection 'nobody' cannot be used: Airflow has none of this name"):
        open_root("s3://nobody@bucket/a")
    with pytest.raises(StoreDenied, match="--conn-type google_cloud_platform"):
        open_root("gs://nobody@bucket/a")


def test_a_connection_of_another_kind_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_VECTOR", "vectorizer://localhost:15002")
    with pytest.raises(StoreDenied, match="it is of type 'vectorizer', 'aws' was expected"):
        open_root("s3://vector@bucket/a")


def test_secrets_of_a_connection_that_cannot_be_used_stay_out_of_the_message(monkeypatch) -> None:
    broken = {"conn_type": "aws", "login": "id", "password": "hush", "extra": {"endpoint_url": "no address"}}
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps(broken))
    with pytest.raises(StoreDenied, match="ValueError") as refused:
        open_root("s3://broken@bucket/a")
    assert "hush" not in str(refused.value)


def test_a_connections_own_settings_and_our_limits_are_both_heeded(monkeypatch) -> None:
    extra = {
        "region_name": "eu-central-1",
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"proxies": {"http": "http://proxy:3128"}},
    }
    connection = {"conn_type": "aws", "login": "id", "password": "x", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_OWN", json.dumps(connection))
    address = parse_address("s3://own@bucket/a")
    client = client_of(address)
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.region_name == "eu-central-1"
    config = client.meta.config
    assert config.proxies == {"http": "http://proxy:3128"}
    assert (config.connect_timeout, config.read_timeout) == (10, 60)
    assert config.s3["addressing_style"] == "path"
    assert endpoint_of(address) == "http://127.0.0.1:9"


def test_an_address_without_a_connection_takes_the_workers_own_credentials() -> None:
    assert client_of(parse_address("s3://bucket/a")) is None
    assert client_of(parse_address("gs://bucket/a")) is None
    assert client_of(parse_address(DIRECTORY)) is None


def test_google_s_client_comes_from_its_connection(monkeypatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    anonymous = {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "backups"}}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", json.dumps(anonymous))
    assert client_of(parse_address("gs://google@bucket/a")).project == "backups"
    keyed = {"conn_type": "google_cloud_platform", "extra": {"key_path": "/nowhere/key.json"}}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", json.dumps(keyed))
    with pytest.raises(StoreDenied, match="the connection 'google' cannot be used"):
        client_of(parse_address("gs://google@bucket/a"))


def test_a_bucket_is_reached_with_the_connection_its_address_names(seaweed) -> None:
    seaweed.client().create_bucket(Bucket="reached")
    store = open_root("s3://seaweed@reached/some/where")
    store.create("a/b", [b"content"])
    assert b"".join(store.read("a/b")) == b"content"
    assert "seaweed@" not in store.url
    remove_bucket(seaweed, "reached")


def test_a_bucket_of_google_is_reached_with_the_connection_its_address_names(tmp_path, monkeypatch) -> None:
    with GoogleStorage(tmp_path) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", server.connection())
        server.client().create_bucket("reached")
        store = open_root("gs://google@reached/some/where")
        store.create("a/b", [b"content"])
        assert b"".join(store.read("a/b")) == b"content"
        assert store.url == "gs://reached/some/where"
