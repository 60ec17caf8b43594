"""Alerts through any Airflow notifier: its arguments are templates, what they show is none."""

from __future__ import annotations

import logging

import pytest
from airflow.exceptions import AirflowException

from backup_engine.alerts import rendering
from services.smtp_sink import SmtpSink
from services.webhook_receiver import Answer, WebhookReceiver
from tests.airflow.channelling import FOUND, HOSTILE, SECRET, Stumbling, an_alert, channels, hook, kept
from vectorizer_backup.notifications.channels import TRIES, deliver

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("in_a_hurry")]

HERE = "tests.airflow.channelling"


@pytest.fixture(autouse=True)
def nothing_told():
    kept.clear()
    Stumbling.left = 0


def through(notifier: str, **arguments):
    return channels(team={"kind": "notifier", "notifier": notifier, "arguments": arguments})


def test_a_notifier_s_templates_see_the_alert(monkeypatch):
    message = "{{ alert.severity }}|{{ alert.title }}|{{ alert.deployment }}|{{ alert.run }}|{{ alert.recovered }}"
    alert = an_alert()
    assert deliver(alert, through(f"{HERE}.Keeping", message=message, details={"text": "{{ alert.text }}"})) == {}
    title = rendering.title(alert)
    assert kept == [
        {
            "message": f"critical|{title}|production|https://airflow.example/dags/d/runs/r|False",
            "text": rendering.text(alert),
        }
    ]


def test_what_hostile_names_say_is_shown_and_never_read_as_a_template():
    assert deliver(an_alert(HOSTILE), through(f"{HERE}.Keeping", message="{{ alert.text }}")) == {}
    (told,) = kept
    assert "{{ 7 * 7 }}" in told["message"]


def test_the_provider_s_own_notifiers_work(monkeypatch):
    with SmtpSink() as sink, WebhookReceiver() as hooks:
        monkeypatch.setenv("AIRFLOW_CONN_TEAM_MAIL", sink.connection)
        monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(hooks.url))
        mail = {
            "smtp_conn_id": "team_mail",
            "to": "ops@example.com",
            "subject": "{{ alert.title }}",
            "html_content": "{{ alert.html }}",
        }
        call = {"http_conn_id": "own", "endpoint": "x", "json": {"said": "{{ alert.text }}"}}
        both = {
            **channels(mail=_named("airflow.providers.smtp.notifications.smtp.SmtpNotifier", mail)),
            **channels(call=_named("airflow.providers.http.notifications.http.HttpNotifier", call)),
        }
        assert deliver(an_alert(), both) == {}
        (sent,) = sink.messages
        (said,) = hooks.said("/x")
    assert FOUND in sent.html
    assert FOUND in said["said"]


@pytest.mark.parametrize(
    ("notifier", "said"),
    [
        ("airflow.providers.nobody.Notifier", "there is no airflow.providers.nobody: is its provider installed"),
        (f"{HERE}.Missing", f"{HERE} has no Missing"),
        (f"{HERE}.no_notifier", "is no Airflow notifier"),
        ("subprocess.Popen", "is no Airflow notifier"),
        (f"{HERE}.AsyncOnly", "has no `notify`"),
    ],
)
def test_what_is_no_notifier_is_said_in_words(notifier, said):
    (problem,) = deliver(an_alert(), through(notifier)).values()
    assert said in problem
    assert notifier.rpartition(".")[2] in problem


def test_arguments_that_it_does_not_take_are_named():
    (problem,) = deliver(an_alert(), through(f"{HERE}.Keeping", mesage="x")).values()
    assert "Keeping failed with TypeError" in problem
    assert "'message'" in problem


def test_a_template_that_cannot_be_filled_in_is_named():
    (problem,) = deliver(an_alert(), through(f"{HERE}.Keeping", message="{{ alert.title ")).values()
    assert "a template in the arguments of Keeping cannot be filled in" in problem


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError("reset"), TimeoutError("silence"), AirflowException("503:Service Unavailable")],
)
def test_what_may_pass_is_tried_again_with_a_notifier_made_anew(error):
    Stumbling.error, Stumbling.left = error, TRIES - 1
    assert deliver(an_alert(), through(f"{HERE}.Stumbling", message="{{ alert.severity }}")) == {}
    assert [told["message"] for told in kept] == ["critical"]


def test_what_does_not_pass_is_tried_three_times():
    Stumbling.error, Stumbling.left = ConnectionResetError("reset by peer"), TRIES
    problems = deliver(an_alert(), through(f"{HERE}.Stumbling", message="x"))
    assert problems == {"team": "Stumbling could not deliver it (ConnectionResetError): reset by peer"}
    assert (Stumbling.left, kept) == (0, [])


def test_what_cannot_pass_is_tried_once():
    Stumbling.error, Stumbling.left = ValueError("no such channel"), TRIES
    problems = deliver(an_alert(), through(f"{HERE}.Stumbling", message="x"))
    assert problems == {"team": "Stumbling failed with ValueError: no such channel"}
    assert Stumbling.left == TRIES - 1


def test_the_address_that_a_notifier_called_is_not_in_what_is_said(caplog, capfd):
    caplog.set_level(logging.INFO)
    (problem,) = deliver(an_alert(), through(f"{HERE}.Blabbing")).values()
    out, err = capfd.readouterr()
    assert "Blabbing could not deliver it (ConnectionError)" in problem
    assert SECRET not in "\n".join((problem, caplog.text, out, err))


def test_a_notifier_that_fails_keeps_no_other_channel_from_being_told(monkeypatch):
    Stumbling.error, Stumbling.left = ValueError("no such channel"), 1
    with WebhookReceiver() as hooks:
        hooks.answer(Answer(500))
        monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(hooks.url))
        own = channels(own={"kind": "webhook", "connection": "own"})
        assert set(deliver(an_alert(), through(f"{HERE}.Stumbling", message="x") | own)) == {"team"}
        assert len(hooks.requests) == 2


def _named(notifier: str, arguments: dict[str, object]) -> dict[str, object]:
    return {"kind": "notifier", "notifier": notifier, "arguments": arguments}
