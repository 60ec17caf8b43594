"""Who is told stands in deployments.yaml, read strictly: nobody finds out in the night that a name was wrong."""

from datetime import timedelta

import pytest

from backup_engine.alerts.settings import AlertSettings, MailChannel, WebhookChannel
from backup_engine.deployments import read_deployments
from backup_engine.freshness.concerns import Severity

ALERTS = """
alerts:
  channels:
    team: {kind: mail, to: [ops@example.com]}
    duty: {kind: pagerduty, connection: duty, severity: critical}
  heartbeat: deadman
"""
DEPLOYMENTS = """
deployments:
  main: {tier: production, server: {url: "http://localhost:15002"}, store: "file:///backups", alerts: [team]}
  other: {tier: production, server: {url: "http://localhost:15002"}, store: "file:///backups"}
"""


def test_channels_are_known_by_name_and_kind():
    loaded = read_deployments(ALERTS + DEPLOYMENTS)
    assert not loaded.problems
    assert loaded.alerts == AlertSettings(
        channels={
            "team": MailChannel(kind="mail", to=("ops@example.com",)),
            "duty": WebhookChannel(kind="pagerduty", connection="duty", severity=Severity.CRITICAL),
        },
        heartbeat="deadman",
    )


def test_a_deployment_is_told_of_in_the_channels_it_names_and_else_in_all():
    loaded = read_deployments(ALERTS + DEPLOYMENTS)
    assert loaded.alerts is not None
    assert [*loaded.alerts.told_of(loaded.deployments["main"].alerts)] == ["team"]
    assert [*loaded.alerts.told_of(loaded.deployments["other"].alerts)] == ["team", "duty"]


def test_who_is_told_is_the_same_after_it_was_written_down():
    settings = AlertSettings(channels={"team": MailChannel(kind="mail", to=("a@b.c",))}, remind=timedelta(hours=36))
    assert AlertSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("conection: duty", "connection: duty", "'connection' is meant?"),
        ("hartbeat: deadman", "heartbeat: deadman", "'heartbeat' is meant?"),
        ("kind: fax", "kind: mail", "'mail', 'slack', 'teams', 'pagerduty', 'webhook', 'notifier'"),
        ("to: [nobody]", "to: [ops@example.com]", "channels.team.mail.to"),
        ("to: []", "to: [ops@example.com]", "at least 1"),
        ("severity: loud", "severity: critical", "'loud'"),
    ],
)
def test_what_is_wrong_is_named_and_takes_no_deployment_away(wrong, right, said):
    loaded = read_deployments((ALERTS + DEPLOYMENTS).replace(right, wrong, 1))
    assert loaded.alerts is None
    assert [*loaded.problems] == ["alerts"]
    assert said in loaded.problems["alerts"]
    assert {*loaded.deployments} == {"main", "other"}


def test_a_channel_that_does_not_exist_is_a_problem_of_the_deployment_that_names_it():
    loaded = read_deployments((ALERTS + DEPLOYMENTS).replace("[team]", "[tam]"))
    assert "'tam'" in loaded.problems["main"]
    assert "duty, team" in loaded.problems["main"]
    assert {*loaded.deployments} == {"other"}


@pytest.mark.parametrize(
    "parts", [(ALERTS, DEPLOYMENTS, "  third: {tier: [\n"), (DEPLOYMENTS, "  third: {tier: [\n", ALERTS)]
)
def test_a_file_that_is_no_yaml_in_one_entry_still_says_who_is_told(parts):
    broken = "".join(parts)
    loaded = read_deployments(broken)
    assert loaded.problems
    assert loaded.alerts is not None
    assert {*loaded.deployments} == {"main", "other"}


def test_without_the_part_nobody_is_told():
    assert read_deployments(DEPLOYMENTS.replace(", alerts: [team]", "")).alerts is None
