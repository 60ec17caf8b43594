"""The operators that keep a standby, for the product's DAGs and a team's own."""

from datetime import timedelta
from typing import Any

import pytest

from backup_engine.deployment import Deployment, StandbySettings
from backup_engine.errors import ComparisonFailed, ConfigurationError, LeaseHeld, RestoreRefused
from backup_engine.lease import acquire
from backup_engine.model import system_clock
from backup_engine.storage.identity import read_identity
from backup_engine.storage.opening import open_store
from tests.airflow.places import fill, lent
from tests.engine.captures import capture
from tests.engine.samples import some_records
from vectorizer_backup.dag_defaults import deployments
from vectorizer_backup.operators.standby import ApplyToStandbyOperator, CompareStandbyOperator
from vectorizer_backup.restoring import lease_of
from vectorizer_backup.retrying import ErrorClassPolicy

pytestmark = pytest.mark.timeout(120)


class _Run:
    """As much of a run as an operator looks at."""

    dag_id = "vectorizer_alpha_standby"
    run_id = "manual"


CONTEXT: Any = {"dag_run": _Run()}


def _deployment() -> Deployment:
    """As if its entry named a standby."""
    standby = StandbySettings(connection="second", url="http://second.invalid:15002")
    return deployments().deployments["alpha"].model_copy(update={"standby": standby})


@pytest.fixture
def second(sandboxes):
    """An empty server behind the standby's connection."""
    with lent(sandboxes("second"), "second") as server:
        yield server


@pytest.fixture
def captured(alpha, store):
    """Captures the server that "alpha" is, when called."""
    fill(alpha, "docs", 50)
    known = {"store_id": read_identity(store).store_id, "deployment": "alpha"}
    return lambda run: capture(alpha, store, system_clock, run=run, incremental=True, **known).name


def _content(server) -> dict[str, Any]:
    (state,) = server.collections()
    rows = [row for batch in server.read(state).batches for row in batch.to_pylist()]
    return {row["id"]: (row["vector"], row["payload"]) for row in rows}


def test_increments_come_to_the_standby_and_how_old_it_is_is_handed_on(alpha, second, captured) -> None:
    apply = ApplyToStandbyOperator(task_id="apply", deployment=_deployment())
    first = captured("monday")
    assert apply.execute(CONTEXT)["loaded"] == ["docs"]
    alpha.upsert("docs", some_records([3, 90], seed=5))
    alpha.delete_records("docs", ["r4"])
    newest = captured("tuesday")
    handed_on = apply.execute(CONTEXT)
    assert (handed_on["backup"], handed_on["changed"], handed_on["loaded"]) == (newest, ["docs"], [])
    assert (handed_on["upserts"], handed_on["deletions"], handed_on["already"]) == (2, 1, False)
    assert newest != first
    assert 0 < handed_on["lag_seconds"] < 120
    assert _content(second) == _content(alpha)
    compared = CompareStandbyOperator(task_id="compare", deployment=_deployment()).execute(CONTEXT)
    assert (compared["backup"], compared["compared"]) == (newest, 50)


def test_a_restore_to_the_standby_and_whoever_brings_it_up_to_date_keep_apart(second, captured) -> None:
    captured("monday")
    root, name = lease_of(_deployment(), "second", deployments().deployments.values())
    apply = ApplyToStandbyOperator(task_id="apply", deployment=_deployment())
    held = acquire(open_store(root), name, "a restore", timedelta(minutes=2), system_clock)
    with held, pytest.raises(LeaseHeld):
        apply.execute(CONTEXT)
    assert apply.execute(CONTEXT)["loaded"] == ["docs"]


def test_a_standby_that_is_not_right_is_red(second, captured) -> None:
    captured("monday")
    ApplyToStandbyOperator(task_id="apply", deployment=_deployment()).execute(CONTEXT)
    second.delete_records("docs", ["r7"])
    with pytest.raises(ComparisonFailed, match="'docs'"):
        CompareStandbyOperator(task_id="compare", deployment=_deployment()).execute(CONTEXT)
    with pytest.raises(RestoreRefused, match="somebody wrote"):
        ApplyToStandbyOperator(task_id="apply", deployment=_deployment()).execute(CONTEXT)


def test_nothing_that_was_brought_is_nothing_that_was_compared(second, captured) -> None:
    with pytest.raises(RestoreRefused, match="apply first"):
        CompareStandbyOperator(task_id="compare", deployment=_deployment()).execute(CONTEXT)


def test_without_a_standby_it_says_so_and_tries_again_as_errors_ask() -> None:
    apply = ApplyToStandbyOperator(task_id="apply", deployment=deployments().deployments["beta"])
    assert isinstance(apply.retry_policy, ErrorClassPolicy)
    with pytest.raises(ConfigurationError, match="no standby"):
        apply.execute(CONTEXT)
