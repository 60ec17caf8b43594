"""Every error body a real server was seen to answer becomes the error that says what helps."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup_engine.errors import (
    AccessDenied,
    AuthenticationFailed,
    CollectionExists,
    CollectionNotFound,
    RequestRefused,
    ServerBusy,
    ServerFault,
    ServerUnavailable,
    TooLarge,
    TransientError,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.vectorizer.answers import Answer
from backup_engine.vectorizer.client import graphql_data
from backup_engine.vectorizer.refusals import FieldMissing, RouteMissing, clean, refusal

RECORDINGS = Path(__file__).parent.parent / "contract" / "recordings"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

BY_STATUS = {
    ("auth", 401): AuthenticationFailed,
    ("auth", 403): AccessDenied,
    ("auth", 429): ServerBusy,
    ("backups", 400): RequestRefused,
    ("backups", 404): RequestRefused,
    ("backups", 422): RequestRefused,
    ("backups", 503): Unsupported,
    ("collections", 400): RequestRefused,
    ("collections", 404): CollectionNotFound,
    ("collections", 409): CollectionExists,
    ("errors", 400): RequestRefused,
    ("errors", 404): CollectionNotFound,
    ("errors", 415): RequestRefused,
    ("names", 405): RouteMissing,
    ("rename", 400): RequestRefused,
    ("rename", 404): CollectionNotFound,
    ("rename", 409): CollectionExists,
    ("snapshots", 404): RequestRefused,
    ("status", 404): RouteMissing,
    ("status", 405): RouteMissing,
    ("vectors", 400): RequestRefused,
    ("vectors", 404): RequestRefused,
}


def recorded(condition):
    return list(_recorded(condition))


def _recorded(condition):
    for file in sorted(RECORDINGS.glob("*.json")):
        for number, entry in enumerate(json.loads(file.read_text(encoding="utf-8"))):
            response = entry.get("response", {})
            if "status" in response and condition(response):
                yield pytest.param(file.stem, response, id=f"{file.stem}-{number}-{response['status']}")


def as_bytes(body):
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.mark.parametrize(("flow", "response"), recorded(lambda response: response["status"] >= 400))
def test_a_recorded_refusal_becomes_its_class_and_keeps_the_servers_words(flow, response):
    body = response["body"]
    error = refusal("POST http://h/x", response["status"], {}, as_bytes(body), NOW)
    assert isinstance(error, BY_STATUS[flow, response["status"]])
    assert "POST http://h/x" in str(error)
    words = body.get("message") if isinstance(body, dict) else body
    assert clean(words) in str(error)


@pytest.mark.parametrize(
    ("flow", "response"),
    recorded(lambda response: isinstance(response["body"], dict) and response["body"].get("errors")),
)
def test_recorded_graphql_errors_under_200_are_refusals(flow, response):
    message = response["body"]["errors"][0]["message"]
    expected = (
        CollectionNotFound if "not found" in message else FieldMissing if "Unknown" in message else RequestRefused
    )
    with pytest.raises(expected) as refused:
        graphql_data(Answer("POST /graphql", as_bytes(response["body"])))
    assert message[:100] in str(refused.value)


def test_both_kinds_of_recordings_were_looked_at():
    statuses = {
        (case.values[0], case.values[1]["status"]) for case in recorded(lambda response: response["status"] >= 400)
    }
    assert statuses == set(BY_STATUS)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b'{"error_type":"storage_error","message":"disk","status_code":500}', ServerFault),
        (502, b"<html>Bad Gateway</html>", ServerUnavailable),
        (503, b"", ServerBusy),
        (504, b"", ServerUnavailable),
        (408, b"", ServerUnavailable),
        (429, b'{"error_type":"queue_full","message":"full"}', ServerBusy),
        (413, b"length limit exceeded", TooLarge),
        (404, b"", RouteMissing),
        (404, b'["x"]', RequestRefused),
        (418, b"\xff\xfe\x00", RequestRefused),
        (400, b'{"message":null}', RequestRefused),
        (401, b"", AuthenticationFailed),
    ],
)
def test_bodies_of_every_kind_are_understood(status, body, expected):
    assert type(refusal("GET /", status, {}, body, NOW)) in {expected, *expected.__subclasses__()}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_transient(status):
    assert isinstance(refusal("GET /", status, {}, b"", NOW), TransientError)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-3", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header, seconds):
    error = refusal("GET /", 429, {"Retry-After": header}, b"", NOW)
    assert isinstance(error, ServerBusy)
    assert error.retry_after == seconds


def test_a_locked_login_says_for_how_long():
    body = b'{"error":"rate_limited","message":"Too many login attempts. Please try again in 899 seconds."}'
    error = refusal("POST /auth/login", 429, {}, body, NOW)
    assert isinstance(error, ServerBusy)
    assert error.retry_after == 899


def test_a_hostile_message_stays_one_short_line():
    error = refusal("GET /", 400, {}, b"\x1b[31m\r\nINFO all is well\x00" + b"x" * 100_000, NOW)
    assert len(str(error)) < 500
    assert str(error).isprintable()


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"[1]", b'{"data":null}', b"[" * 100_000])
def test_an_answer_that_is_no_graphql_is_not_taken_for_one(body):
    with pytest.raises(UnexpectedAnswer, match="POST /graphql"):
        graphql_data(Answer("POST /graphql", body))
