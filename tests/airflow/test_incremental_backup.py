"""An incremental as a DAG run: what it stores and says, to whom it gives way, and what it is worth on the day."""

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupKind, Content
from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from tests.airflow.places import connected, content, fill
from tests.airflow.runs import asset_extras, at_work, run_dag, running
from tests.engine.captures import only_backup
from tests.engine.samples import some_records

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("airflow_database")]

FULL = "vectorizer_alpha_full_backup"
DAG_ID = "vectorizer_alpha_incremental_backup"
HASTY = "vectorizer_hasty_incremental_backup"
CONFIRM = "confirm_recovery_point"
MINUTE = timedelta(minutes=1)


def _catalog(store):
    return {backup.kind: backup for backup in Catalog(store, system_clock).backups()}


def test_what_changed_is_stored_and_read_back_and_a_moment_before_it_can_be_restored(alpha, store, beta) -> None:
    for name in ("docs", "images"):
        fill(alpha, name, 120)
    assert run_dag(FULL).state == "success"
    before, moment = content(alpha, "docs"), system_clock()
    alpha.upsert("docs", some_records(range(110, 130), seed=9))
    alpha.delete_records("docs", [next(iter(before))])
    after = content(alpha, "docs")
    with running(FULL):
        run = run_dag(DAG_ID)
    assert run.state == "success", run.tasks
    assert set(run.tasks.values()) == {"success"}
    made = _catalog(store)[BackupKind.INCREMENTAL]
    assert made.verified_at is not None
    contents = {private.name: summary.content for summary, private in made.manifest.each()}
    assert contents == {"docs": Content.DELTA, "images": Content.SAME}
    facts = run.xcom("commit_backup")
    assert facts == asset_extras("alpha")[-1]
    assert (facts["kind"], facts["vectors"], facts["stored"]) == ("incremental", 120 + len(after), 20)

    for point, name, expected in ((moment.isoformat(), "then", before), ("latest", "now", after)):
        renamed = [f"docs=docs-{name}", f"images=images-{name}"]
        conf = {"restore_point": point, "target": "beta", "rename": renamed, "dry_run": False}
        restored = run_dag("vectorizer_alpha_restore", conf)
        assert restored.state == "success", restored.tasks
        assert content(beta, f"docs-{name}") == expected
        assert len(content(beta, f"images-{name}")) == 120


def test_the_recovery_point_reached_and_the_measured_rpo_are_told(alpha, store) -> None:
    fill(alpha, "docs", 30)
    first = run_dag(FULL).xcom("commit_backup")
    assert (first["recovery_point"], first["rpo_measured"]) == (first["started_at"], None)
    facts = run_dag(DAG_ID).xcom("commit_backup")
    backups = _catalog(store)
    earlier, made = backups[BackupKind.FULL], backups[BackupKind.INCREMENTAL]
    assert facts["recovery_point"] == facts["started_at"]
    assert facts["rpo_measured"] == pytest.approx((made.captured_at - earlier.started_at).total_seconds())


def test_with_nothing_to_build_on_it_is_a_full_and_says_why(alpha, store) -> None:
    fill(alpha, "docs", 30)
    run = run_dag(DAG_ID)
    assert run.state == "success", run.tasks
    assert only_backup(store, system_clock).kind is BackupKind.FULL
    said, *_ = run.xcom("commit_backup")["remarks"]
    assert said == "an incremental was asked for, and this is a full"


def test_a_dead_server_makes_the_run_red(hasty_store, capsys) -> None:
    with connected("hasty", "http://127.0.0.1:9"):
        run = run_dag(HASTY)
    assert (run.state, run.tasks[CONFIRM]) == ("failed", "failed")
    assert "this run made no backup: wait_until_loaded failed" in capsys.readouterr().out


@pytest.mark.parametrize("scheduled", [True, False])
def test_while_an_earlier_one_is_at_work_it_ends_skipped_and_green(alpha, store, scheduled) -> None:
    fill(alpha, "docs", 30)
    assert run_dag(FULL).state == "success"
    now = system_clock()
    earlier = now - 10 * MINUTE if scheduled else None
    with at_work(DAG_ID, earlier, export_collections="running"):
        run = run_dag(DAG_ID, logical_date=now if scheduled else None)
    assert run.state == "success"
    assert set(run.tasks.values()) == {"skipped"}
    only_backup(store, system_clock)


def test_of_two_that_begin_together_the_earlier_goes_on(alpha, store) -> None:
    fill(alpha, "docs", 30)
    assert run_dag(FULL).state == "success"
    now = system_clock()
    with at_work(DAG_ID, now):
        later, earlier = (run_dag(DAG_ID, logical_date=now + by * MINUTE) for by in (1, -1))
    assert set(later.tasks.values()) == {"skipped"}
    assert set(earlier.tasks.values()) == {"success"}


def test_a_run_that_only_copies_is_in_nobodys_way(alpha, store) -> None:
    fill(alpha, "docs", 30)
    now = system_clock()
    with at_work(DAG_ID, now - 10 * MINUTE, verify_backup="success", confirm_recovery_point="running"):
        run = run_dag(DAG_ID, logical_date=now)
    assert set(run.tasks.values()) == {"success"}


def test_giving_way_is_red_once_the_recovery_point_is_older_than_promised(alpha, store, capsys) -> None:
    fill(alpha, "docs", 30)
    with at_work(DAG_ID, None, export_collections="running"):
        run = run_dag(DAG_ID)
    assert (run.state, run.tasks[CONFIRM]) == ("failed", "failed")
    assert set(run.tasks.values()) == {"skipped", "failed"}
    said = capsys.readouterr().out
    assert "this run gave way (another run still makes its backup), and " in said
    assert "holds no recovery point; at most 1 h is promised" in said
