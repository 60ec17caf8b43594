"""Pruning as DAG runs: what has had its time goes, a person is asked where it is much, and nothing else is touched."""

import shutil
from datetime import timedelta
from types import SimpleNamespace

import pytest

from backup_engine.archive.manifest import Folder
from backup_engine.catalog import Catalog
from backup_engine.copies.copying import copy_backup
from backup_engine.errors import StalePlan
from backup_engine.model import system_clock
from backup_engine.pruning.journal import prunings
from backup_engine.pruning.pinning import pin_backup
from backup_engine.records import VerificationLevel
from backup_engine.storage.identity import read_identity
from backup_engine.verification import verify_backup
from tests.airflow.answering import Answer, answering
from tests.airflow.conftest import HOME
from tests.airflow.places import fill
from tests.airflow.runs import asset_extras, run_dag
from tests.engine.captures import Time, capture, words
from tests.engine.memory_server import MemoryServer
from vectorizer_backup.dag_defaults import deployments
from vectorizer_backup.operators.pruning import PlanPruningOperator, PruneBackupsOperator
from vectorizer_backup.pruning import frozen
from vectorizer_backup.tickets import PruningTicket

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database")]

ALPHA, TWIN = "vectorizer_alpha_pruning", "vectorizer_twin_pruning"
KIM, DANA = Answer("kim", "Approve"), Answer("dag_test", "Approve")
TASKS = ("plan_pruning", "approve", "prune_backups", "confirm_pruning")
RUN = SimpleNamespace(dag_id=ALPHA, run_id="by_hand", conf={}, triggering_user_name="dana")
tokens = words("p")


def _history(*stores, deployment: str, ages: list[int]) -> dict[int, str]:
    """Make a verified full for each of these days before now, in the first store and copied to the others: names."""
    server, made = MemoryServer(), {}
    server.fill("docs", 5)
    now = system_clock()
    for age in sorted(ages, reverse=True):
        clock = Time(now - timedelta(days=age, hours=1))
        known = {"store_id": read_identity(stores[0]).store_id, "deployment": deployment}
        done = capture(server, stores[0], clock, run=f"{deployment}-{age}", **known)
        verify_backup(stores[0], done.folder, done.name, VerificationLevel.FULL, clock, token=tokens())
        for copy in stores[1:]:
            copy_backup(done.folder, done.name, stores[0], copy, clock=clock, token=tokens(), to=copy.url)
            verify_backup(copy, done.folder, done.name, VerificationLevel.FULL, clock, token=tokens())
        made[age] = done.name
    return made


def _names(store) -> set[str]:
    return {backup.name for backup in Catalog(store, system_clock).backups()}


def _keys(store) -> set[str]:
    return {info.key for folder in Folder for info in store.list(f"{folder.value}/")}


@pytest.fixture
def little(store) -> dict[int, str]:
    """A history of which two of forty fulls go."""
    return _history(store, deployment="alpha", ages=[*range(40)])


def test_what_has_had_its_time_goes_and_nothing_of_it_is_left(store, little) -> None:
    before = _names(store)
    run = run_dag(ALPHA)
    assert run.state == "success", run.tasks
    assert run.tasks == dict.fromkeys(TASKS, "success")
    left = _names(store)
    assert left < before
    assert {little[0], little[1], little[29]} <= left
    gone = before - left
    assert not [key for key in _keys(store) if any(f"/{name}." in key for name in gone)]
    (done,) = run.xcom("prune_backups")
    assert done["deleted"] == len(gone)
    assert done["freed"] > 0


def test_a_run_with_nothing_to_let_go_of_is_green_and_remembered(store) -> None:
    _history(store, deployment="alpha", ages=[0, 1, 2])
    run = run_dag(ALPHA)
    assert run.state == "success", run.tasks
    assert run.tasks == dict.fromkeys(TASKS, "success")
    assert len(_names(store)) == 3
    assert run.xcom("prune_backups")[0]["deleted"] == 0
    assert len(prunings(store)) == 1, "that nothing was to go is known too"


def test_a_dry_run_shows_all_of_it_deletes_nothing_and_asks_nobody(store, little) -> None:
    before = {info.key for info in store.list("")}
    run = run_dag(ALPHA, {"dry_run": True})
    assert run.state == "success", run.tasks
    assert run.tasks["prune_backups"] == "skipped"
    assert _names(store) == set(little.values())
    assert not [key for key in {info.key for info in store.list("")} - before if not key.startswith("index/")]


def test_a_field_that_the_form_does_not_have_is_refused(store, little) -> None:
    run = run_dag(ALPHA, {"older_than": "1d"})
    assert run.state == "failed"
    assert _names(store) == set(little.values())


class TestWhereAPersonHasToAgree:
    @pytest.fixture
    def much(self, store) -> dict[int, str]:
        """Many fulls of one day: all but the first of them go at once."""
        now = system_clock()
        hours = [Time(now - timedelta(days=60, hours=hour)) for hour in range(6)]
        server = MemoryServer()
        server.fill("docs", 5)
        known = {"store_id": read_identity(store).store_id, "deployment": "alpha"}
        for number, clock in enumerate(reversed(hours)):
            done = capture(server, store, clock, run=f"hour-{number}", **known)
            verify_backup(store, done.folder, done.name, VerificationLevel.FULL, clock, token=tokens())
        return _history(store, deployment="alpha", ages=[0, 1, 2])

    def test_nothing_goes_before_another_person_approved_what_they_were_shown(self, store, much) -> None:
        before = _names(store)
        with answering(ALPHA, [DANA, KIM]) as questions:
            run = run_dag(ALPHA)
        assert run.state == "success", run.tasks
        assert len(questions) == 2, "who asked for it does not decide"
        gone = before - _names(store)
        assert len(gone) >= 3
        assert all(name in questions[0] for name in gone)
        assert "because" in questions[0]

    def test_a_rejection_is_green_and_deletes_nothing(self, store, much) -> None:
        before = _names(store)
        with answering(ALPHA, [Answer("kim", "Reject")]):
            run = run_dag(ALPHA)
        assert run.state == "success", run.tasks
        assert run.tasks["prune_backups"] == "skipped"
        assert _names(store) == before
        assert prunings(store) == ()

    def test_an_approval_that_was_only_marked_as_given_is_none(self, store, much, capsys) -> None:
        before = _names(store)
        run = run_dag(ALPHA, mark_success_pattern="approve")
        assert run.state == "failed"
        assert _names(store) == before
        assert "nobody's approval is recorded" in capsys.readouterr().out

    def test_what_was_agreed_to_and_is_stale_by_now_is_not_carried_out(self, store, much) -> None:
        before, tickets = _names(store), _planned("alpha")
        assert [ticket.asks for ticket in tickets] == [True]
        plan = frozen(store, tickets[0].plan_key)
        _pin(store, plan.delete[0].name)
        yes = {"chosen_options": ["Approve"], "responded_by_user": {"id": "kim", "name": "kim"}}
        with pytest.raises(StalePlan):
            _prune("alpha", tickets, yes)
        assert _names(store) == before


def test_a_stale_plan_that_nobody_was_asked_about_is_made_anew(store, little) -> None:
    before, tickets = _names(store), _planned("alpha")
    plan = frozen(store, tickets[0].plan_key)
    assert not plan.questions
    _pin(store, plan.delete[0].name)
    (done,) = _prune("alpha", tickets, None)
    assert done["plan_key"] != tickets[0].plan_key
    assert before - _names(store) == {one.name for one in plan.delete[1:]}


def test_only_what_was_verified_makes_a_run_and_every_deployment_has_its_own(alpha, store) -> None:
    fill(alpha, "docs", 20)
    before = asset_extras("alpha", "verified"), asset_extras("beta", "verified")
    assert run_dag("vectorizer_alpha_full_backup").state == "success"
    told = asset_extras("alpha", "verified")
    assert [one["backup"] for one in told[len(before[0]) :]] == [*_names(store)]
    assert asset_extras("beta", "verified") == before[1]


def test_two_deployments_are_pruned_each_by_itself(store, beta_store, little) -> None:
    _history(beta_store, deployment="beta", ages=[*range(40)])
    assert run_dag(ALPHA).state == "success"
    assert len(_names(beta_store)) == 40
    assert run_dag("vectorizer_beta_pruning").state == "success"
    assert len(_names(beta_store)) == len(_names(store))


def test_copies_are_pruned_after_the_primary(twin) -> None:
    made = _history(*twin, deployment="twin", ages=[*range(36)])
    run = run_dag(TWIN)
    assert run.state == "success", run.tasks
    assert [len(_names(one)) < len(made) for one in twin] == [True, True, True]
    assert _names(twin[0]) <= _names(twin[1]) == _names(twin[2])


def test_a_copy_that_is_gone_makes_the_run_red_and_what_waits_for_it_stays(twin, capsys) -> None:
    made = _history(*twin, deployment="twin", ages=[*range(36)])
    shutil.rmtree(HOME / "copies" / "second" / "twin")
    with answering(TWIN, [KIM]):
        run = run_dag(TWIN)
    assert run.state == "failed"
    assert run.tasks["confirm_pruning"] == "failed"
    assert made[0] in _names(twin[0])
    assert "cannot be used now: StoreNotInitialised" in capsys.readouterr().out


def test_without_the_primary_nothing_is_pruned(twin, capsys) -> None:
    made = _history(*twin, deployment="twin", ages=[*range(36)])
    shutil.rmtree(HOME / "backups" / "twin")
    run = run_dag(TWIN)
    assert run.state == "failed"
    assert _names(twin[1]) == set(made.values())
    assert "nothing was pruned: plan_pruning failed" in capsys.readouterr().out


def _planned(deployment: str) -> list[PruningTicket]:
    """Plan as the first task does."""
    operator = PlanPruningOperator(task_id="plan_pruning", deployment=deployments().deployments[deployment])
    context = {
        "dag": SimpleNamespace(params={}, dag_id="x"),
        "dag_run": RUN,
        "params": {"dry_run": False},
    }
    return [PruningTicket.model_validate(one) for one in operator.execute(context)]


def _prune(deployment: str, tickets: list[PruningTicket], approval: dict | None) -> list[dict]:
    """Prune as the third task does, after whatever happened meanwhile."""
    operator = PruneBackupsOperator(
        task_id="prune_backups",
        deployment=deployments().deployments[deployment],
        tickets=[ticket.model_dump(mode="json") for ticket in tickets],
        approval=approval,
    )
    return operator.execute({"dag_run": RUN})


def _pin(store, name: str) -> None:
    until = system_clock() + timedelta(days=30)
    backup = Catalog(store, system_clock).find(name)
    pin_backup(store, backup, until=until, why="audit", by="kim", clock=system_clock, token=tokens())
