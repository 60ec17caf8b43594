"""Of a machine that cannot be reached it is said which part of the way is broken."""

import errno
import socket
from contextlib import ExitStack

import pytest

from backup_engine.diagnosis.network import Endpoint, connection_trouble, endpoint_of, name_trouble, reach
from backup_engine.findings import Level


@pytest.fixture
def listening():
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_what_listens_can_be_reached(listening):
    probe = reach(Endpoint("the server", "localhost", listening))
    assert (probe.level, probe.remedy) == (Level.OK, "")
    assert f"accepts connections at port {listening}" in probe.found


def test_a_port_at_which_nobody_listens_refuses():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    probe = reach(Endpoint("the server", "127.0.0.1", port))
    assert probe.level is Level.MISSING
    assert f"port {port} refuses connections" in probe.found
    assert "nothing listens there" in probe.remedy


def test_a_machine_that_says_nothing_is_not_one_that_refuses():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as waiting:
        port = server.getsockname()[1]
        for _ in range(3):  # nobody accepts these: the kernel drops whoever comes after them
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        probe = reach(Endpoint("the server", "127.0.0.1", port), seconds=0.5)
    assert "does not answer within 0.5 s" in probe.found
    assert "firewall" in probe.remedy


def test_a_name_that_nobody_has_is_said_to_be_unknown_or_not_to_be_looked_up():
    probe = reach(Endpoint("the server", "nobody.invalid", 80))
    assert probe.level is Level.MISSING
    assert "knows no machine of this name" in probe.found or "name service" in probe.found


@pytest.mark.parametrize("name", ["a..b", "x" * 64])
def test_a_name_that_can_be_none_is_unknown(name):
    assert "knows no machine of this name" in reach(Endpoint("the server", name, 80)).found


def test_a_name_service_that_is_down_is_another_trouble_than_an_unknown_name():
    known = name_trouble("it", socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    down = name_trouble("it", socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    assert "knows no machine of this name" in known.found
    assert "does not answer" in down.found
    assert known.remedy != down.remedy


def test_no_way_there_is_said_with_the_reason():
    probe = connection_trouble("it", OSError(errno.ENETUNREACH, "Network is unreachable"), 5.0)
    assert "cannot be reached: Network is unreachable" in probe.found
    assert "no way there" in probe.remedy


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://server:15002", "server", 15002),
        ("https://server/behind/a/proxy", "server", 443),
        ("http://server", "server", 80),
        ("http://[::1]:15002", "::1", 15002),
    ],
)
def test_an_address_names_where_connections_go(url, host, port, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert endpoint_of("it", url) == Endpoint("it", host, port)


def test_through_a_proxy_it_is_the_proxy_that_has_to_be_reached(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert endpoint_of("it", "https://s3.example") == Endpoint("it", "proxy.example", 3128, proxied=True)
    assert endpoint_of("it", "https://inside.example") == Endpoint("it", "inside.example", 443)


@pytest.mark.parametrize("url", ["nonsense", "http://server:99999", "memory://store"])
def test_an_address_that_names_no_port_is_not_tried(url):
    assert endpoint_of("it", url) is None
