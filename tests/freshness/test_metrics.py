"""What metrics promise: the names that are catalogued, a figure only where it is known, and moments as moments."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backup_engine.alerts.ledger import Incident, Ledger
from backup_engine.errors import ConfigurationError
from backup_engine.freshness.concerns import EVENTS, ConcernKind, Severity
from backup_engine.freshness.figures import PURPOSES
from backup_engine.freshness.metrics import METRICS, exposition, samples, write_metrics_file
from tests.freshness.standing import COPY, NOW, PRIMARY, ago, concern, judgement, nothing, place, protection

PREFIX = "vectorizer_backup_"
AFTER_A_FAILURE = Ledger(
    failures={"full_backup": 2},
    incidents={
        "run-failed:full_backup": Incident(
            concern=concern(ConcernKind.RUN_FAILED, Severity.CRITICAL, "full_backup"), since=NOW
        ),
        "copy-behind": Incident(concern=concern(ConcernKind.COPY_BEHIND), since=NOW),
    },
)


def figures(of, ledger=None):
    """By short name and the values of the labels but the deployment's."""
    return {
        (one.name.removeprefix(PREFIX), *[value for label, value in one.labels.items() if label != "deployment"]): (
            one.value
        )
        for one in samples(of, ledger)
    }


def shown(text):
    """What Prometheus reads from a text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_figure_has_a_metric_of_the_catalogue_and_exactly_its_labels():
    for one in samples(judgement(), AFTER_A_FAILURE):
        assert tuple(one.labels) == METRICS[one.name].labels


def test_every_metric_of_the_catalogue_is_told_where_everything_is_known():
    assert {one.name for one in samples(judgement(), AFTER_A_FAILURE)} == set(METRICS)


def test_the_figures_of_a_deployment_are_those_of_its_protection():
    known = figures(judgement())
    assert known["newest_good_timestamp_seconds",] == ago(hours=10).timestamp()
    assert known["newest_verified_timestamp_seconds",] == ago(hours=9).timestamp()
    assert known["newest_proven_timestamp_seconds",] == ago(days=3).timestamp()
    assert (known["newest_good_age_seconds",], known["newest_verified_age_seconds",]) == (36000, 32400)
    assert (known["rpo_promised_seconds",], known["rpo_achieved_seconds",]) == (3600, 86400)
    assert (known["rto_promised_seconds",], known["rto_forecast_seconds",], known["rto_measured_seconds",]) == (
        14400, 7800, 5000,
    )  # fmt: skip
    assert (known["newest_good_vectors",], known["newest_good_size_bytes",]) == (1000, 300)
    assert (known["newest_good_duration_seconds",], known["newest_good_rate_vectors_per_second",]) == (20, 50)
    assert (known["restorable",], known["newest_unverified",], known["judged_timestamp_seconds",]) == (
        1, 0, NOW.timestamp(),
    )  # fmt: skip


def test_with_no_backup_nothing_is_told_of_one():
    known = figures(judgement(nothing()))
    assert known["restorable",] == 0
    told = {name for name, *_ in known if "newest" in name or "rpo" in name or "rto" in name}
    assert told == {"newest_unverified", "rpo_promised_seconds", "rto_promised_seconds"}


def test_a_good_backup_that_was_not_read_back_moves_no_figure_but_the_one_that_says_so():
    before = figures(judgement())
    newer = protection(newest="c", newest_at=ago(minutes=1))
    changed = {name for name, value in figures(judgement(newer)).items() if value != before[name]}
    assert changed == {("newest_unverified",)}


def test_where_no_store_answers_nothing_is_said_of_backups_and_copies_count_as_behind():
    gone = nothing(places=(place(answers=False), place(COPY, answers=False)))
    known = figures(judgement(gone))
    assert "restorable" not in {name for name, *_ in known}
    assert known["copies_behind",] == 1
    assert known["place_reachable", PRIMARY] == known["place_reachable", COPY] == 0
    assert {name for name, *_ in known if name.startswith("place")} == {"place_reachable"}


@pytest.mark.parametrize(
    ("copy", "behind"),
    [({}, 0), ({"behind": 7200.0}, 1), ({"behind": None, "newest_good": None}, 1), ({"answers": False}, 1)],
    ids=["up to date", "older", "empty", "gone"],
)
def test_a_copy_counts_as_behind_unless_it_is_seen_to_hold_the_newest(copy, behind):
    known = figures(judgement(protection(places=(place(), place(COPY, **copy)))))
    assert (known["copies",], known["copies_behind",]) == (1, behind)


def test_where_there_is_no_backup_no_copy_of_it_is_missing():
    assert figures(judgement(nothing()))["copies_behind",] == 0


def test_a_server_that_does_not_answer_is_told():
    assert figures(judgement())["server_reachable",] == 1
    assert figures(judgement(None, concern(ConcernKind.SERVER_UNREACHABLE)))["server_reachable",] == 0


def test_concerns_are_counted_by_kind_and_severity_and_those_that_are_over_are_zero():
    found = (concern(ConcernKind.COPY_BEHIND, subject="x"), concern(ConcernKind.COPY_BEHIND, subject="y"))
    known = figures(judgement(None, *found, concern(ConcernKind.RECOVERY_POINT_OLD, Severity.CRITICAL)), Ledger())
    assert known["concerns", "copy-behind", "warning"] == 2
    assert known["concerns", "recovery-point-old", "critical"] == 1
    assert known["concerns", "store-grew", "warning"] == 0
    assert {kind for name, kind, _ in (key for key in known if key[0] == "concerns")} == {*ConcernKind}


def test_what_runs_said_of_themselves_and_failures_come_from_the_ledger():
    known = figures(judgement(), AFTER_A_FAILURE)
    assert known["concerns", "run-failed", "critical"] == 1
    assert known["concerns", "copy-behind", "warning"] == 0, "what was seen by looking is over when it is not seen"
    assert {purpose: known["failures_total", purpose] for purpose in PURPOSES} == {
        **dict.fromkeys(PURPOSES, 0), "full_backup": 2,
    }  # fmt: skip


def test_outside_airflow_nothing_is_said_of_runs():
    known = figures(judgement())
    assert not [key for key in known if key[0] == "failures_total"]
    kinds = {key[1] for key in known if key[0] == "concerns"}
    assert kinds == {*ConcernKind} - EVENTS - {"dag-missing", "dag-paused", "no-run"}


# ------------------------------------------------------------------ Prometheus


def test_the_exposition_is_read_by_prometheus_as_it_was_meant():
    text = exposition([judgement()], {"prod": AFTER_A_FAILURE})
    expected = {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for one in samples(judgement(), AFTER_A_FAILURE)
        if not METRICS[one.name].pushed
    }
    assert shown(text) == expected
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert kinds.pop("vectorizer_backup_failures") == "counter"
    assert set(kinds.values()) == {"gauge"}


def test_a_file_holds_moments_and_no_ages_because_it_may_be_read_long_after_it_was_written():
    text = exposition([judgement()])
    assert "vectorizer_backup_newest_good_timestamp_seconds" in text
    assert "age_seconds" not in text
    assert exposition([judgement()]) == text, "nothing in it depends on when it is written"


def test_several_deployments_stand_in_one_text_each_metric_once():
    text = exposition([judgement(), judgement(protection(deployment="other"))])
    assert text.count("# TYPE vectorizer_backup_restorable ") == 1
    restorable = [labels for name, labels in shown(text) if name == "vectorizer_backup_restorable"]
    assert restorable == [(("deployment", "prod"),), (("deployment", "other"),)]


def test_a_deployment_without_a_judgement_is_told_with_its_concern_and_no_figure():
    invalid = concern(ConcernKind.DEPLOYMENT_INVALID, Severity.CRITICAL)
    text = exposition([], unjudged={"typo": invalid, "": concern(ConcernKind.CONFIGURATION_UNREADABLE)})
    told = shown(text)
    assert {name for name, _ in told} == {"vectorizer_backup_concerns"}
    labels = (("deployment", "typo"), ("kind", "deployment-invalid"), ("severity", "critical"))
    assert told["vectorizer_backup_concerns", labels] == 1
    assert {dict(labels)["deployment"] for _, labels in told} == {"typo", ""}


def test_a_strange_address_stays_one_label():
    odd = 'file:///var/"quoted"\\back\nline'
    told = shown(exposition([judgement(protection(places=(place(odd, copy_of_it=False),)))]))
    assert told["vectorizer_backup_place_backups", (("deployment", "prod"), ("place", odd))] == 3


def test_the_file_is_replaced_in_one_step_and_readable_by_the_exporter(tmp_path):
    file = tmp_path / "vectorizer_backup.prom"
    write_metrics_file(file, "old 1\n")
    with file.open() as reading:
        write_metrics_file(file, "new 1\n")
        assert reading.read() == "old 1\n", "who reads the old one reads all of it"
    assert file.read_text() == "new 1\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


def test_a_file_that_cannot_be_written_is_an_error_that_names_it_and_leaves_the_old_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no/such.*m\.prom cannot be written"):
        write_metrics_file(tmp_path / "no" / "such" / "m.prom", "x 1\n")
    (tmp_path / "folder.prom").mkdir()
    with pytest.raises(ConfigurationError, match=r"folder\.prom"):
        write_metrics_file(tmp_path / "folder.prom", "x 1\n")
    assert [one.name for one in tmp_path.iterdir()] == ["folder.prom"]
