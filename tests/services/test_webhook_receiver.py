"""The receiver keeps each call, and answers what it was told to answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from services.webhook_receiver import SILENCE, Answer, WebhookReceiver


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


def post(receiver: WebhookReceiver, path: str = "/hook", timeout: float = 5) -> int:
    return requests.post(f"{receiver.url}{path}", json={"say": "ü"}, timeout=timeout).status_code


def test_a_call_is_kept_with_all_that_was_said(receiver):
    assert post(receiver, "/hook?who=me") == 200
    (call,) = receiver.wait_for(1, 5)
    assert (call.method, call.path, call.query, call.json) == ("POST", "/hook", "who=me", {"say": "ü"})
    assert call.headers["content-type"] == "application/json"
    assert receiver.said("/hook") == [{"say": "ü"}]
    assert receiver.said("/other") == []
    receiver.clear()
    assert receiver.requests == []


def test_answers_are_given_in_order_and_to_their_path_only(receiver):
    receiver.answer(Answer(500), times=2)
    receiver.answer(Answer(429, b"slowly", {"Retry-After": "1"}), "/slow")
    assert [post(receiver) for _ in range(4)] == [500, 500, 200, 200]
    said = requests.get(f"{receiver.url}/slow", timeout=5)
    assert (said.status_code, said.text, said.headers["Retry-After"]) == (429, "slowly", "1")
    assert post(receiver, "/slow") == 200


def test_silence_outlasts_a_caller_and_holds_up_nobody_else(receiver):
    receiver.answer(SILENCE, "/silent")
    with pytest.raises(requests.ReadTimeout):
        post(receiver, "/silent", timeout=0.2)
    assert post(receiver) == 200
    assert len(receiver.said("/silent")) == 1


def test_a_receiver_that_stops_leaves_nobody_waiting_and_starts_again_where_it_was():
    receiver = WebhookReceiver()
    with receiver, ThreadPoolExecutor(1) as pool:
        receiver.answer(SILENCE)
        waiting = pool.submit(post, receiver)
        receiver.wait_for(1, 5)
        receiver.stop()
        with pytest.raises(requests.ConnectionError):
            waiting.result(5)
        with pytest.raises(requests.ConnectionError):
            post(receiver)
        receiver.start()
        assert post(receiver) == 200


def test_a_wait_ends_with_what_has_come(receiver):
    post(receiver, "/seen")
    with pytest.raises(TimeoutError, match="path='/seen'"):
        receiver.wait_for(lambda calls: any(call.path == "/unseen" for call in calls), 0.05)
