"""A server that has just started is never asked for a collection by name on the word of an older list."""

from __future__ import annotations

import json

import pytest

from backup_engine.errors import ServerLoading, ServerUnavailable
from backup_engine.vectorizer.exchange import Request
from backup_engine.vectorizer.same_life import names_a_collection, require_same_life
from backup_engine.vectorizer.state import list_collections
from tests.vectorizer.raw_server import RawServer


@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        ("/collections/docs", None, True),
        ("/api/collections/docs/force-save", b"{}", True),
        ("/qdrant/collections/a%2Fb/points/scroll", b"{}", True),
        ("/graphql", b'{"query": "query($n:String!)", "variables": {"n": "docs"}}', True),
        ("/collections", None, False),
        ("/qdrant/aliases", None, False),
        ("/qdrant/collections/aliases", b"{}", False),
        ("/graphql", b'{"query": "query{collections{name}}", "variables": {}}', False),
        ("/status", None, False),
        ("/backups/create", b"{}", True),
        ("/api/backups/restore", b"{}", True),
        ("/backups", None, False),
    ],
)
def test_what_names_a_collection(path, body, names):
    assert names_a_collection(Request("http://host", "POST", path, body, 1.0)) is names


@pytest.mark.parametrize(("uptime", "same"), [(0, False), (4, False), (5, True), (5.5, True), (None, True)])
def test_a_server_that_is_up_for_less_than_the_list_is_old_was_started_since(uptime, same):
    if same:
        require_same_life("GET /collections/docs", {"uptime_seconds": uptime}, 5.0)
        return
    with pytest.raises(ServerLoading, match="started again since it listed its collections"):
        require_same_life("GET /collections/docs", {"uptime_seconds": uptime}, 5.0)


@pytest.fixture
def listed(httpserver, make_client, time):
    """A client that has listed a server, which then is up for as long as a test says."""

    def client(uptime: float, **settings):
        empty = {"data": {"collections": []}}
        httpserver.expect_ordered_request("/graphql").respond_with_json(empty)
        httpserver.expect_ordered_request("/status").respond_with_json({"collections_count": 0})
        made = make_client(**settings)
        list_collections(made)
        httpserver.expect_request("/status").respond_with_json({"uptime_seconds": uptime})
        return made

    return client


def test_after_a_long_pause_a_server_that_has_restarted_is_not_asked_by_name(httpserver, listed, time):
    client = listed(uptime=3)
    time.now += 60
    with pytest.raises(ServerLoading):
        client.get("/collections/docs")
    assert [request.path for request, _ in httpserver.log][-1] == "/status"


def test_after_a_long_pause_a_server_that_has_not_restarted_is_asked(httpserver, listed, time):
    client = listed(uptime=3600)
    httpserver.expect_request("/collections/docs").respond_with_json({})
    time.now += 60
    assert json.loads(client.get("/collections/docs").body) == {}


def test_without_a_pause_nothing_more_is_asked(httpserver, listed):
    client = listed(uptime=0)
    httpserver.expect_request("/collections/docs").respond_with_json({})
    client.get("/collections/docs")
    assert [request.path for request, _ in httpserver.log] == ["/graphql", "/status", "/collections/docs"]


def test_a_broken_connection_is_not_repeated_by_name_before_the_server_is_known_to_be_the_same(make_client):
    server = RawServer(b"")
    try:
        client = make_client(server.url, attempts=2)
        client.listing()
        with pytest.raises(ServerUnavailable):
            client.get("/collections/docs")
        asked = [request.split(b" ")[1] for request in server.requests]
    finally:
        server.stop()
    assert asked == [b"/collections/docs", b"/status", b"/status"]
