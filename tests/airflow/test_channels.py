"""Every channel is told through a real receiver, side by side; what fails is said in words that hold no secret."""

from __future__ import annotations

import logging
import time

import pytest

from backup_engine.alerts import rendering
from services.webhook_receiver import SILENCE, Answer, WebhookReceiver
from tests.airflow.channelling import FOUND, HOSTILE, SECRET, an_alert, channels, hook
from vectorizer_backup.notifications import channels as module
from vectorizer_backup.notifications.channels import TRIES, deliver

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("in_a_hurry")]

OWN = {"kind": "webhook", "connection": "own"}


@pytest.fixture
def hooks():
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def own(hooks, monkeypatch):
    """A channel of our own JSON, with a secret at the end of its address."""
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(f"{hooks.url}/own", password=SECRET))
    return channels(own=OWN)


@pytest.mark.parametrize("kind", ["slack", "teams", "webhook"])
def test_a_chat_is_told_in_its_own_shape_at_an_address_that_ends_with_the_secret(hooks, monkeypatch, kind):
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", hook(f"{hooks.url}/services/", password=f"/{SECRET}"))
    alert = an_alert()
    assert deliver(alert, channels(team={"kind": kind, "connection": "team"})) == {}
    (call,) = hooks.requests
    shape = {"slack": rendering.slack, "teams": rendering.teams, "webhook": rendering.document}[kind]
    assert (call.method, call.path, call.json) == ("POST", f"/services/{SECRET}", shape(alert))
    assert call.headers["content-type"] == "application/json"
    assert "authorization" not in call.headers


def test_pagerduty_is_told_of_each_concern_with_the_routing_key_and_not_in_the_address(hooks, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DUTY", hook(f"{hooks.url}/v2/enqueue", password="the-routing-key"))
    duty = channels(duty={"kind": "pagerduty", "connection": "duty"})
    assert deliver(an_alert(FOUND, "The server is silent."), duty) == {}
    first, second = hooks.said("/v2/enqueue")
    assert {first["routing_key"], second["routing_key"]} == {"the-routing-key"}
    assert first["dedup_key"] != second["dedup_key"]


def test_pagerduty_hears_the_second_of_two_concerns_when_it_refuses_the_first(hooks, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DUTY", hook(hooks.url, password="the-routing-key"))
    hooks.answer(Answer(400, b'{"status": "invalid event"}'))
    duty = channels(duty={"kind": "pagerduty", "connection": "duty"})
    assert deliver(an_alert(FOUND, "The server is silent."), duty) == {
        "duty": '127.0.0.1 answered 400: {"status": "invalid event"}'
    }
    assert len(hooks.requests) == 2


def test_pagerduty_without_a_routing_key_is_told_nothing_and_says_where_it_belongs(hooks, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DUTY", hook(hooks.url))
    problems = deliver(an_alert(), channels(duty={"kind": "pagerduty", "connection": "duty"}))
    assert problems == {"duty": "the connection 'duty' has no password; the routing key belongs there"}
    assert hooks.requests == []


def test_a_login_that_a_pagerduty_connection_has_does_not_send_the_routing_key_about(hooks, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DUTY", hook(hooks.url, login="kim", password="the-routing-key"))
    assert deliver(an_alert(), channels(duty={"kind": "pagerduty", "connection": "duty"})) == {}
    (call,) = hooks.requests
    assert "authorization" not in call.headers
    assert call.json["routing_key"] == "the-routing-key"


def test_a_connection_with_a_login_signs_in_and_sends_the_headers_of_its_extras(hooks, monkeypatch):
    fields = {"login": "kim", "password": "kims-password", "extra": {"X-Team": "search"}}
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(f"{hooks.url}/own", **fields))
    assert deliver(an_alert(), channels(own=OWN)) == {}
    (call,) = hooks.requests
    assert (call.path, call.headers["x-team"]) == ("/own", "search")
    assert call.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_again_until_it_is_told(hooks, own, status):
    hooks.answer(Answer(status), times=TRIES - 1)
    assert deliver(an_alert(), own) == {}
    assert len(hooks.requests) == TRIES


@pytest.mark.parametrize("status", [500, 429])
def test_what_does_not_pass_is_tried_three_times_and_said(hooks, own, status):
    hooks.answer(Answer(status, b"later"), times=TRIES)
    assert deliver(an_alert(), own) == {"own": f"127.0.0.1 answered {status}: later"}
    assert len(hooks.requests) == TRIES


def test_who_asks_for_a_little_time_gets_it(hooks, own):
    hooks.answer(Answer(429, headers={"Retry-After": "2"}))
    begin = time.monotonic()
    assert deliver(an_alert(), own) == {}
    assert time.monotonic() - begin >= 2
    assert len(hooks.requests) == 2


def test_who_asks_for_more_time_than_there_is_hears_from_the_next_watch(hooks, own):
    hooks.answer(Answer(503, b"", {"Retry-After": "3600"}))
    assert deliver(an_alert(), own) == {"own": "127.0.0.1 answered 503"}
    assert len(hooks.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_cannot_pass_is_tried_once(hooks, own, status):
    hooks.answer(Answer(status, b""))
    assert deliver(an_alert(), own) == {"own": f"127.0.0.1 answered {status}"}
    assert len(hooks.requests) == 1


def test_a_redirection_is_not_followed_for_the_secret_is_meant_for_this_address(hooks, own):
    with WebhookReceiver() as elsewhere:
        hooks.answer(Answer(307, b"", {"Location": f"{elsewhere.url}/{SECRET}"}))
        (problem,) = deliver(an_alert(), own).values()
        assert elsewhere.requests == []
    assert "127.0.0.1 answered 307: it wants to be called elsewhere" in problem


def test_a_dead_a_silent_and_an_unknown_channel_keep_no_other_from_being_told(hooks, own, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DEAD", "http://127.0.0.1:9/dead")
    monkeypatch.setenv("AIRFLOW_CONN_SILENT", hook(f"{hooks.url}/silent"))
    hooks.answer(SILENCE, "/silent", times=TRIES)
    others = {name: {"kind": "webhook", "connection": name} for name in ("dead", "silent", "unknown")}
    begin = time.monotonic()
    problems = deliver(an_alert(), channels(**others) | own, patience=4.0)
    assert time.monotonic() - begin < 10
    assert problems == {
        "dead": "127.0.0.1 could not be reached: nobody answers there",
        "silent": "it was not done within 4 s",
        "unknown": "Airflow has no connection 'unknown'; docs/alerts.md tells how to add it",
    }
    assert len(hooks.said(f"/own/{SECRET}")) == 1


def test_a_silent_channel_is_given_up_before_it_is_tried_for_ever(hooks, own, monkeypatch):
    monkeypatch.setattr("vectorizer_backup.notifications.posting._READ", 0.3)
    hooks.answer(SILENCE, times=TRIES)
    assert deliver(an_alert(), own) == {"own": "127.0.0.1 did not answer in time"}
    assert len(hooks.requests) == TRIES


def test_nobody_to_tell_is_no_problem():
    assert deliver(an_alert(), {}) == {}


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ({"host": "https://hooks.example/services", "password": "T0/B0/X"}, "https://hooks.example/services/T0/B0/X"),
        ({"host": "hooks.example", "password": "X"}, "https://hooks.example/X"),
        ({"host": "hooks.example", "schema": "http", "port": 8080}, "http://hooks.example:8080"),
        ({"host": "https://hooks.example/a", "port": 8443}, "https://hooks.example:8443/a"),
        ({"host": "https://flow.example:443/run", "password": "?sig=X"}, "https://flow.example:443/run?sig=X"),
        ({"host": "https://flow.example", "password": "run?a=1&sig=X"}, "https://flow.example/run?a=1&sig=X"),
        ({"host": "http://[::1]:80/a"}, "http://[::1]:80/a"),
    ],
)
def test_an_address_is_put_together_from_what_a_connection_holds(connection, expected):
    from airflow.sdk import Connection

    from vectorizer_backup.notifications.posting import address_of

    assert address_of(Connection(conn_id="own", conn_type="http", **connection), with_secret=True) == expected


@pytest.mark.parametrize(("behind", "path"), [("/hook/a", "/hook/a"), ("/http", "/")])
def test_a_connection_written_as_a_uri_is_called_where_it_says(hooks, monkeypatch, behind, path):
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hooks.url + behind)
    assert deliver(an_alert(), channels(own=OWN)) == {}
    assert [call.path for call in hooks.requests] == [path]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("", "has no host"),
        ("https://", "is no address that begins with https://"),
        ("ftp://files.example/x", "is no address that begins with https://"),
        ("http://[::1/x", "is no address"),
        ("http://a.example:nonsense/x", "is no address"),
    ],
)
def test_a_connection_without_an_address_is_named(monkeypatch, host, said):
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(host))
    (problem,) = deliver(an_alert(), channels(own=OWN)).values()
    assert said in problem
    assert "'own'" in problem


def test_where_https_is_not_spoken_the_secret_is_not_sent_in_clear(hooks, monkeypatch):
    address = hooks.url.removeprefix("http://")
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(address, password=SECRET))
    (problem,) = deliver(an_alert(), channels(own=OWN)).values()
    assert "no encrypted connection to 127.0.0.1" in problem
    assert all(SECRET not in call.path for call in hooks.requests)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, f"Cannot POST /own/{SECRET}".encode()),
        Answer(404, b"no hook s3cr3t-of-the-hook for X-Key header-value-1234"),
        Answer(500, f"{'x' * 190}{SECRET}".encode()),
        Answer(500, f"{'x' * 4085}{SECRET}".encode()),
        Answer(400, b"bad\r\nrequest \x1b[31m" + SECRET.encode()),
        SILENCE,
    ],
)
def test_no_secret_is_in_what_is_said_or_logged_whatever_the_other_side_answers(
    hooks, own, monkeypatch, caplog, capfd, answer
):
    fields = {"password": SECRET, "extra": {"X-Key": "header-value-1234"}}
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(f"{hooks.url}/own", **fields))
    monkeypatch.setattr("vectorizer_backup.notifications.posting._READ", 0.3)
    caplog.set_level(logging.INFO)
    hooks.answer(answer, times=TRIES)
    (problem,) = deliver(an_alert(), own).values()
    out, err = capfd.readouterr()
    everything = "\n".join((problem, caplog.text, out, err))
    assert hooks.requests[0].path.endswith(SECRET)
    for secret in (SECRET, "s3cr3t-of-the-hook", "header-value-1234"):
        assert secret not in everything
    assert len(problem) < 300
    assert problem.isprintable()


def test_no_secret_is_said_of_a_hook_that_nobody_answers_at(monkeypatch, caplog, capfd):
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook("http://127.0.0.1:9/own", password=SECRET))
    caplog.set_level(logging.INFO)
    (problem,) = deliver(an_alert(), channels(own=OWN)).values()
    out, err = capfd.readouterr()
    assert SECRET not in "\n".join((problem, caplog.text, out, err))


def test_what_hostile_names_say_arrives_as_text(hooks, own):
    alert = an_alert(HOSTILE)
    assert deliver(alert, own) == {}
    (said,) = hooks.said(f"/own/{SECRET}")
    assert said == rendering.document(alert)
    assert "{{ 7 * 7 }}" in hooks.requests[0].body.decode()


def test_a_fault_of_ours_in_one_channel_is_said_without_its_words_and_the_others_are_told(own, hooks, monkeypatch):
    def broken(alert):
        raise KeyError(SECRET)

    monkeypatch.setitem(_composers(), "slack", broken)
    problems = deliver(an_alert(), channels(team={"kind": "slack", "connection": "own"}) | own)
    assert problems == {"team": problems["team"]}
    assert "an unexpected KeyError in broken, line" in problems["team"]
    assert SECRET not in problems["team"]
    assert len(hooks.requests) == 1


def test_channels_are_told_side_by_side(hooks, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OWN", hook(f"{hooks.url}/own"))
    monkeypatch.setenv("AIRFLOW_CONN_SLOW", hook(f"{hooks.url}/slow"))
    hooks.answer(Answer(503), "/slow", times=TRIES - 1)
    both = channels(slow={"kind": "webhook", "connection": "slow"}, own=OWN)
    assert deliver(an_alert(), both) == {}
    paths = [call.path for call in hooks.requests]
    assert paths.index("/own") < len(paths) - 1
    assert module.PATIENCE < 12  # seconds: what a run's notifier leaves for sending


def _composers():
    from vectorizer_backup.notifications import posting

    return posting._COMPOSERS
