"""What is told once, what explains what, and when something is over."""

from datetime import timedelta

import pytest

from backup_engine.alerts.causes import explained_by
from backup_engine.alerts.incidents import FORGOTTEN, reconcile, troubles
from backup_engine.alerts.ledger import Ledger
from backup_engine.freshness.concerns import ConcernKind, Severity
from tests.alerts.looks import BEGIN, CRITICAL, LOOK, NOTE, REMIND, WARNING, Watcher, concern

K = ConcernKind
HOUR = timedelta(hours=1)
DOWN = concern(K.SERVER_UNREACHABLE, CRITICAL, grace_seconds=600)
FAILED = concern(K.RUN_FAILED, WARNING, "full_backup", since=BEGIN)
OLD = concern(K.RECOVERY_POINT_OLD, CRITICAL)


def test_what_is_wrong_is_told_once_again_after_a_day_and_when_it_is_over() -> None:
    watcher = Watcher()
    assert watcher.look(OLD) == ["raised: recovery-point-old"]
    for _ in range(20):
        assert watcher.look(OLD) == []
    assert watcher.look(OLD, after=REMIND) == ["reminder: recovery-point-old"]
    assert watcher.look() == ["recovered: recovery-point-old"]
    assert watcher.look() == []


def test_only_what_is_worse_than_the_worst_that_was_told_is_told_again() -> None:
    watcher = Watcher()
    bad, worse = (concern(K.VERIFICATION_OLD, severity) for severity in (WARNING, CRITICAL))
    assert watcher.look(bad) == ["raised: verification-old"]
    assert watcher.look(worse) == ["worse: verification-old"]
    assert watcher.look(bad) == []
    assert watcher.look(worse) == []
    watcher.look()
    assert watcher.heard[-1][3] is CRITICAL, "its end is told to those who were told of the worst of it"


def test_a_note_is_told_to_nobody_and_what_becomes_one_is_not_over() -> None:
    watcher = Watcher()
    rare, note = (concern(K.SCHEDULE_TOO_RARE, severity) for severity in (WARNING, NOTE))
    assert watcher.look(note, after=REMIND) == []
    assert watcher.ledger == Ledger()
    assert watcher.look(rare) == ["raised: schedule-too-rare"]
    for _ in range(3):
        assert watcher.look(note, after=HOUR) == []
        assert troubles(watcher.ledger, watcher.now) == ()
        assert watcher.look(rare, after=HOUR) == []
    assert watcher.look(note, after=REMIND) == []
    assert watcher.look() == ["recovered: schedule-too-rare"]


def test_what_mends_itself_soon_wakes_nobody_unless_it_comes_again_and_again() -> None:
    watcher = Watcher()
    for _ in range(5):
        assert watcher.look(DOWN) == []
        assert troubles(watcher.ledger, watcher.now) == (), "it does not stop the heartbeat either"
        assert watcher.look() == []
    assert watcher.look(DOWN) == ["raised: server-unreachable"]
    patient = Watcher()
    assert patient.look(DOWN) == []
    assert patient.look(DOWN) == []
    assert patient.look(DOWN) == ["raised: server-unreachable"]
    assert [one.concern for one in troubles(patient.ledger, patient.now)] == [DOWN]


def test_what_comes_and_goes_does_not_make_a_storm() -> None:
    watcher = Watcher()
    for _ in range(288):
        watcher.look(OLD)
        watcher.look()
    told = [occasion.value for _, occasion, _, _ in watcher.heard]
    assert told[:3] == ["raised", "recovered", "raised"]
    assert told[3:] == ["reminder"], "two days long"
    assert watcher.look(after=timedelta(hours=2)) == ["recovered: recovery-point-old"]


def test_what_explains_a_concern_is_told_instead_of_it_and_what_stays_afterwards_is_told() -> None:
    watcher = Watcher()
    late = concern(K.RUN_LATE, WARNING, "full_backup")
    for _ in range(3):
        watcher.look(DOWN)
    assert watcher.runs(FAILED) == []
    assert watcher.runs(late) == []
    assert watcher.look() == ["raised: run-failed:full_backup", "recovered: server-unreachable"]
    assert watcher.settles("full_backup") == ["recovered: run-failed:full_backup"]


def test_a_cause_that_waits_for_its_grace_keeps_its_consequences_back_as_long() -> None:
    watcher = Watcher()
    assert watcher.look(DOWN, OLD) == []
    assert watcher.look(DOWN, OLD) == []
    assert watcher.look(DOWN, OLD) == ["raised: server-unreachable"]
    assert watcher.look(OLD) == ["raised: recovery-point-old", "recovered: server-unreachable"]


def test_a_run_that_failed_is_told_although_its_cause_may_still_mend_itself() -> None:
    watcher = Watcher()
    assert watcher.look(DOWN) == []
    assert watcher.runs(FAILED) == ["raised: run-failed:full_backup"]


def test_a_consequence_that_is_worse_than_its_cause_is_told() -> None:
    watcher = Watcher()
    assert watcher.runs(FAILED) == ["raised: run-failed:full_backup"]
    assert watcher.look(concern(K.RECOVERY_POINT_OLD, WARNING)) == []
    assert watcher.look(OLD) == ["raised: recovery-point-old"]


@pytest.mark.parametrize(
    ("told", "hiding"),
    [
        (OLD, concern(K.STORE_UNREACHABLE, CRITICAL)),
        (OLD, concern(K.NOT_JUDGED, CRITICAL)),
        (OLD, concern(K.DEPLOYMENT_INVALID, CRITICAL)),
        (concern(K.NO_RUN, WARNING, "sync"), concern(K.DAG_PAUSED, WARNING, "sync")),
        (concern(K.COPY_BEHIND, WARNING, "s3://b/x"), concern(K.COPY_UNREACHABLE, WARNING, "s3://b/x")),
        (concern(K.QUARANTINED, WARNING, "s3://b/x"), concern(K.COPY_UNREACHABLE, WARNING, "s3://b/x")),
        (concern(K.PRUNING_OLD, WARNING), concern(K.STORE_UNREACHABLE, WARNING)),
    ],
)
def test_what_cannot_be_seen_is_not_said_to_be_over(told, hiding) -> None:
    watcher = Watcher()
    watcher.look(told)
    assert watcher.look(hiding) == [f"raised: {hiding.key}"]
    assert watcher.look(told, hiding) == []
    assert watcher.look(told) == [f"recovered: {hiding.key}"]
    assert watcher.look() == [f"recovered: {told.key}"]


@pytest.mark.parametrize("cause", [K.RUN_FAILED, K.RUN_LATE, K.DAG_MISSING, K.NO_RUN])
def test_that_nothing_is_pruned_is_not_told_beside_what_pruning_said_of_itself(cause) -> None:
    watcher = Watcher()
    found = concern(cause, WARNING, "pruning")
    assert watcher.look(found, concern(K.PRUNING_OLD, WARNING)) == [f"raised: {cause}:pruning"]
    assert watcher.look(concern(K.PRUNING_OLD, WARNING), found) == []


def test_a_paused_pruning_alone_is_a_note_and_what_comes_of_it_is_told() -> None:
    watcher = Watcher()
    found = concern(K.DAG_PAUSED, NOTE, "pruning")
    assert watcher.look(found) == []
    assert watcher.look(found, concern(K.PRUNING_OLD, WARNING)) == ["raised: pruning-old"]


def test_another_copys_trouble_hides_and_explains_nothing() -> None:
    watcher = Watcher()
    behind, gone = concern(K.COPY_BEHIND, WARNING, "s3://b/x"), concern(K.COPY_UNREACHABLE, WARNING, "s3://b/y")
    assert watcher.look(behind, gone) == ["raised: copy-behind:s3://b/x", "raised: copy-unreachable:s3://b/y"]
    assert watcher.look(gone) == ["recovered: copy-behind:s3://b/x"]


def test_no_look_ends_what_a_run_said_but_a_newer_fresh_backup_does() -> None:
    watcher = Watcher()
    assert watcher.runs(FAILED) == ["raised: run-failed:full_backup"]
    assert watcher.look(fresh_at=BEGIN - HOUR) == []
    assert watcher.look(fresh_at=BEGIN) == []
    assert watcher.look(fresh_at=BEGIN + HOUR) == ["recovered: run-failed:full_backup"]
    watcher.runs(concern(K.RUN_FAILED, WARNING, "sync", since=BEGIN))
    assert watcher.look(fresh_at=BEGIN + 2 * HOUR) == []
    assert watcher.settles("full_backup") == []
    assert watcher.settles("sync") == ["recovered: run-failed:sync"]


def test_a_failed_full_is_made_good_by_a_full_only_and_a_failed_incremental_by_either() -> None:
    watcher = Watcher()
    watcher.runs(FAILED)
    watcher.runs(concern(K.RUN_FAILED, WARNING, "incremental_backup", since=BEGIN))
    later, full = BEGIN + HOUR / 6, BEGIN - HOUR
    assert watcher.look(fresh_at=later, fresh_full_at=full) == ["recovered: run-failed:incremental_backup"]
    assert watcher.look(fresh_at=BEGIN + HOUR, fresh_full_at=full) == []
    assert watcher.look(fresh_at=BEGIN + HOUR, fresh_full_at=BEGIN + HOUR) == ["recovered: run-failed:full_backup"]


def test_a_failure_that_follows_another_is_the_same_incident_and_its_last_counts() -> None:
    watcher = Watcher(now=BEGIN + HOUR)
    watcher.runs(FAILED)
    again = concern(K.RUN_FAILED, WARNING, "full_backup", since=BEGIN + HOUR)
    assert watcher.runs(again) == []
    assert watcher.look(fresh_at=BEGIN + HOUR / 2) == []
    assert watcher.ledger.open[0].since == BEGIN


def test_a_failed_restore_is_forgotten_quietly() -> None:
    watcher = Watcher()
    watcher.runs(concern(K.RUN_FAILED, CRITICAL, "restore", since=BEGIN))
    assert troubles(watcher.ledger, watcher.now) == (), "else the heartbeat would be silent for a week"
    for day in range(1, 7):
        assert watcher.look(after=timedelta(days=1)) == ["reminder: run-failed:restore"], day
    assert watcher.look(after=timedelta(days=1)) == []
    assert watcher.now - BEGIN >= FORGOTTEN
    assert watcher.ledger.open == ()


def test_what_a_channel_is_owed_is_told_at_each_look_until_nobody_is() -> None:
    watcher = Watcher()
    watcher.look(OLD)
    for _ in range(3):
        decision = reconcile(watcher.ledger, [OLD], watcher.now, remind=REMIND)
        watcher.owes(decision.told or reconcile(Ledger(), [OLD], watcher.now, remind=REMIND).told, "mail")
        assert watcher.look(OLD) == ["raised: recovery-point-old"]
    watcher.owes(reconcile(watcher.ledger, [OLD], watcher.now, remind=REMIND).told)
    assert watcher.look(OLD) == []


def test_a_channel_that_is_owed_the_end_hears_it_later_and_not_for_ever() -> None:
    watcher = Watcher()
    watcher.look(OLD)
    decision = reconcile(watcher.ledger, [], watcher.now, remind=REMIND)
    watcher.ledger = decision.ledger
    watcher.owes(decision.told, "mail")
    assert watcher.look() == ["recovered: recovery-point-old"]
    assert watcher.look(after=FORGOTTEN) in ([], ["recovered: recovery-point-old"])
    assert watcher.look() == []
    assert watcher.ledger == Ledger()


def test_explanations_do_not_go_round_in_circles() -> None:
    def below(kind: ConcernKind, path: tuple[ConcernKind, ...]) -> None:
        assert kind not in path, path
        for cause in explained_by(concern(kind, subject="full_backup")):
            below(cause.kind, (*path, kind))

    for kind in ConcernKind:
        below(kind, ())


def test_counts_and_measures_are_left_as_they_are() -> None:
    ledger = Ledger(failures={"sync": 3}, red={"sync": ("a",)})
    decision = reconcile(ledger, [OLD], BEGIN + LOOK, remind=REMIND)
    assert (decision.ledger.failures, decision.ledger.red) == (ledger.failures, ledger.red)


def test_the_worst_is_told_first_and_good_news_last() -> None:
    watcher = Watcher()
    watcher.look(concern(K.COPY_BEHIND, Severity.CRITICAL, "x"))
    told = watcher.look(concern(K.STORE_GREW), concern(K.CLOCKS_APART, CRITICAL, "server"))
    assert told == ["raised: clocks-apart:server", "raised: store-grew", "recovered: copy-behind:x"]
