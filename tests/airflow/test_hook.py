"""From an Airflow connection to a server: addresses, credentials, limits, and what a wrong one says."""

import json
import logging

import pytest
from airflow.sdk.log import redact

from backup_engine.errors import ConfigurationError
from sandbox.process import SandboxProcess
from vectorizer_backup.hooks.vectorizer import VectorizerHook


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch):
    """Give Airflow a connection, written as a URI or as fields."""

    def put(value: str | dict) -> VectorizerHook:
        text = value if isinstance(value, str) else json.dumps({"conn_type": "vectorizer", **value})
        monkeypatch.setenv("AIRFLOW_CONN_TRIED", text)
        return VectorizerHook("tried")

    return put


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"host": "http://vector.example:15002"}, "http://vector.example:15002"),
        ({"host": "https://vector.example/prefix/"}, "https://vector.example/prefix"),
        ({"host": "vector.example"}, "http://vector.example:15002"),
        ({"host": "vector.example", "port": 8443, "schema": "https"}, "https://vector.example:8443"),
        ("vectorizer://vector.example:15010", "http://vector.example:15010"),
    ],
)
def test_the_address_may_be_written_in_every_usual_way(connection, given, url) -> None:
    assert connection(given).url == url


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "has no URL"),
        ({"host": "ftp://vector.example"}, "is no server's address"),
        ({"host": "http://vector.example", "login": "dana"}, "password for the server is missing"),
        ({"host": "http://vector.example", "password": "x"}, "user name for the server is missing"),
        (
            {"host": "http://vector.example", "login": "d", "password": "p", "extra": {"api_key": "k"}},
            "both an API key and a user",
        ),
        ({"host": "http://vector.example", "extra": {"verify_tls": "no"}}, "true or false was expected"),
        ({"host": "http://vector.example", "extra": {"read_timeout": "soon"}}, "a number of seconds was expected"),
        ({"host": "http://vector.example", "extra": {"read_timeout": -1}}, "above zero"),
        ({"host": "http://vector.example", "extra": {"ca_bundle": "/nowhere/ca.pem"}}, "does not exist"),
    ],
)
def test_a_connection_that_cannot_work_says_what_is_wrong_before_anything_is_asked(connection, given, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        connection(given).get_conn()


def test_the_test_button_reports_what_it_reached(connection, tmp_path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        works, told = connection({"host": sandbox.url}).test_connection()
    assert works, told
    assert f"at {sandbox.url} lists 0 collections, 0 vectors" in told


def test_the_test_button_tells_wrong_credentials_from_a_dead_server(connection, tmp_path) -> None:
    with SandboxProcess(tmp_path, password="right-password") as sandbox:
        given = {"host": sandbox.url, "login": "admin", "password": "wrong-password"}
        refused = connection(given).test_connection()
        accepted = connection(given | {"password": "right-password"}).test_connection()
    dead = connection({"host": sandbox.url}).test_connection()
    assert refused[0] is False
    assert refused[1].startswith("AuthenticationFailed")
    assert accepted[0] is True, accepted[1]
    assert dead[0] is False
    assert dead[1].startswith("ServerUnavailable")


def test_secrets_are_masked_wherever_airflow_writes(connection, caplog) -> None:
    hook = connection({"host": "h", "login": "dana", "password": "a-long-password"})
    with caplog.at_level(logging.DEBUG):
        server = hook.get_conn()
    assert "a-long-password" not in caplog.text + repr(server) + repr(hook)
    assert redact("it is a-long-password") == "it is ***"
    connection({"host": "h", "extra": {"api_key": "a-long-key"}}).get_conn()
    assert redact("it is a-long-key") == "it is ***"
