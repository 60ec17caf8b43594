"""The fault proxy: every byte comes through until a rule says otherwise, and then exactly that happens."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from services.fault_proxy import FaultProxy
from services.proxying.rules import ACCESS_DENIED, SLOW_DOWN, Rule, Seen
from services.waiting import poll
from tests.services.keeper import Keeper, keeper

BODY = os.urandom(300_000)
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture(scope="module")
def server() -> Iterator[Keeper]:
    with keeper() as server:
        yield server


@pytest.fixture
def proxy(server: Keeper) -> Iterator[FaultProxy]:
    server.kept = {"/there": BODY, "/chunked": BODY, "/endless": BODY}
    with FaultProxy(server.url) as proxy:
        yield proxy


def put(proxy: FaultProxy, path: str, body: object = BODY, timeout: float = 5) -> requests.Response:
    return requests.put(proxy.url + path, data=body, timeout=timeout)


def get(proxy: FaultProxy, path: str, timeout: float = 5) -> bytes:
    return requests.get(proxy.url + path, timeout=timeout).content


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    with pytest.raises(kinds):
        yield


@pytest.mark.parametrize("path", ["/there", "/chunked", "/endless"])
def test_every_byte_of_an_answer_comes_through_however_its_end_is_told(proxy, path):
    assert get(proxy, path) == BODY


@pytest.mark.parametrize("body", [BODY, b"", "chunked"], ids=["counted", "empty", "chunked"])
def test_every_byte_of_a_request_comes_through_with_the_host_the_client_named(server, proxy, body):
    given = iter([BODY[:7], BODY[7:]]) if body == "chunked" else body
    assert put(proxy, "/new", given).text == "kept"
    assert server.kept["/new"] == (BODY if body == "chunked" else body)
    assert server.hosts[-1] == proxy.url.removeprefix("http://")


def test_a_connection_is_kept_for_many_requests_and_bytes_are_counted_each_way(server, proxy):
    before = server.connections
    with requests.Session() as session:
        for _ in range(5):
            assert session.get(f"{proxy.url}/there", timeout=5).content == BODY
            assert session.put(f"{proxy.url}/new", data=BODY, timeout=5).ok
        assert session.head(f"{proxy.url}/there", timeout=5).headers["content-length"] == str(len(BODY))
        assert session.get(f"{proxy.url}/missing", timeout=5).status_code == 404
    assert server.connections == before + 1
    assert [seen.status for seen in proxy.requests()] == [200] * 11 + [404]
    poll(lambda: all(seen.whole for seen in proxy.requests()), "the proxy to have seen the end of the last", 60, 0.01)
    assert 5 * len(BODY) < proxy.bytes_up() < 5 * len(BODY) + 12 * 400
    assert 5 * len(BODY) < proxy.bytes_down() < 5 * len(BODY) + 12 * 400


@pytest.mark.parametrize(("path", "answer"), [("/new", "kept"), ("/refused", "no")])
def test_a_client_that_waits_for_leave_to_send_its_body_gets_it_or_is_refused(server, proxy, path, answer):
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=5)
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(len(BODY)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    if path == "/new":
        assert connection.sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(BODY)
    assert connection.getresponse().read().decode() == answer
    assert (server.kept.get(path) == BODY) == (path == "/new")
    connection.close()


def test_a_client_that_waits_for_leave_is_refused_by_the_proxy_too(server, proxy):
    proxy.place(Rule("answer", method="PUT"))
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=5)
    connection.request("PUT", "/new", headers={"Content-Length": "5", "Expect": "100-continue"})
    assert connection.getresponse().status == 503
    assert "/new" not in server.kept
    connection.close()


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("size", [0, 1, 100_000, len(BODY) - 1])
def test_a_request_that_is_cut_has_no_effect(server, proxy, size, reset):
    proxy.place(Rule("cut", size=size, reset=reset))
    with refusing(*BROKEN):
        put(proxy, "/new")
    assert "/new" not in server.kept
    assert size <= proxy.bytes_up() < size + 400
    assert put(proxy, "/new").ok


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("path", ["/there", "/chunked"])
def test_an_answer_that_is_cut_is_noticed_by_the_client(proxy, path, reset):
    proxy.place(Rule("cut", "response", path=path, size=100_000, reset=reset))
    with refusing(*BROKEN):
        get(proxy, path)
    assert not proxy.requests()[0].whole
    assert 100_000 <= proxy.bytes_down() < 100_400
    assert get(proxy, path) == BODY


@pytest.mark.parametrize(("side", "kept"), [("request", False), ("response", True)])
def test_a_request_is_dropped_before_its_effect_or_the_answer_after_it(server, proxy, side, kept):
    proxy.place(Rule("drop", side))
    with refusing(*BROKEN):
        put(proxy, "/new")
    assert (server.kept.get("/new") == BODY) == kept
    assert [seen.status for seen in proxy.requests()] == [None]


@pytest.mark.parametrize(("side", "kept"), [("request", False), ("response", True)])
def test_something_else_is_answered_before_the_effect_or_after_it(server, proxy, side, kept):
    proxy.place(Rule("answer", side, answer=ACCESS_DENIED))
    with requests.Session() as session:
        refused = session.put(f"{proxy.url}/new", data=BODY, timeout=5)
        assert (refused.status_code, "<Code>AccessDenied</Code>" in refused.text) == (403, True)
        assert (server.kept.get("/new") == BODY) == kept
        assert session.get(f"{proxy.url}/there", timeout=5).content == BODY


@pytest.mark.parametrize("at", [0, 100_001, len(BODY) - 1])
def test_one_bit_is_changed_in_either_direction_and_nothing_else(server, proxy, at):
    flipped = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    proxy.place(Rule("flip", "response", method="GET", size=at), Rule("flip", method="PUT", size=at))
    assert get(proxy, "/there") == flipped
    put(proxy, "/new")
    assert server.kept["/new"] == flipped


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize("size", [0, 1000])
def test_a_stall_outlasts_a_client_that_waits_less(proxy, side, size):
    proxy.place(Rule("stall", side, size=size, seconds=30))
    with refusing(requests.ReadTimeout, requests.ConnectionError):
        requests.get(f"{proxy.url}/there", data=BODY, timeout=0.2)
    proxy.clear()
    assert get(proxy, "/there") == BODY


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_short_delay_and_a_drip_only_take_time(server, proxy, side):
    delay, drip = Rule("stall", side, seconds=0.2), Rule("drip", side, path="/small", size=10, seconds=0.02)
    proxy.place(delay, drip)
    began = time.monotonic()
    assert put(proxy, "/new").ok
    server.kept["/small"] = BODY[:100]
    assert requests.get(f"{proxy.url}/small", data=BODY[:100], timeout=5).content == BODY[:100]
    assert time.monotonic() - began > 0.2
    assert proxy.applied() == [1, 1]


def statuses(proxy: FaultProxy, requests_made: int) -> list[int]:
    for _ in range(requests_made):
        requests.get(f"{proxy.url}/there", timeout=5)
    return [seen.status for seen in proxy.requests()]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (Rule("answer"), "x....."),
        (Rule("answer", nth=3, times=2), "..xx.."),
        (Rule("answer", times=10**6), "xxxxxx"),
        (Rule("answer", times=2, of=3), "xx.xx."),
        (Rule("answer", nth=2, of=2), ".x.x.x"),
        (Rule("answer", method="PUT"), "......"),
        (Rule("answer", path="/there$", header=r"(?m)^user-agent: .*requests"), "x....."),
        (Rule("answer", header="no such line"), "......"),
    ],
)
def test_a_rule_says_which_requests_it_is_for(proxy, rule, found):
    proxy.place(rule)
    assert statuses(proxy, 6) == [SLOW_DOWN.status if mark == "x" else 200 for mark in found]
    assert proxy.applied() == [found.count("x")]


def test_somebody_else_does_something_just_before_a_request(server, proxy):
    def other(seen: Seen) -> None:
        server.kept[seen.target] = b"theirs"

    proxy.place(Rule("meanwhile", path="/other", nth=2, action=other))
    assert [get(proxy, "/other") for _ in range(2)] == [b"nothing", b"theirs"]


def test_a_server_that_is_gone_ends_the_connection_and_not_the_proxy(proxy):
    with keeper() as mortal:
        mortal.kept["/there"] = BODY
        with FaultProxy(mortal.url) as before_it, requests.Session() as session:
            assert session.get(f"{before_it.url}/there", timeout=5).content == BODY
            mortal.shutdown()
            mortal.server_close()
            with refusing(*BROKEN):
                get(before_it, "/there")
    assert get(proxy, "/there") == BODY


def test_a_proxy_that_ends_leaves_nobody_waiting(server):
    with FaultProxy(server.url) as proxy:
        proxy.place(Rule("stall", seconds=600))
        connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=5)
        connection.request("GET", "/there")
        poll(lambda: proxy.applied() == [1], "the request to be held up", 60, 0.01)
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()
