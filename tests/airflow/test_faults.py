"""A full backup as a DAG run while the server fails: tried again where that helps, and never a backup that is short."""

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.vectorizer.server import connect
from sandbox.rules import Rule
from tests.airflow.places import fill, running_sandbox
from tests.airflow.runs import run_dag
from tests.engine.captures import only_backup

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

DAG_ID = "vectorizer_alpha_full_backup"
SCROLL = "/points/scroll$"
RECORDS = {"docs": 300, "images": 200}


@pytest.fixture
def shaky(tmp_path):
    """The server behind connection alpha, with faults on demand."""
    with running_sandbox(tmp_path / "shaky", "alpha", faults=True) as sandbox:
        server = connect(sandbox.url)
        for name, records in RECORDS.items():
            fill(server, name, records)
        server.flush()
        sandbox.clear()
        yield sandbox


@pytest.mark.parametrize(
    "rules",
    [
        [Rule(what="500", path=SCROLL, nth=1), Rule(what="429", path="/graphql$", nth=2, retry_after=1)],
        [Rule(what="cut", path=SCROLL, nth=1, size=2000)],
        [Rule(what="drop", path=SCROLL, nth=2)],
        [Rule(what="restart", path=SCROLL, nth=2, down=3)],
        [Rule(what="restart", path=SCROLL, nth=1, orderly=False, down=3)],
    ],
    ids=["500 and 429", "cut", "dropped", "restarted", "killed and started again"],
)
def test_a_backup_comes_through_what_passes(shaky, store, rules, capsys) -> None:
    shaky.place(*rules)
    run = run_dag(DAG_ID, retries=3)
    assert all(shaky.applied()), "the fault was met"
    assert run.state == "success", run.tasks
    backup = only_backup(store, system_clock)
    assert backup.state is BackupState.GOOD
    assert backup.verified_at is not None
    held = {private.name: summary.vectors for summary, private in backup.manifest.each()}
    assert held == RECORDS


def test_a_server_that_fails_for_good_makes_the_run_red_and_leaves_no_backup(shaky, store, capsys) -> None:
    shaky.place(Rule(what="500", path=SCROLL))
    run = run_dag(DAG_ID)
    assert run.state == "failed"
    assert Catalog(store, system_clock).backups() == ()
    said = capsys.readouterr().out
    assert "'docs': POST" in said
    assert "the server answered 500" in said
    assert "not a single record could be read" in said
