"""Pages that begin at a number, from servers that move, cap, cut and lie; and finding the way to read."""

import json

import pyarrow as pa
import pytest
from werkzeug import Response

from backup_engine.errors import (
    AuthenticationFailed,
    CollectionMoved,
    CollectionNotFound,
    ServerFault,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.model import CollectionState, ReadWay
from backup_engine.vectorizer.offset_pages import GraphqlPages, ListPages
from backup_engine.vectorizer.server import VectorizerServer


def state(count):
    return CollectionState(name="docs", vectors=count, dimension=2, created_at="", updated_at="")


def records(count, first=0):
    return [{"id": f"r{n}", "vector": [0.5, float(n)], "payload": {"n": n}} for n in range(first, first + count)]


class Paged:
    """One collection, "docs", in pages of either kind, which a test may change between pages."""

    def __init__(self, httpserver, held) -> None:
        self.held = held
        self.cap = 50
        self.pages = []
        self.before_page = lambda page: None
        httpserver.expect_request("/status").respond_with_json({"version": "3.5.0"})
        httpserver.expect_request("/collections/docs").respond_with_json({"size": {"payload_bytes": 7}})
        httpserver.expect_request("/collections/docs/vectors").respond_with_handler(self._list)
        httpserver.expect_request("/graphql").respond_with_handler(self._graphql)

    def _shown(self, offset, limit):
        self.pages.append((offset, limit))
        self.before_page(len(self.pages))
        return self.held[offset : offset + limit]

    def _list(self, request):
        offset, limit = int(request.args["offset"]), min(self.cap, int(request.args["limit"]))
        return Response(json.dumps({"vectors": self._shown(offset, limit), "total": len(self.held)}))

    def _graphql(self, request):
        asked = request.get_json()["variables"].get("i")
        if asked is None:
            return Response('{"data":{"__typename":"QueryRoot"}}')
        shown = self._shown(int(asked["cursor"]), asked["limit"])
        return Response(json.dumps({"data": {"vectors": {"items": shown, "totalCount": len(self.held)}}}))


@pytest.fixture(params=[GraphqlPages, ListPages])
def pages(request, client):
    return request.param(client)


def ids(reading):
    return [key for batch in reading.batches for key in batch.column("id").to_pylist()]


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 2345])
def test_every_record_comes_once_in_as_few_pages_as_the_cap_allows(httpserver, pages, count):
    paged = Paged(httpserver, records(count))
    reading = pages.read(state(count))
    assert paged.pages == []
    assert ids(reading) == [f"r{n}" for n in range(count)]
    assert len(paged.pages) == reading.pages == max(1, -(-count // pages.cap))


def test_large_records_come_in_smaller_pages(httpserver, make_client):
    paged = Paged(httpserver, records(100))
    assert len(ids(GraphqlPages(make_client(page_bytes=5_000)).read(state(100)))) == 100
    assert len(paged.pages) > 1


def test_a_server_that_gives_fewer_than_were_asked_for_is_asked_on(httpserver, client):
    paged = Paged(httpserver, records(100))
    paged.cap = 7
    assert len(ids(ListPages(client).read(state(100)))) == 100


def test_what_was_to_be_one_page_and_is_not_is_no_moment(httpserver, pages):
    paged = Paged(httpserver, records(40))
    reading = pages.read(state(40))
    assert reading.pages == 1
    paged.held += records(1000, first=40)
    with pytest.raises(CollectionMoved, match="40 records were counted"):
        ids(reading)


def test_a_listing_without_an_end_ends(httpserver, pages):
    paged = Paged(httpserver, records(2000))
    paged.before_page = lambda page: paged.held.extend(records(1000, first=len(paged.held)))
    with pytest.raises(CollectionMoved, match="no end to it"):
        ids(pages.read(state(2000)))


def test_a_page_without_records_before_the_end_ends(httpserver, client):
    httpserver.expect_request("/collections/docs").respond_with_json({})
    httpserver.expect_request("/collections/docs/vectors").respond_with_json({"vectors": [], "total": 100})
    with pytest.raises(CollectionMoved, match="0 read"):
        ids(ListPages(client).read(state(100)))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("", "'{' was expected, found the end"),
        ("[]", "'{' was expected"),
        ('{"data":{"vectors":{"items":[]}}}', r"a page with records and their total was expected, found \[\]"),
        ('{"data":{"vectors":{"items":[],"totalCount":"3"}}}', "their total was expected"),
        ('{"data":{}}', "their total was expected"),
        ('{"data":{"vectors":{"items":[{"id":"a","vector":[1.0,2.0]', "found"),
        ('{"data":{"vectors":{"items":[],"totalCount":0}}} x', "nothing more was expected, found 'x'"),
        ('{"data":{"vectors":{"items":[{"id":"a"}],"totalCount":1}}}', "a record with id and vector was expected"),
    ],
)
def test_what_is_no_page_is_an_error_that_says_what_was_found(httpserver, client, body, found):
    httpserver.expect_request("/collections/docs").respond_with_json({})
    httpserver.expect_request("/graphql").respond_with_data(body)
    with pytest.raises(UnexpectedAnswer, match=found):
        ids(GraphqlPages(client).read(state(3)))


def test_errors_of_graphql_are_told(httpserver, client):
    httpserver.expect_request("/collections/docs").respond_with_json({})
    errors = {"data": None, "errors": [{"message": "Collection not found: docs"}]}
    httpserver.expect_request("/graphql").respond_with_json(errors)
    with pytest.raises(CollectionNotFound):
        ids(GraphqlPages(client).read(state(3)))


def test_a_collection_that_the_list_cannot_reach_the_end_of_is_refused_with_the_ways_that_can(httpserver, client):
    Paged(httpserver, [])
    with pytest.raises(Unsupported, match=r"3\.5\.0 lists only the first 1,000,050 .*: read it by scroll or GraphQL"):
        ListPages(client).read(state(1_000_051))


# ------------------------------------------------------------------ finding the way

SCROLL = "/qdrant/collections/docs/points/scroll"


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_scroll_that_a_proxy_refuses_with_a_page_of_its_own_is_not_there(httpserver, client, status):
    Paged(httpserver, records(3))
    httpserver.expect_request(SCROLL).respond_with_data("<html>no such thing</html>", status=status)
    reading = VectorizerServer(client).read(state(3))
    assert reading.way is ReadWay.GRAPHQL
    assert pa.Table.from_batches(reading.batches).num_rows == 3


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, '{"error":"unauthorized","message":"no"}', AuthenticationFailed),
        (404, '{"error_type":"collection_not_found","message":"Collection not found: docs"}', CollectionNotFound),
        (500, "", ServerFault),
    ],
)
def test_what_does_not_mean_that_a_way_is_missing_is_not_taken_for_that(httpserver, client, status, body, error):
    Paged(httpserver, records(3))
    httpserver.expect_request(SCROLL).respond_with_data(body, status=status)
    with pytest.raises(error):
        VectorizerServer(client).read(state(3))


@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_scroll_that_refuses_what_is_no_question_is_there(httpserver, client, status):
    Paged(httpserver, records(3))
    httpserver.expect_request(SCROLL).respond_with_data("Failed to parse the request body as JSON", status=status)
    assert VectorizerServer(client).read(state(3)).way is ReadWay.SCROLL
