"""The server, the DAGs and the time a restore takes; and what mends itself."""

from __future__ import annotations

import pytest

from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.judging import judge
from tests.freshness.sightings import (
    MILLION,
    NOW,
    ago,
    backup,
    concerns,
    dag,
    days,
    deployment,
    gone,
    only,
    place,
    restore,
    server,
    sighting,
    silent_server,
)

NO_RUN = ConcernKind.NO_RUN


def test_a_server_that_does_not_answer_is_told_after_a_while_with_what_could_be_restored():
    found = only(ConcernKind.SERVER_UNREACHABLE, concerns(sighting(server=silent_server("no route."))))
    assert found.severity is Severity.WARNING
    assert found.grace_seconds == 600
    assert found.found == "The server http://vectors:15002 gives no answer: no route."
    assert "backup-20261126-0200 of 2026-11-26 02:00:00Z" in found.remedy
    assert "'vectorizer_default'" in found.remedy


def test_a_server_that_loads_is_given_the_time_that_loading_takes():
    found = only(ConcernKind.SERVER_LOADING, concerns(sighting(server=server(vectors=10, loading=("it started",)))))
    assert found.grace_seconds == pytest.approx(15 * 60 + MILLION / 300), "as much as the newest backup holds"
    assert "it started" in found.found
    patient = deployment(server={"url": "http://vectors:15002", "patience": "2h"})
    assert concerns(sighting(server=server(loading=("it started",))), patient)[0].grace_seconds == 7200


@pytest.mark.parametrize("way", [1, -1])
def test_the_servers_clock_is_noted_from_a_minute_and_told_from_five(way):
    def clock(seconds: float):
        return concerns(sighting(server=server(clock_ahead=way * seconds)))

    assert clock(60) == ()
    assert only(ConcernKind.CLOCKS_APART, clock(61), "server").severity is Severity.NOTE
    assert only(ConcernKind.CLOCKS_APART, clock(300), "server").severity is Severity.NOTE
    assert only(ConcernKind.CLOCKS_APART, clock(301), "server").severity is Severity.WARNING
    assert concerns(sighting(server=server(clock_ahead=None))) == ()


def of_dag(*, backups=(), **changes):
    """What is said of a DAG where no backup was made today."""
    return concerns(sighting(place(backups=(*backups, *days()[1:])), dags=(dag(**changes),)), deployment(rpo="48h"))


def test_a_dag_at_work_is_no_concern():
    assert of_dag() == ()


def test_a_dag_that_airflow_does_not_have_is_told_when_it_had_the_time_to_read_the_file():
    found = only(ConcernKind.DAG_MISSING, of_dag(known=False, paused=True, made=False), "full_backup")
    assert found.severity is Severity.WARNING
    assert found.grace_seconds == 900
    assert "vectorizer_production_full_backup" in found.found
    assert "import errors" in found.remedy


def test_a_paused_dag_is_told_once_and_not_for_its_missing_runs_too():
    found = only(ConcernKind.DAG_PAUSED, of_dag(paused=True, made=False), "full_backup")
    assert found.severity is Severity.WARNING
    assert found.grace_seconds == 3600
    assert "airflow dags unpause vectorizer_production_full_backup" in found.remedy


@pytest.mark.parametrize("purpose", ["after_restore", "pruning"])
def test_what_only_tidies_up_is_worth_a_note(purpose):
    assert only(ConcernKind.DAG_PAUSED, of_dag(purpose=purpose, paused=True), purpose).severity == "note"


def test_a_run_that_was_not_made_is_told_some_minutes_after_it_was_due():
    assert of_dag(made=False, due=ago(minutes=10)) == ()
    found = only(NO_RUN, of_dag(made=False, due=ago(minutes=10, seconds=1)), "full_backup")
    assert found.severity is Severity.WARNING
    assert found.since == ago(minutes=10, seconds=1)
    assert "was due at 2026-11-26 11:49:59Z" in found.found


def test_a_run_that_is_under_way_was_made():
    assert of_dag(made=True, due=ago(hours=9)) == ()


def test_a_dag_without_schedule_is_never_due():
    assert of_dag(made=False, due=None) == ()


def test_a_backup_made_since_by_hand_is_as_good_as_the_run():
    assert of_dag(made=False, due=ago(hours=5), backups=(backup(ago(hours=4)),)) == ()
    only(NO_RUN, of_dag(made=False, due=ago(hours=5), backups=(backup(ago(hours=6)),)), "full_backup")
    still = of_dag(purpose="verification", made=False, due=ago(hours=5), backups=(backup(ago(hours=4)),))
    only(NO_RUN, still, "verification")


def test_nothing_was_due_before_there_was_a_store():
    seen = sighting(place(created_at=ago(hours=10), backups=()), dags=(dag(made=False),))
    assert [one.kind for one in concerns(seen)] == [ConcernKind.RECOVERY_POINT_OLD]
    earlier = sighting(place(created_at=ago(hours=11), backups=()), dags=(dag(made=False),))
    assert NO_RUN in [one.kind for one in concerns(earlier)]
    silent = sighting(gone(), dags=(dag(made=False),))
    assert NO_RUN not in [one.kind for one in concerns(silent)]


SLOW = ConcernKind.RESTORE_TOO_SLOW


def test_a_restore_that_would_take_longer_than_promised_is_told_with_the_rate_it_is_reckoned_with():
    def holding(vectors: int, *restores):
        return sighting(place(backups=days(vectors=vectors)), restores=restores)

    assert concerns(holding(300 * 4 * 3600)) == ()
    found = only(SLOW, concerns(holding(300 * 4 * 3600 + 1)))
    assert found.severity is Severity.WARNING
    assert "300 vectors a second, what servers usually take" in found.found
    assert "4 h is promised" in found.found
    assert "`rto: 5h`" in found.remedy
    assert concerns(holding(400 * 4 * 3600, restore(rate=400.0))) == ()
    assert "400 vectors a second, measured here" in only(SLOW, concerns(holding(400 * 4 * 3600 + 1, restore()))).found


def test_where_there_is_nothing_to_restore_no_time_is_promised():
    seen = sighting(place(backups=(), created_at=NOW))
    assert judge(deployment(), seen).protection.rto_forecast is None
    assert SLOW not in [one.kind for one in concerns(seen)]


def test_the_worst_stands_first():
    seen = sighting(
        place(backups=days()[3:], clock_ahead=100.0), server=server(clock_ahead=100.0), dags=(dag(paused=True),)
    )
    found = judge(deployment(), seen)
    assert [one.severity.rank for one in found.concerns] == sorted(
        (one.severity.rank for one in found.concerns), reverse=True
    )
    assert found.worst is Severity.CRITICAL
    assert not found.well
