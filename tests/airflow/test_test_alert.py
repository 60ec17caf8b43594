"""``vectorizer-backup airflow test-alert``: every channel gets a message that says it is a test, or says why not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.smtp_sink import SmtpSink
from services.webhook_receiver import WebhookReceiver

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]

PROGRAM = Path(sys.executable).parent / "vectorizer-backup"
CONFIGURATION = """
deployments:
  alpha:
    tier: production
    server: {connection: alpha, url: "http://alpha.invalid:15002"}
    store: file:///srv/backups
alerts:
  channels:
    ops: {kind: mail, to: [ops@example.com]}
    duty: {kind: pagerduty, connection: duty, severity: critical}
    lost: {kind: slack, connection: not_there}
"""


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


def try_it(folder: Path, *arguments: str, text: str = CONFIGURATION, **environment: str) -> tuple[int, dict[str, dict]]:
    (folder / "deployments.yaml").write_text(text)
    known = {"VECTORIZER_BACKUP_CONFIG": str(folder / "deployments.yaml"), **environment}
    answer = subprocess.run(
        [PROGRAM, "airflow", "test-alert", "--json", *arguments],
        env=os.environ | known,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.stdout, answer.stderr
    findings = json.loads(answer.stdout)["findings"]
    return answer.returncode, {one["what"]: one for one in findings}


def test_every_channel_gets_a_test_message_and_its_end_and_who_did_not_is_named(tmp_path, sink, receiver) -> None:
    duty = json.dumps({"conn_type": "http", "host": receiver.url, "password": "routing-key"})
    code, found = try_it(tmp_path, AIRFLOW_CONN_SMTP_DEFAULT=sink.connection, AIRFLOW_CONN_DUTY=duty)
    assert code == 1
    assert {what: one["level"] for what, one in found.items()} == {
        "channel ops": "ok",
        "channel duty": "ok",
        "channel lost": "missing",
    }
    assert "not_there" in found["channel lost"]["found"]
    raised, recovered = sink.messages
    assert "a test, nothing is wrong" in raised.subject
    assert "RECOVERED" in recovered.subject
    assert "No backup has any trouble" in raised.text
    said = [call.json for call in receiver.requests]
    assert [one["event_action"] for one in said] == ["trigger", "resolve"]
    assert len({one["dedup_key"] for one in said}) == 1


def test_one_channel_can_be_tried_alone_and_a_name_that_none_has_is_refused(tmp_path, sink) -> None:
    known = {"AIRFLOW_CONN_SMTP_DEFAULT": sink.connection}
    code, found = try_it(tmp_path, "--channel", "ops", **known)
    assert (code, [*found]) == (0, ["channel ops"])
    code, found = try_it(tmp_path, "--channel", "obs", **known)
    assert code == 1
    assert "there are: duty, lost, ops" in found["channel obs"]["found"]
    assert len(sink.messages) == 2


def test_where_nobody_is_named_or_the_configuration_is_wrong_it_says_so(tmp_path) -> None:
    code, found = try_it(tmp_path, text=CONFIGURATION.split("alerts:", maxsplit=1)[0])
    assert (code, [*found]) == (1, ["alerts"])
    code, found = try_it(tmp_path, text=CONFIGURATION.replace("to: [", "two: ["))
    assert code == 1
    assert "'to' is meant?" in found["alerts"]["found"]
