"""What happens when a write ends in doubt: no one knows whether the server did it, so the list is asked."""

import json

import pytest
from werkzeug import Request, Response

from backup_engine.errors import (
    CollectionExists,
    CollectionNotFound,
    NotFlushed,
    RequestRefused,
    ServerFault,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.vectorizer.server import VectorizerServer
from tests.engine.samples import configuration


class Fake:
    """A server of collections and aliases that can do what it is asked and answer 500 all the same."""

    def __init__(self, httpserver, *names: str):
        self.names = dict.fromkeys(names, 0)
        self.aliases: dict[str, str] = {}
        self.failures: list[str] = []
        self.calls: list[str] = []
        self.shows: dict[str, object] = {}
        httpserver.expect_request("/graphql").respond_with_handler(self._graphql)
        httpserver.expect_request("/qdrant/aliases").respond_with_handler(self._aliases)
        httpserver.expect_request("/stats").respond_with_json({"providers": []})
        for gone in ("/health", "/replication/status"):
            httpserver.expect_request(gone).respond_with_response(Response("", 404))
        httpserver.expect_request("/status").respond_with_handler(self._status)

    def change(self, httpserver, method, path, effect):
        """Let a request have an effect; ``failures`` decides when it answers 500: "before" it or "after" it."""

        def handle(request: Request) -> Response:
            self.calls.append(f"{method} {path}")
            instant = self.failures.pop(0) if self.failures else ""
            if instant == "before":
                return Response('{"error_type":"x","message":"broken"}', 500)
            refused = effect()
            if instant == "after":
                return Response('{"error_type":"x","message":"broken"}', 500)
            return refused or Response("{}")

        httpserver.expect_request(path, method=method).respond_with_handler(handle)

    def _status(self, request: Request) -> Response:
        return Response(json.dumps({"version": "3.5.0", "collections_count": len(self.names)}))

    def _graphql(self, request: Request) -> Response:
        if "collection(name" in request.get_json()["query"]:
            index = {"m": 16, "efConstruction": 200, "efSearch": 100}
            config = {"dimension": 8, "metric": "COSINE", "hnswConfig": index} | self.shows
            return Response(json.dumps({"data": {"collection": {"name": "docs", "config": config}}}))
        listed = [
            {"name": name, "vectorCount": count, "createdAt": "", "updatedAt": "", "config": {"dimension": 8}}
            for name, count in self.names.items()
        ]
        return Response(json.dumps({"data": {"collections": listed}}))

    def _aliases(self, request: Request) -> Response:
        entries = [{"alias_name": alias, "collection_name": name} for alias, name in self.aliases.items()]
        return Response(json.dumps({"aliases": entries}))


@pytest.fixture
def fake(httpserver) -> Fake:
    made = Fake(httpserver, "docs")
    made.change(httpserver, "DELETE", "/collections/docs", lambda: made.names.pop("docs", None) and None)
    made.change(
        httpserver, "POST", "/collections/docs/rename", lambda: made.names.update({"new": made.names.pop("docs")})
    )
    qdrant = {"quantization_config": {"scalar": {"type": "int8"}}}
    httpserver.expect_request("/qdrant/collections/fresh", method="GET").respond_with_json({
        "result": {"config": qdrant}
    })
    httpserver.expect_request("/collections/fresh", method="GET").respond_with_json({})
    made.change(httpserver, "PUT", "/qdrant/collections/fresh", lambda: made.names.update({"fresh": 0}))
    made.change(httpserver, "DELETE", "/collections/fresh", lambda: made.names.pop("fresh") and None)
    made.change(httpserver, "POST", "/qdrant/collections/aliases", lambda: made.aliases.update({"a": "docs"}))
    return made


@pytest.fixture
def server(client) -> VectorizerServer:
    return VectorizerServer(client)


CHANGES = {
    "create": (lambda server: server.create_collection("fresh", configuration()), "PUT /qdrant/collections/fresh"),
    "delete": (lambda server: server.delete_collection("docs"), "DELETE /collections/docs"),
    "rename": (lambda server: server.rename_collection("docs", "new"), "POST /collections/docs/rename"),
    "alias": (lambda server: server.create_alias("a", "docs"), "POST /qdrant/collections/aliases"),
}


@pytest.mark.parametrize(("act", "call"), CHANGES.values(), ids=CHANGES)
def test_what_was_done_although_it_failed_is_not_done_twice(fake, server, act, call):
    fake.failures = ["after"]
    act(server)
    assert fake.calls == [call]


@pytest.mark.parametrize(("act", "call"), CHANGES.values(), ids=CHANGES)
def test_what_was_not_done_is_done_again(fake, server, act, call):
    fake.failures = ["before", "before"]
    act(server)
    assert fake.calls == [call] * 3


@pytest.mark.parametrize(("act", "call"), CHANGES.values(), ids=CHANGES)
def test_doing_again_is_bounded(fake, make_client, act, call):
    fake.failures = ["before"] * 99
    with pytest.raises(ServerFault):
        act(VectorizerServer(make_client(attempts=3)))
    assert fake.calls == [call] * 3


def test_a_taken_name_is_taken(fake, server, httpserver):
    taken = {"error_type": "collection_already_exists", "message": "collection 'taken' already exists"}
    httpserver.expect_request("/qdrant/collections/taken").respond_with_json(taken, status=409)
    with pytest.raises(CollectionExists, match="already exists"):
        server.create_collection("taken", configuration())


def test_a_collection_that_came_out_differently_is_deleted_again(fake, server):
    fake.shows = {"metric": "EUCLIDEAN"}
    with pytest.raises(
        Unsupported, match=r"3\.5\.0 created it otherwise \(metric: cosine was asked for, euclidean was made\)"
    ):
        server.create_collection("fresh", configuration())
    assert "fresh" not in fake.names


@pytest.mark.parametrize(
    "act",
    [
        lambda server: server.delete_collection("ghost"),
        lambda server: server.rename_collection("ghost", "new"),
        lambda server: server.delete_records("ghost", ["a"]),
        lambda server: server.retrieve("ghost", ["a"]),
    ],
)
def test_a_name_the_list_does_not_have_is_never_sent(fake, server, act):
    fake.aliases = {"ghost": "docs"}  # deleting or renaming an alias would hit the collection behind it
    with pytest.raises(CollectionNotFound, match="does not list the collection 'ghost'"):
        act(server)
    assert fake.calls == []


def test_deleting_a_collection_named_cleanup_never_deletes_all_empty_ones(fake, server, httpserver):
    fake.names = {"cleanup": 1, "empty": 1}
    for name in ("cleanup", "empty"):
        fake.change(httpserver, "DELETE", f"/collections/{name}", lambda: pytest.fail("the wrong route"))
        fake.change(httpserver, "DELETE", f"/qdrant/collections/{name}", lambda: None)
        server.delete_collection(name)
    assert fake.calls == ["DELETE /qdrant/collections/cleanup", "DELETE /qdrant/collections/empty"]


@pytest.mark.parametrize("new_name", ["a/b", " a", "a ", ""])
def test_names_the_server_renames_to_only_by_half_are_refused(fake, server, new_name):
    with pytest.raises(Unsupported, match="restore such a collection in place"):
        server.rename_collection("docs", new_name)
    assert fake.calls == []


def test_a_server_that_cannot_rename_is_named_with_its_version(fake, server, httpserver):
    fake.names = {"old": 1}
    httpserver.expect_request("/collections/old/rename").respond_with_response(Response("", 404))
    with pytest.raises(Unsupported, match=r"Vectorizer 3\.5\.0 .* cannot rename .*restore into new names"):
        server.rename_collection("old", "new")


def test_forgetting_a_missing_alias_sends_nothing(fake, server):
    server.delete_alias("nobody")
    assert fake.calls == []


# ------------------------------------------------------------------ flush


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "flushed": False, "message": "Refusing to overwrite vectorizer.vecdb"},
        {"success": True, "message": "saved"},
        {"success": True, "flushed": "true", "message": "saved"},
    ],
)
def test_only_flushed_true_is_flushed(fake, server, httpserver, answer):
    httpserver.expect_request("/collections/docs/force-save").respond_with_json(answer)
    with pytest.raises(NotFlushed, match=answer["message"]):
        server.flush()


def test_a_flush_goes_through_a_listed_collection_with_a_plain_name(fake, server, httpserver):
    fake.names = {"..": 1, "cleanup": 1, "docs": 1}
    httpserver.expect_request("/collections/docs/force-save").respond_with_json({"flushed": True})
    server.flush()


def test_a_flush_of_nothing_is_not_confirmed(fake, server):
    fake.names = {}
    with pytest.raises(NotFlushed, match="lists no collection"):
        server.flush()


def test_a_flush_before_the_prefix_went_is_asked_for_there(fake, server, httpserver):
    httpserver.expect_request("/collections/docs/force-save").respond_with_response(Response("", 404))
    httpserver.expect_request("/api/collections/docs/force-save").respond_with_json({"flushed": True})
    server.flush()


# ------------------------------------------------------------------ deleting records


def deletion(httpserver, *results):
    answer = {"collection": "docs", "count": len(results), "results": list(results)}
    httpserver.expect_request("/batch_delete").respond_with_json(answer)


def test_missing_records_are_fine(fake, server, httpserver):
    deletion(httpserver, {"id": "a", "status": "ok"}, {"id": "b", "status": "error", "error": "Vector not found: b"})
    server.delete_records("docs", ["a", "b"])


def test_a_record_that_could_not_be_deleted_is_named(fake, server, httpserver):
    deletion(httpserver, {"id": "a", "status": "error", "error": "index is locked"})
    with pytest.raises(RequestRefused, match="'a' was not deleted: index is locked"):
        server.delete_records("docs", ["a"])


def test_a_collection_gone_in_between_is_not_found(fake, server, httpserver):
    deletion(httpserver, {"id": "a", "status": "error", "error": "Collection not found: docs"})
    with pytest.raises(CollectionNotFound):
        server.delete_records("docs", ["a"])


def test_a_result_too_few_is_no_success(fake, server, httpserver):
    deletion(httpserver, {"id": "a", "status": "ok"})
    with pytest.raises(UnexpectedAnswer, match="2 results were expected"):
        server.delete_records("docs", ["a", "b"])
