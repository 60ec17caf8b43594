"""What Airflow knows of the package before it runs anything of it."""

import pytest
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from backup_engine.storage.address import parse_address
from vectorizer_backup.hooks.vectorizer import VectorizerHook
from vectorizer_backup.links import BackupPlaceLink, RestoreFormLink, console_page
from vectorizer_backup.provider import CONNECTION_TYPE, get_provider_info


def test_airflow_finds_the_connection_type_through_the_entry_point() -> None:
    found = ProvidersManagerTaskRuntime().hooks[CONNECTION_TYPE]
    assert found.hook_name == "Vectorizer"
    assert found.hook_class_name.rpartition(".")[2] == VectorizerHook.__name__
    assert found.connection_id_attribute_name == "vectorizer_conn_id"


def test_the_form_asks_for_what_a_vectorizer_needs_and_hides_the_rest() -> None:
    form = ProvidersManager().field_behaviours[CONNECTION_TYPE]
    assert form["hidden_fields"] == ["schema", "port"]
    widgets = ProvidersManager().connection_form_widgets
    fields = {name.rpartition("__")[2] for name in widgets if name.startswith("extra__vectorizer__")}
    assert fields == {"api_key", "verify_tls", "ca_bundle", "connect_timeout", "read_timeout"}
    assert widgets["extra__vectorizer__api_key"].is_sensitive


def test_the_plugin_is_the_only_file_the_loader_takes_from_the_plugins_folder() -> None:
    plugins_manager.ensure_plugins_loaded()
    assert plugins_manager.get_import_errors() == {}
    assert [plugin["name"] for plugin in plugins_manager.get_plugin_info(["name"])] == ["vectorizer_backup"]


def test_every_link_of_the_provider_exists() -> None:
    paths = {f"{link.__module__}.{link.__name__}" for link in (RestoreFormLink, BackupPlaceLink)}
    assert set(get_provider_info()["extra-links"]) == paths


@pytest.mark.parametrize(
    ("dag_id", "target"),
    [
        ("vectorizer_main_full_backup", "/dags/vectorizer_main_restore"),
        ("vectorizer_main_verification", "/dags/vectorizer_main_restore"),
    ],
)
def test_a_link_leads_from_a_backup_to_the_dag_that_restores_it(dag_id, target) -> None:
    from airflow.sdk.types import TaskInstanceKey

    key = TaskInstanceKey(dag_id=dag_id, task_id="commit_backup", run_id="r", try_number=1)
    assert RestoreFormLink().get_link(None, ti_key=key).endswith(target)


@pytest.mark.parametrize(
    ("root", "endpoint", "page"),
    [
        (
            "s3://aws@backups/vectorizer/main?sse=AES256",
            None,
            "https://console.aws.amazon.com/s3/buckets/backups?prefix=vectorizer/main/",
        ),
        ("gs://backups/main", None, "https://console.cloud.google.com/storage/browser/backups/main"),
        ("s3://backups/main", "http://seaweedfs:8333", ""),
        ("file:///var/backups/main", None, ""),
    ],
)
def test_a_link_leads_to_the_bucket_a_backup_lies_in_where_there_is_a_page(root, endpoint, page) -> None:
    assert console_page(parse_address(root), endpoint) == page
