"""Alerts by mail, through the SMTP provider and a real mail server."""

from __future__ import annotations

import json
import logging
import socket

import pytest

from backup_engine.alerts import rendering
from services.smtp_sink import SmtpSink
from services.webhook_receiver import WebhookReceiver
from tests.airflow.channelling import FOUND, HOSTILE, an_alert, channels, hook
from vectorizer_backup.notifications.channels import TRIES, deliver

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("in_a_hurry")]

MAIL = {"kind": "mail", "connection": "team_mail", "to": ["ops@example.com", "kim@example.com"]}
PASSWORD = "the-password-of-the-mail"


@pytest.fixture
def sink(monkeypatch):
    with SmtpSink() as running:
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", running.connection)
        yield running


def test_a_mail_says_it_as_text_and_as_html_to_everybody_it_is_for(sink):
    alert = an_alert()
    assert deliver(alert, channels(team=MAIL)) == {}
    (mail,) = sink.messages
    assert mail.recipients == ("ops@example.com", "kim@example.com")
    assert mail.sender == "airflow@example.com"
    assert mail.subject == rendering.title(alert)
    assert FOUND in mail.text
    assert FOUND in mail.html
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["Message-ID"]
    assert mail.message["Date"]


def test_the_channel_s_sender_goes_before_the_connection_s(sink):
    assert deliver(an_alert(), channels(team={**MAIL, "sender": "backups@example.com"})) == {}
    (mail,) = sink.messages
    assert mail.sender == mail.message["From"] == "backups@example.com"


def test_without_a_sender_it_is_said_where_to_name_one(sink, monkeypatch):
    fields = json.loads(sink.connection)
    del fields["extra"]["from_email"]
    monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", json.dumps(fields))
    (problem,) = deliver(an_alert(), channels(team=MAIL)).values()
    assert "name a `sender` in the channel, or from_email in the connection 'team_mail'" in problem
    assert sink.messages == []


def test_hostile_names_add_no_header_no_recipient_and_no_markup_and_are_no_templates(sink):
    assert deliver(an_alert(HOSTILE, deployment="x\r\nBcc: everyone@example.org"), channels(team=MAIL)) == {}
    (mail,) = sink.messages
    assert mail.recipients == ("ops@example.com", "kim@example.com")
    assert mail.message["Bcc"] is None
    assert mail.message["To"] == "ops@example.com, kim@example.com"
    assert "\n" not in mail.subject
    assert "<script>" not in mail.html
    assert "{{ 7 * 7 }}" in mail.html
    assert "{{ 7 * 7 }}" in mail.text


@pytest.mark.parametrize("answer", ["451 4.3.0 try again later", "421 4.7.0 too many"])
def test_what_may_pass_is_tried_again_until_it_is_told(sink, answer):
    sink.refuse(answer, times=TRIES - 1)
    assert deliver(an_alert(), channels(team=MAIL)) == {}
    assert len(sink.messages) == 1


def test_what_does_not_pass_is_tried_three_times_and_not_by_the_provider_again(sink):
    sink.refuse("451 4.3.0 later", times=TRIES)
    assert deliver(an_alert(), channels(team=MAIL)) == {"team": "127.0.0.1 refused (451): 4.3.0 later"}
    assert sink.messages == []


def test_a_mail_server_that_says_nothing_is_given_up(sink, monkeypatch):
    monkeypatch.setattr("vectorizer_backup.notifications.mailing._SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        fields = json.loads(sink.connection) | {"port": silent.getsockname()[1]}
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", json.dumps(fields))
        problems = deliver(an_alert(), channels(team=MAIL))
    assert problems == {"team": "127.0.0.1 did not answer in time, or ended the connection"}


def test_a_server_that_refuses_for_good_is_asked_once(sink):
    sink.refuse("554 5.7.1 no backups here")
    assert deliver(an_alert(), channels(team=MAIL)) == {"team": "127.0.0.1 refused (554): 5.7.1 no backups here"}
    assert sink.messages == []


def test_a_recipient_that_is_refused_is_logged_and_the_others_get_the_mail_once(sink, caplog):
    sink.refuse_recipient("kim@example.com")
    caplog.set_level(logging.ERROR)
    assert deliver(an_alert(), channels(team=MAIL)) == {}
    (mail,) = sink.messages
    assert mail.recipients == ("ops@example.com",)
    assert "did not take the mail for kim@example.com, and took it for others" in caplog.text


def test_where_every_recipient_is_refused_nobody_was_told(sink):
    for address in MAIL["to"]:
        sink.refuse_recipient(address)
    (problem,) = deliver(an_alert(), channels(team=MAIL)).values()
    assert problem == "127.0.0.1 refused every recipient (550): 5.1.1 nobody lives here"


def test_a_login_is_used_and_one_that_is_refused_says_so_without_the_password(monkeypatch, caplog, capfd):
    caplog.set_level(logging.INFO)
    with SmtpSink(login=("backups", PASSWORD)) as guarded:
        fields = json.loads(guarded.connection)
        good = fields | {"login": "backups", "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", json.dumps(good))
        assert deliver(an_alert(), channels(team=MAIL)) == {}
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", json.dumps(good | {"password": f"not-{PASSWORD}"}))
        (problem,) = deliver(an_alert(), channels(team=MAIL)).values()
        assert len(guarded.messages) == 1
    out, err = capfd.readouterr()
    assert "127.0.0.1 refused the login (535)" in problem
    assert PASSWORD not in "\n".join((problem, caplog.text, out, err))


def test_encryption_that_the_server_does_not_know_is_not_done_without(sink, monkeypatch):
    fields = json.loads(sink.connection)
    fields["extra"]["disable_tls"] = False
    monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", json.dumps(fields))
    (problem,) = deliver(an_alert(), channels(team=MAIL)).values()
    assert "look at disable_ssl, disable_tls" in problem
    fields["extra"] |= {"disable_tls": True, "disable_ssl": False}
    monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", json.dumps(fields))
    (problem,) = deliver(an_alert(), channels(team=MAIL)).values()
    assert "no encrypted connection to 127.0.0.1" in problem
    assert sink.messages == []


def test_a_dead_mail_server_keeps_no_hook_from_being_told(sink, monkeypatch):
    sink.stop()
    with WebhookReceiver() as hooks:
        monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(hooks.url))
        own = {"kind": "webhook", "connection": "own"}
        problems = deliver(an_alert(), channels(team=MAIL, own=own))
        assert len(hooks.requests) == 1
    assert problems == {"team": "127.0.0.1 could not be reached (ConnectionRefusedError)"}
