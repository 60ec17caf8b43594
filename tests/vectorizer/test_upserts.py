import json

import numpy as np
import pytest
from werkzeug import Request, Response

from backup_engine.archive.batches import make_batch
from backup_engine.errors import CollectionNotFound, InvalidInput, RequestRefused, TooLarge, UnexpectedAnswer
from backup_engine.vectorizer.upserts import Upserter


class Graphql:
    """Lists one collection of 2 dimensions, takes upserts up to a size, and keeps what it took."""

    def __init__(self, httpserver, limit=1 << 30, listed=("docs",)):
        self.limit = limit
        self.listed = listed
        self.taken: list[list[dict]] = []
        self.bodies: list[int] = []
        self.answer: dict | None = None
        httpserver.expect_request("/graphql").respond_with_handler(self._handle)
        httpserver.expect_request("/status").respond_with_json({"version": "3.5.0", "collections_count": len(listed)})

    def _handle(self, request: Request) -> Response:
        body = request.get_json()
        if "collections{" in body["query"]:
            listed = [
                {"name": name, "vectorCount": 0, "createdAt": "", "updatedAt": "", "config": {"dimension": 2}}
                for name in self.listed
            ]
            return self._json({"data": {"collections": listed}})
        self.bodies.append(request.content_length or 0)
        if (request.content_length or 0) > self.limit:
            return Response("length limit exceeded", 413)
        self.taken.append(body["variables"]["i"]["vectors"])
        done = {"success": True, "message": None, "affectedCount": len(self.taken[-1])}
        return self._json(self.answer or {"data": {"upsertVectors": done}})

    @staticmethod
    def _json(value) -> Response:
        return Response(json.dumps(value), content_type="application/graphql-response+json")


def records(number, payload='{"a":1}', first=0):
    ids = [f"r{place}" for place in range(first, first + number)]
    return make_batch(ids, np.full((number, 2), 0.5, np.float32), [payload] * number)


def test_ids_vectors_and_payloads_arrive_as_they_are(httpserver, client):
    graphql = Graphql(httpserver)
    vectors = np.array([[0.1, -0.0], [1e-30, 3.0]], np.float32)
    Upserter(client).upsert("docs", make_batch(['"id"\n😀', ""], vectors, ['{"big":12345678901234567890}', None]))
    first, second = graphql.taken[0]
    assert first == {"id": '"id"\n😀', "data": [0.1, -0.0], "payload": {"big": 12345678901234567890}}
    assert second == {"id": "", "data": [1e-30, 3]}
    assert np.array([first["data"], second["data"]], np.float32).tobytes() == vectors.tobytes()


def test_no_request_is_larger_than_allowed_and_every_record_is_sent_once(httpserver, make_client):
    graphql = Graphql(httpserver)
    Upserter(make_client(batch_bytes=2_000)).upsert("docs", records(500))
    assert max(graphql.bodies) <= 2_000 + 300
    assert [record["id"] for taken in graphql.taken for record in taken] == [f"r{place}" for place in range(500)]


def test_no_request_holds_more_records_than_the_server_inserts_in_time(httpserver, make_client):
    graphql = Graphql(httpserver)
    Upserter(make_client(batch_records=7)).upsert("docs", records(20))
    assert [len(taken) for taken in graphql.taken] == [7, 7, 6]


def test_what_is_too_large_is_halved_and_the_size_remembered(httpserver, client):
    graphql = Graphql(httpserver, limit=3_000)
    upserter = Upserter(client)
    upserter.upsert("docs", records(400))
    assert [record["id"] for taken in graphql.taken for record in taken] == [f"r{place}" for place in range(400)]
    refused = sum(size > 3_000 for size in graphql.bodies)
    upserter.upsert("docs", records(400, first=400))
    assert sum(size > 3_000 for size in graphql.bodies) <= refused + 2


def test_a_record_that_alone_is_too_large_is_named(httpserver, client):
    Graphql(httpserver, limit=3_000)
    with pytest.raises(TooLarge, match=r"docs: record 'r0' alone makes a request of .*raise its limit"):
        Upserter(client).upsert("docs", records(2, json.dumps("x" * 5_000)))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (make_batch(["a"], np.ones((1, 3), np.float32), [None]), "3 components were given, the collection has 2"),
        (make_batch(["a", "b"], np.array([[1, 1], [np.nan, 1]], np.float32), [None] * 2), "1 record .*: 'b'"),
        (make_batch(["a"], np.array([[np.inf, 1]], np.float32), [None]), "no finite numbers"),
        (make_batch(["a", "b", "a"], np.ones((3, 2), np.float32), [None] * 3), "twice in one batch: 'a'"),
        (make_batch(["a"], np.ones((1, 2), np.float32), ['1}],"collection":"other","x":[{"a":1']), "is no JSON"),
        (make_batch(["a"], np.ones((1, 2), np.float32), ["NaN"]), "is no JSON"),
    ],
)
def test_what_the_server_would_refuse_after_deleting_is_never_sent(httpserver, client, batch, message):
    graphql = Graphql(httpserver)
    with pytest.raises(InvalidInput, match=message):
        Upserter(client).upsert("docs", batch)
    assert graphql.taken == []


def test_a_collection_the_list_does_not_have_is_never_asked_for(httpserver, client):
    graphql = Graphql(httpserver, listed=("other",))
    with pytest.raises(CollectionNotFound, match="does not list the collection 'docs'"):
        Upserter(client).upsert("docs", records(1))
    assert graphql.bodies == []


def test_an_answer_that_counts_otherwise_is_no_success(httpserver, client):
    graphql = Graphql(httpserver)
    graphql.answer = {"data": {"upsertVectors": {"success": True, "affectedCount": 2}}}
    with pytest.raises(UnexpectedAnswer, match=r"was sent 3 records and answered .*2"):
        Upserter(client).upsert("docs", records(3))


def test_errors_under_200_are_errors(httpserver, client):
    graphql = Graphql(httpserver)
    graphql.answer = {"data": None, "errors": [{"message": "Failed to upsert vectors: Invalid dimension"}]}
    with pytest.raises(RequestRefused, match="Invalid dimension"):
        Upserter(client).upsert("docs", records(3))


def test_nothing_to_write_asks_for_nothing(client):
    Upserter(client).upsert("docs", records(0))
