"""Snapshots over HTTP: none is asked of what would come out empty, none is overwritten, old servers say so."""

from __future__ import annotations

import pytest
from werkzeug import Response

from backup_engine.errors import CollectionNotFound, ServerFault, SnapshotNotFound, UnexpectedAnswer, Unsupported
from backup_engine.vectorizer.snapshots import Snapshots

LIST = [{"id": "20261122T141822Z", "collection": "docs", "size_bytes": 980}]


@pytest.fixture
def asked(httpserver):
    """The names a snapshot was asked of."""
    names = [
        {"name": name, "vectorCount": 1, "createdAt": "", "updatedAt": "", "config": {"dimension": 8}}
        for name in ("docs", "/etc/docs")
    ]
    httpserver.expect_request("/graphql").respond_with_json({"data": {"collections": names}})
    httpserver.expect_request("/status").respond_with_json({"version": "3.5.0", "collections_count": 2})
    httpserver.expect_request("/collections/docs/snapshots").respond_with_json({"snapshots": LIST})
    return httpserver


def taking(httpserver, answer: object, status: int = 200) -> None:
    httpserver.expect_request("/collections/docs/snapshot", method="POST").respond_with_json(answer, status=status)


@pytest.mark.parametrize(
    ("created_at", "rest"),
    [
        ("2026-11-22T14:18:22.816287960+00:00", 0.184),
        ("2026-11-22T14:18:22.000000001+00:00", 1.0),
        ("2026-11-22T14:18:22+00:00", 1.0),
        (None, 1.0),
    ],
)
def test_it_waits_until_no_other_snapshot_can_get_the_same_id(asked, client, created_at, rest):
    taking(asked, {"id": "20261122T141822Z", "created_at": created_at})
    pauses: list[float] = []
    assert Snapshots(client, pauses.append).take("docs") == "20261122T141822Z"
    assert len(pauses) == 1
    assert rest < pauses[0] < rest + 0.1


@pytest.mark.parametrize("name", ["ghost", "docs "])
def test_none_is_taken_of_a_name_the_list_does_not_have(asked, client, name):
    with pytest.raises(CollectionNotFound, match="does not list"):
        Snapshots(client).take(name)
    assert not [request for request, _ in asked.log if request.path.endswith("/snapshot")]


def test_none_is_taken_of_a_name_that_would_be_a_path_of_the_servers_machine(asked, client):
    with pytest.raises(Unsupported, match="outside of its data directory"):
        Snapshots(client).take("/etc/docs")
    assert asked.log == []


def test_an_answer_without_an_id_is_no_snapshot(asked, client):
    taking(asked, {"status": "ok"})
    with pytest.raises(UnexpectedAnswer, match="id was expected"):
        Snapshots(client).take("docs")


def test_an_attempt_that_may_have_worked_is_not_repeated(asked, client):
    """The first may still be writing the file that the second would write."""
    taking(asked, {"error_type": "storage_error", "message": "broken"}, status=500)
    with pytest.raises(ServerFault):
        Snapshots(client).take("docs")
    assert len([request for request, _ in asked.log if request.path.endswith("/snapshot")]) == 1


def test_a_server_without_snapshots_names_its_version_and_the_ways_that_remain(asked, client):
    asked.expect_request("/collections/docs/snapshot").respond_with_response(Response("", 404))
    for gone in ("/health", "/replication/status", "/stats"):
        asked.expect_request(gone).respond_with_response(Response("", 404))
    with pytest.raises(Unsupported, match=r"3\.5\.0 .*takes no snapshots .*another name, or with mode merge"):
        Snapshots(client).take("docs")
    asked.expect_request("/collections/notes/snapshots").respond_with_response(Response("", 404))
    assert Snapshots(client).listed("notes") == ()


def test_one_that_is_not_listed_is_never_put_back(asked, client):
    with pytest.raises(SnapshotNotFound, match="any more"):
        Snapshots(client).restore("docs", "20200101T000000Z")
    assert not [request for request, _ in asked.log if request.path.endswith("/restore")]


@pytest.mark.parametrize("entry", [{"id": "x"}, {"size_bytes": 3}, {"id": 5, "size_bytes": 3}])
def test_a_list_that_is_not_understood_is_no_list(httpserver, client, entry):
    httpserver.expect_request("/collections/odd/snapshots").respond_with_json({"snapshots": [entry]})
    with pytest.raises(UnexpectedAnswer, match="id and size"):
        Snapshots(client).listed("odd")
