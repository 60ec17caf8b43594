"""Every recorded flow of a real server, sent again in order, is answered alike."""

from collections.abc import Callable

import pytest
import requests

from tests.contract.replaying import RECORDINGS, Replay, body_of, differences, flow
from tests.contract.servers import Server

# One server went through the first six flows in this order, another through the next three.
SHARED = ["status", "collections", "vectors", "snapshots", "backups", "errors"]
RESTARTED = ["lifecycle", "rename", "names"]
ALONE = "auth"

PASSWORD = "Sup3r-secret-pw!"

# Texts are embedded by another provider than the recorded one: the sandbox hashes words where the server has
# bm25. The answer is compared in everything but the components, in test_writing.
OTHER_EMBEDDING = ("vectors", "GET", "/collections/native/vectors?limit=5")


def answer_differences(replay: Replay, entry: dict) -> list[str]:
    recorded = entry["response"]
    try:
        response = replay.send(entry["request"], entry["note"])
    except requests.ConnectionError:
        return [] if "transport_error" in recorded else ["the connection was dropped"]
    if "transport_error" in recorded:
        return [f"answered {response.status_code} where the recorded server dropped the connection"]
    body = body_of(response)
    replay.learn(recorded["body"], body)
    found = list(differences(recorded["body"], body))
    if response.status_code != recorded["status"]:
        found.append(f"status {response.status_code} instead of {recorded['status']}: {response.text[:300]}")
    if response.headers.get("content-type") != recorded["content_type"]:
        found.append(f"type {response.headers.get('content-type')} instead of {recorded['content_type']}")
    return found


def replay_flow(replay: Replay, name: str, server: Server | None = None) -> list[str]:
    problems = []
    for number, entry in enumerate(flow(name)):
        if "request" not in entry:
            _do_to_the_process(entry["note"], server)
            continue
        request = entry["request"]
        if (name, request["method"], request["path"]) == OTHER_EMBEDDING:
            assert replay.send(request, "").status_code == entry["response"]["status"]
            continue
        problems += [
            f"{name} {number} ({entry['note']}) {request['method']} {request['path']}: {problem}"
            for problem in answer_differences(replay, entry)
        ]
    return problems


def _do_to_the_process(note: str, server: Server | None) -> None:
    assert server is not None
    if "SIGKILL" in note:
        server.kill()
        server.start()
    else:
        server.restart()


def test_every_recorded_flow_is_sent_again() -> None:
    assert {path.stem for path in RECORDINGS.glob("*.json")} == {*SHARED, *RESTARTED, ALONE}


def test_a_fresh_server_answers_the_recorded_flows_alike(fresh_url: str) -> None:
    replay = Replay(fresh_url)
    problems = [problem for name in SHARED for problem in replay_flow(replay, name)]
    assert not problems, "\n".join(problems)


def test_flows_with_restarts_are_answered_alike(own_server: Server) -> None:
    replay = Replay(own_server.url)
    problems = [problem for name in RESTARTED for problem in replay_flow(replay, name, own_server)]
    assert not problems, "\n".join(problems)


def test_logins_keys_and_refusals_are_answered_alike(start_server: Callable[..., Server]) -> None:
    replay = Replay(start_server(PASSWORD).url)
    problems: list[str] = []
    for number, entry in enumerate(flow(ALONE)):
        if entry["note"].startswith("API key, request 97"):
            _use_up_the_minute(replay)
        problems += [f"auth {number} ({entry['note']}): {each}" for each in answer_differences(replay, entry)]
        _take_credentials(replay, entry)
    assert not problems, "\n".join(problems)


def _take_credentials(replay: Replay, entry: dict) -> None:
    """The recordings name credentials by the note of the request that uses them."""
    if entry["note"] == "right":
        token = replay.send(entry["request"], "").json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        notes = ("bearer", "admin bearer", "make an API key")
        replay.headers |= dict.fromkeys(notes, bearer) | {"bad bearer": {"Authorization": "Bearer a.b.c"}}
    if entry["note"] == "make an API key":
        key = replay.send(entry["request"], entry["note"]).json()["api_key"]
        replay.headers |= {
            "API key": {"X-API-Key": key},
            "API key, request 97 within a minute": {"X-API-Key": key},
            "wrong API key": {"X-API-Key": "wrong"},
            "API key as bearer": {"Authorization": f"Bearer {key}"},
        }


def _use_up_the_minute(replay: Replay) -> None:
    key = replay.headers["API key"]
    statuses = [requests.get(f"{replay.url}/status", headers=key, timeout=10).status_code for _ in range(97)]
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("recorded", "actual"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, 2], [1]),
        ("2026-11-22T14:18:22.660522052+00:00", "2026-11-22"),
        (0.1, 0.11),
        ({"_truncated": 20, "_head": '{"a": [1.5, 2.5, 3'}, {"a": [1.5, 2.6, 3.5]}),
        ({"_truncated": 20, "_head": '{"a": [1.5, 2.5, 3'}, {"a": []}),
        (None, "x"),
    ],
)
def test_the_comparison_finds_what_differs(recorded: object, actual: object) -> None:
    assert list(differences(recorded, actual))
