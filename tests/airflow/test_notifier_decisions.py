"""What a run's end is called, who hears of it, and what is remembered: decided without anybody being asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backup_engine.alerts.alert import Occasion, Told
from backup_engine.alerts.incidents import raise_event, reconcile, settle
from backup_engine.alerts.ledger import Incident, Ledger
from backup_engine.alerts.settings import AlertSettings, WebhookChannel
from backup_engine.deployments import Loaded, read_deployments
from backup_engine.errors import (
    CopyMissing,
    NoGoodBackup,
    PartialBackup,
    RestoreRefused,
    RestoreRejected,
    SuspectBackup,
    VerificationFailed,
)
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from vectorizer_backup.dag_defaults import AFTER_RESTORE, FULL_BACKUP, PURPOSES, RESTORE, SYNC, VERIFICATION
from vectorizer_backup.notifications.events import failure, lateness, settles, silent_failure, waiting_for
from vectorizer_backup.notifications.memory import merged
from vectorizer_backup.notifications.runs import counted
from vectorizer_backup.notifications.telling import audiences, channels_of, untold

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
RUN = {
    "dag_id": "vectorizer_alpha_full_backup",
    "dag_run_id": "scheduled__2026-11-22",
    "queued_at": "2026-11-22T02:00:00Z",
    "end_date": None,
    "state": "running",
}


class TestTheNameOfAnEnd:
    @pytest.mark.parametrize(
        ("purpose", "exception", "kind", "severity"),
        [
            (FULL_BACKUP, NoGoodBackup("this run made no backup"), ConcernKind.RUN_FAILED, Severity.WARNING),
            (FULL_BACKUP, PartialBackup("it is partial"), ConcernKind.BACKUP_PARTIAL, Severity.WARNING),
            (FULL_BACKUP, SuspectBackup("it is suspect"), ConcernKind.BACKUP_SUSPECT, Severity.WARNING),
            (FULL_BACKUP, CopyMissing("not in a copy"), ConcernKind.RUN_FAILED, Severity.WARNING),
            (VERIFICATION, VerificationFailed("a flipped bit"), ConcernKind.RUN_FAILED, Severity.WARNING),
            (SYNC, CopyMissing("still missing"), ConcernKind.RUN_FAILED, Severity.WARNING),
            (AFTER_RESTORE, RestoreRefused("not done"), ConcernKind.RUN_FAILED, Severity.WARNING),
            (RESTORE, RestoreRefused("not finished"), ConcernKind.RUN_FAILED, Severity.CRITICAL),
            (RESTORE, RestoreRejected("somebody rejected it"), ConcernKind.RUN_FAILED, Severity.NOTE),
        ],
    )
    def test_each_end_has_its_kind_and_weight_and_speaks_in_its_own_words(self, purpose, exception, kind, severity):
        concern = failure("alpha", purpose, exception, NOW)
        assert (concern.kind, concern.severity, concern.subject) == (kind, severity, purpose)
        assert concern.found == str(exception)
        assert concern.since == NOW

    @pytest.mark.parametrize("purpose", PURPOSES)
    @pytest.mark.parametrize("exception", [None, "", "killed", KeyError("x"), RuntimeError(), NoGoodBackup("n")])
    def test_whatever_ended_it_there_is_something_to_say_at_risk_and_to_do(self, purpose, exception):
        concern = failure("alpha", purpose, exception, NOW)
        assert concern.found
        assert concern.risk
        assert concern.remedy

    def test_errors_that_are_not_ours_are_named(self):
        assert failure("alpha", FULL_BACKUP, KeyError("x"), NOW).found == "KeyError: 'x'"

    def test_a_missing_copy_does_not_sound_like_a_missing_backup(self):
        concern = failure("alpha", FULL_BACKUP, CopyMissing("not in s3://b"), NOW)
        assert "cannot be restored" not in concern.risk
        assert "vectorizer_alpha_sync" in concern.remedy

    def test_endless_words_are_cut(self):
        assert len(failure("alpha", FULL_BACKUP, NoGoodBackup("x" * 100_000), NOW).found) < 3000

    def test_a_run_that_ended_without_a_word_names_itself_and_when(self):
        concern = silent_failure("alpha", FULL_BACKUP, {**RUN, "end_date": "2026-11-23T00:00:00Z"}, NOW)
        assert "scheduled__2026-11-22" in concern.found
        assert "2026-11-23 00:00:00Z" in concern.found
        assert concern.since == datetime(2026, 11, 23, tzinfo=UTC)


class TestLateness:
    def test_it_says_how_late_what_is_allowed_and_what_is_waited_for(self):
        deadline = NOW - timedelta(seconds=30)
        concern = lateness("alpha", FULL_BACKUP, RUN, deadline, NOW, "export_collections is at work.")
        assert concern.kind is ConcernKind.RUN_LATE
        assert "has not ended after 1 d (23 h 59 min are allowed)" in concern.found
        assert concern.found.endswith("export_collections is at work.")
        assert concern.since == deadline

    def test_a_restore_that_takes_longer_than_promised_breaks_a_promise(self):
        assert lateness("alpha", RESTORE, RUN, NOW, NOW, "").severity is Severity.CRITICAL
        assert lateness("alpha", VERIFICATION, RUN, NOW, NOW, "").severity is Severity.WARNING

    def test_a_run_without_a_time_of_queueing_is_late_too(self):
        assert "it should have by" in lateness("alpha", RESTORE, {**RUN, "queued_at": None}, NOW, NOW, "").found

    @pytest.mark.parametrize(
        ("state", "tasks", "words"),
        [
            ("queued", {}, "It has not begun"),
            ("running", {"approve": "awaiting_input"}, "approve waits for somebody's decision"),
            ("running", {"plan": "success", "export_0": "running"}, "export_0 is at work"),
            ("running", {"plan": "queued"}, "plan waits for a free worker"),
            ("running", {"plan": "scheduled"}, "plan waits for a free place in its pool"),
            ("running", {"wait_until_loaded": "up_for_reschedule"}, "wait_until_loaded waits for what it needs"),
            ("running", {"plan": "up_for_retry"}, "plan failed and waits to be tried again"),
            ("running", {"plan": "success"}, "None of its tasks is at work"),
            ("running", {}, "None of its tasks is at work"),
        ],
    )
    def test_what_it_waits_for_is_read_from_its_tasks(self, state, tasks, words):
        assert words in waiting_for(state, tasks)

    def test_what_a_person_can_do_something_about_comes_first(self):
        said = waiting_for("running", {"a": "running", "approve": "awaiting_input"})
        assert said.index("approve") < said.index("a is at work")


@pytest.mark.parametrize(
    ("purpose", "params", "settled"),
    [
        (FULL_BACKUP, {"collections": [], "label": "x"}, True),
        (FULL_BACKUP, {"collections": None}, True),
        (FULL_BACKUP, {"collections": ["docs"]}, False),
        (VERIFICATION, {"backups": [], "count": 4}, True),
        (VERIFICATION, {"backups": ["latest"]}, False),
        (VERIFICATION, {"backups": [], "stores": ["s3://b"]}, False),
        (RESTORE, {"dry_run": False}, True),
        (RESTORE, {"dry_run": True}, False),
        (SYNC, {"dry_run": True}, False),
        (SYNC, {"dry_run": False}, True),
        (AFTER_RESTORE, {"action": "due"}, True),
        (AFTER_RESTORE, {"action": "undo"}, False),
    ],
)
def test_a_green_run_that_did_less_than_usual_proves_nothing(purpose, params, settled):
    assert settles(purpose, params) is settled


class TestWhoHears:
    LOUD = WebhookChannel(kind="webhook", connection="loud")
    GRAVE = WebhookChannel(kind="webhook", connection="grave", severity=Severity.CRITICAL)

    @staticmethod
    def told(severity=Severity.WARNING, occasion=Occasion.RAISED, kind=ConcernKind.RUN_FAILED):
        concern = Concern(kind=kind, severity=severity, subject=FULL_BACKUP, found="it failed")
        return Told(occasion=occasion, concern=concern, since=NOW)

    def test_a_channel_hears_nothing_below_its_severity(self):
        warning, critical = self.told(), self.told(Severity.CRITICAL, kind=ConcernKind.RUN_LATE)
        heard = audiences([critical, warning], {"loud": self.LOUD, "grave": self.GRAVE}, Ledger())
        assert heard == {(critical, warning): {"loud": self.LOUD}, (critical,): {"grave": self.GRAVE}}

    def test_where_nobody_listens_to_so_little_nobody_is_called(self):
        assert audiences([self.told()], {"grave": self.GRAVE}, Ledger()) == {}

    @pytest.mark.parametrize(
        ("occasion", "state"),
        [
            (Occasion.RAISED, {"told": Severity.WARNING}),
            (Occasion.RECOVERED, {"over": NOW}),
        ],
    )
    def test_what_one_channel_is_owed_the_others_do_not_hear_again(self, occasion, state):
        one = self.told(occasion=occasion)
        seen = Ledger(incidents={one.concern.key: Incident(concern=one.concern, since=NOW, owed=("loud",), **state)})
        channels = {"loud": self.LOUD, "other": self.LOUD}
        assert audiences([one], channels, seen) == {(one,): {"loud": self.LOUD}}

    @pytest.mark.parametrize("occasion", [Occasion.WORSE, Occasion.REMINDER, Occasion.RECOVERED])
    def test_what_is_news_to_all_all_hear_whoever_was_owed_what(self, occasion):
        one = self.told(occasion=occasion)
        before = Incident(concern=one.concern, since=NOW, told=Severity.WARNING, owed=("loud",))
        channels = {"loud": self.LOUD, "other": self.LOUD}
        assert audiences([one], channels, Ledger(incidents={one.concern.key: before})) == {(one,): channels}

    def test_a_deployment_names_its_channels_and_one_that_is_unknown_has_all(self):
        text = """
            alerts: {channels: {a: {kind: webhook, connection: a}, b: {kind: webhook, connection: b}}}
            deployments:
              alpha:
                tier: production
                server: {url: "http://alpha:15002"}
                store: file:///backups
                alerts: [b]
            """
        loaded = read_deployments(text)
        assert list(channels_of("alpha", loaded)) == ["b"]
        assert list(channels_of("", loaded)) == ["a", "b"]
        assert list(channels_of("gone", loaded)) == ["a", "b"]
        assert channels_of("alpha", Loaded(alerts=AlertSettings())) == {}


class TestWhatIsRemembered:
    def test_nobody_told_means_still_to_be_told(self):
        concern = failure("alpha", FULL_BACKUP, NoGoodBackup("no"), NOW)
        decision = raise_event(Ledger(), concern, NOW)
        kept = untold(decision.ledger, Ledger())
        assert kept.incidents[concern.key].told is None
        assert raise_event(kept, concern, NOW + timedelta(minutes=5)).told == decision.told

    def test_an_end_that_nobody_could_be_told_of_is_told_later(self):
        seen = raise_event(Ledger(), failure("alpha", FULL_BACKUP, NoGoodBackup("no"), NOW), NOW).ledger
        decision = settle(seen, FULL_BACKUP, NOW)
        kept = untold(decision.ledger, seen)
        later = reconcile(kept, (), NOW + timedelta(minutes=5), remind=timedelta(days=1))
        assert [one.occasion for one in later.told] == [Occasion.RECOVERED]

    def test_a_red_run_is_counted_once_and_only_the_last_ones_are_kept(self):
        ledger = Ledger()
        for number in range(50):
            ledger = counted(counted(ledger, SYNC, f"run-{number}"), SYNC, f"run-{number}")
        assert ledger.failures == {SYNC: 50}
        assert ledger.red[SYNC][-1] == "run-49"
        assert len(ledger.red[SYNC]) == 20

    def test_what_two_writers_changed_at_once_both_stays(self):
        first = raise_event(Ledger(), failure("alpha", FULL_BACKUP, NoGoodBackup("no"), NOW), NOW).ledger
        second = raise_event(Ledger(), failure("alpha", SYNC, CopyMissing("no"), NOW), NOW).ledger
        both = merged(Ledger(), counted(first, FULL_BACKUP, "a"), counted(second, SYNC, "b"))
        assert set(both.incidents) == {"run-failed:full_backup", "run-failed:sync"}
        assert both.failures == {FULL_BACKUP: 1, SYNC: 1}
        assert both.red == {FULL_BACKUP: ("a",), SYNC: ("b",)}

    def test_what_one_writer_forgot_and_nobody_touched_is_gone(self):
        seen = raise_event(Ledger(), failure("alpha", FULL_BACKUP, NoGoodBackup("no"), NOW), NOW).ledger
        assert merged(seen, Ledger(), seen) == Ledger()

    def test_two_that_count_at_once_count_two(self):
        seen = counted(Ledger(), SYNC, "a")
        assert merged(seen, counted(seen, SYNC, "b"), counted(seen, SYNC, "c")).failures == {SYNC: 3}
