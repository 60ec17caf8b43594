"""The operators of time travel and of synthetic fulls, for DAGs of a team's own."""

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine.catalog import Catalog
from backup_engine.errors import InvalidInput
from backup_engine.model import system_clock
from backup_engine.storage.identity import read_identity
from tests.airflow.places import fill
from tests.engine.captures import capture
from tests.engine.samples import some_records
from vectorizer_backup.dag_defaults import deployments
from vectorizer_backup.operators.synthesis import SynthesizeOperator
from vectorizer_backup.operators.time_travel import DiffBackupsOperator, FindChangeOperator
from vectorizer_backup.operators.verification import VerifyBackupOperator
from vectorizer_backup.retrying import ErrorClassPolicy

pytestmark = pytest.mark.timeout(120)


def _deployment():
    return deployments().deployments["alpha"]


@pytest.fixture
def history(alpha, store) -> list[str]:
    """A full and an incremental of the server that "alpha" is."""
    known = {"store_id": read_identity(store).store_id, "deployment": "alpha"}
    fill(alpha, "docs", 50)
    names = [capture(alpha, store, system_clock, run="monday", **known).name]
    alpha.upsert("docs", some_records([3, 90], seed=5))
    alpha.delete_records("docs", ["r4"])
    return [*names, capture(alpha, store, system_clock, run="tuesday", incremental=True, **known).name]


def test_two_backups_and_the_server_are_compared(alpha, history) -> None:
    common = {"deployment": _deployment(), "ids": 5}
    found = DiffBackupsOperator(task_id="diff", first=history[0], second=history[1], **common).execute({})
    (docs,) = found["collections"]
    assert docs["examples"] == {
        "added": ["r90"],
        "deleted": ["r4"],
        "re_embedded": ["r3"],
        "payload_only": [],
    }
    alpha.upsert("docs", some_records([91]))
    live = DiffBackupsOperator(task_id="diff", first="latest", collections=["docs"], **common).execute({})
    assert live["collections"][0]["examples"]["added"] == ["r91"]


def test_a_record_is_followed_through_the_backups(history) -> None:
    find = FindChangeOperator(task_id="find", deployment=_deployment(), collection="docs", record_id="r4")
    told = [(one["what"], one["backup"]) for one in find.execute({})["events"]]
    assert told == [("first", history[0]), ("vanished", history[1])]


def test_a_synthetic_full_is_made_once_and_can_be_verified_by_what_is_handed_on(store, history) -> None:
    make = SynthesizeOperator(task_id="synthesize", deployment=_deployment(), backup=history[1])
    facts = make.execute({})
    assert (facts["kind"], facts["state"], facts["vectors"]) == ("full", "good", 50)
    assert make.execute({}) == facts
    assert VerifyBackupOperator(task_id="verify", backup=facts).execute({})["vectors"] == 50
    assert Catalog(store, system_clock).find(facts["backup"]).verified_at is not None
    with pytest.raises(InvalidInput, match="is a full"):
        SynthesizeOperator(task_id="synthesize", deployment=_deployment(), backup=history[0]).execute({})


def test_a_chain_that_costs_little_is_left_as_it_is_when_asked_to(store, history) -> None:
    with pytest.raises(AirflowSkipException, match="about as much as restoring a full"):
        SynthesizeOperator(task_id="synthesize", deployment=_deployment(), if_costly=True).execute({})
    assert len(Catalog(store, system_clock).backups()) == len(history)


def test_what_people_choose_may_be_a_template_and_errors_are_judged_by_their_class() -> None:
    deployment = _deployment()
    made = (
        (DiffBackupsOperator(task_id="a", deployment=deployment, first="latest"), {"first", "second", "collections"}),
        (FindChangeOperator(task_id="b", deployment=deployment, collection="c", record_id="x"), {"record_id"}),
        (SynthesizeOperator(task_id="c", deployment=deployment), {"backup"}),
    )
    for operator, fields in made:
        assert fields <= set(operator.template_fields)
        assert isinstance(operator.retry_policy, ErrorClassPolicy)
