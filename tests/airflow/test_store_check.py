"""The operator that tries a store out, for DAGs of a team's own."""

import pytest

from backup_engine.errors import ConfigurationError
from tests.airflow.conftest import HOME
from tests.airflow.places import new_stores, remove_bucket
from vectorizer_backup.operators.store_check import CheckStoreOperator
from vectorizer_backup.retrying import ErrorClassPolicy

pytestmark = pytest.mark.timeout(120)


def _check(store: str) -> list[dict[str, str]]:
    return CheckStoreOperator(task_id="check", store=store).execute({})


def test_a_bucket_and_a_folder_pass_and_nothing_stays_behind(seaweed) -> None:
    client = seaweed.client()
    client.create_bucket(Bucket="tried-out")
    found = _check("s3://seaweed@tried-out/some/where")
    assert {one["level"] for one in found} <= {"ok", "note"}
    assert len(found) > 5
    assert client.list_objects_v2(Bucket="tried-out").get("Contents", []) == []
    remove_bucket(seaweed, "tried-out")
    with new_stores([HOME / "tried" / "alpha"]) as (store,):
        assert {one["level"] for one in _check(f"file://{HOME}/tried/alpha")} <= {"ok", "note"}
        assert [info.key for info in store.list("")] == ["store.json"]


def test_what_is_no_store_fails_with_all_that_is_missing(seaweed) -> None:
    with pytest.raises(ConfigurationError, match=r"s3://nowhere/at-all cannot be a store as it is: .*bucket"):
        _check("s3://seaweed@nowhere/at-all")


def test_the_address_may_be_a_template_and_errors_are_judged_by_their_class() -> None:
    operator = CheckStoreOperator(task_id="check", store="{{ params.store }}")
    assert "store" in operator.template_fields
    assert isinstance(operator.retry_policy, ErrorClassPolicy)
