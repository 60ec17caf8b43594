import json
from datetime import UTC, datetime

import pytest
from werkzeug import Response

from backup_engine.errors import CollectionNotFound, UnexpectedAnswer, Unsupported
from backup_engine.model import Hnsw, Metric, Quantization
from backup_engine.vectorizer.configuration import read_configuration
from backup_engine.vectorizer.server import VectorizerServer
from backup_engine.vectorizer.state import list_collections, read_aliases, read_facts

STATUS = {"online": True, "version": "3.5.0", "uptime_seconds": 77, "collections_count": 1}
STATS = {"providers": [{"name": "bm25", "dimension": 512, "default": True}, {"name": "minilm", "dimension": 384}]}
DOCS = {
    "name": "docs",
    "vectorCount": 3,
    "createdAt": "2026-11-22T14:21:39.814660300+00:00",
    "updatedAt": "2026-11-22T14:21:39.829269777+00:00",
    "config": {"dimension": 4},
}


def listing(httpserver, *entries):
    httpserver.expect_request("/graphql").respond_with_json({"data": {"collections": list(entries)}})


def test_facts_of_a_server_of_today(httpserver, client):
    httpserver.expect_request("/status").respond_with_json(STATUS)
    httpserver.expect_request("/stats").respond_with_json(STATS)
    httpserver.expect_request("/replication/status").respond_with_json({"role": "Replica"})
    httpserver.expect_request("/health").respond_with_json({"timestamp": "2026-11-22T14:18:22.629302643Z"})
    facts = read_facts(client)
    assert (facts.version, facts.api, facts.uptime_seconds, facts.role) == ("3.5.0", "", 77, "Replica")
    assert facts.now == datetime(2026, 11, 22, 14, 18, 22, 629302, UTC)
    assert facts.unquantized_dimensions == (384, 512)
    assert facts.url == client.url


def test_facts_of_a_server_before_the_prefix_went(httpserver, client):
    for missing in ("/status", "/replication/status", "/health"):
        httpserver.expect_request(missing).respond_with_response(Response("", 404))
    httpserver.expect_request("/api/status").respond_with_json({"online": True, "version": "1.8.5"})
    facts = read_facts(client)
    assert (facts.version, facts.api, facts.uptime_seconds, facts.role, facts.now) == (
        "1.8.5",
        "/api",
        None,
        "Standalone",
        None,
    )
    assert facts.unquantized_dimensions is None


@pytest.mark.parametrize("answer", [Response("", 404), Response("{}"), Response("<html>"), Response('{"version":3}')])
def test_something_else_on_the_port_is_no_vectorizer(httpserver, client, answer):
    httpserver.expect_request("/status").respond_with_response(answer)
    httpserver.expect_request("/api/status").respond_with_response(Response("", 404))
    with pytest.raises(UnexpectedAnswer, match=r"status"):
        read_facts(client)


def test_collections_are_listed_with_their_true_times_sorted_by_name(httpserver, client):
    httpserver.expect_request("/status").respond_with_json(STATUS | {"collections_count": 2})
    listing(httpserver, DOCS, DOCS | {"name": "archive", "vectorCount": 0})
    archive, docs = list_collections(client)
    assert (archive.name, docs.name) == ("archive", "docs")
    assert (docs.vectors, docs.dimension) == (3, 4)
    assert (docs.created_at, docs.updated_at) == (DOCS["createdAt"], DOCS["updatedAt"])


def test_a_collection_that_could_not_be_loaded_is_listed_and_cannot_be_read(httpserver, client):
    httpserver.expect_request("/status").respond_with_json(STATUS | {"collections_count": 2})
    listing(httpserver, DOCS)
    broken = {"name": "broken", "vector_count": 0, "dimension": 512, "indexing_status": {"status": "error"}}
    whole = {"name": "docs", "quantization": {}, "indexing_status": {"status": "completed"}}
    httpserver.expect_request("/collections").respond_with_json({"collections": [broken, whole]})
    server = VectorizerServer(client)
    first, docs = server.collections()
    assert (first.name, first.dimension, first.vectors) == ("broken", 0, 0)
    assert docs.dimension == 4
    with pytest.raises(UnexpectedAnswer, match="'broken' but could not load it"):
        server.read(first)


def test_the_list_is_one_request_and_a_look_at_the_count(httpserver, client):
    httpserver.expect_request("/status").respond_with_json(STATUS)
    listing(httpserver, DOCS)
    list_collections(client)
    assert [request.path for request, _ in httpserver.log] == ["/graphql", "/status"]


@pytest.mark.parametrize(
    "entry",
    [
        {},
        DOCS | {"vectorCount": "3"},
        DOCS | {"vectorCount": -1},
        DOCS | {"config": None},
        7,
        DOCS | {"vectorCount": None},
    ],
)
def test_a_state_that_is_not_understood_is_never_guessed(httpserver, client, entry):
    httpserver.expect_request("/status").respond_with_json(STATUS)
    listing(httpserver, entry)
    with pytest.raises(UnexpectedAnswer):
        list_collections(client)


def test_without_graphql_the_list_and_the_details_take_its_place(httpserver, client):
    gone(httpserver, "/graphql")
    whole = {"name": "docs", "quantization": {}, "updated_at": "now"}
    details = {"vector_count": 3, "dimension": 4, "created_at": "t0", "updated_at": "t1"}
    httpserver.expect_request("/collections").respond_with_json({"collections": [whole, {"name": "broken"}]})
    httpserver.expect_request("/collections/docs").respond_with_json(details)
    broken, docs = list_collections(client)
    assert (broken.name, broken.dimension) == ("broken", 0)
    assert (docs.vectors, docs.dimension, docs.created_at, docs.updated_at) == (3, 4, "t0", "t1")


def test_a_server_that_lists_its_collections_nowhere_is_named_with_its_version_and_a_way_out(httpserver, client):
    httpserver.expect_request("/status").respond_with_json(STATUS)
    gone(httpserver, "/graphql", "/collections")
    with pytest.raises(Unsupported, match=rf"Vectorizer {STATUS['version']} .* let the proxy"):
        list_collections(client)


QDRANT = {
    "vectors": {"size": 4, "distance": "Dot"},
    "hnsw_config": {"m": 7, "ef_construct": 8, "full_scan_threshold": 9},
    "quantization_config": {"binary": {}},
}
DETAILS = {"dimension": 4, "metric": "Euclidean", "quantization": {"enabled": True, "type": "SQ { bits: 8 }"}}


def test_without_graphql_the_settings_come_from_the_other_views_and_what_is_unknown_is_said(httpserver, client):
    gone(httpserver, "/graphql")
    httpserver.expect_request("/qdrant/collections/docs").respond_with_json({"result": {"config": QDRANT}})
    httpserver.expect_request("/collections/docs").respond_with_json(DETAILS)
    found = read_configuration(client, "docs")
    assert (found.dimension, found.metric, found.quantization) == (4, Metric.DOT, Quantization.BINARY)
    assert found.hnsw == Hnsw(m=7, ef_construct=8, ef_search=9)
    assert found.unknown == ("graph", "shards")


@pytest.mark.parametrize(
    ("told", "kept"),
    [("SQ { bits: 8 }", Quantization.SQ8), ("None", Quantization.NONE), ("Binary", Quantization.BINARY)],
)
def test_the_details_alone_leave_the_index_unknown(httpserver, client, told, kept):
    gone(httpserver, "/graphql", "/qdrant/collections/docs")
    httpserver.expect_request("/collections/docs").respond_with_json(DETAILS | {"quantization": {"type": told}})
    found = read_configuration(client, "docs")
    assert (found.dimension, found.metric, found.quantization) == (4, Metric.EUCLIDEAN, kept)
    assert found.hnsw == Hnsw()
    assert found.unknown == ("hnsw", "graph", "shards")


def test_a_server_that_tells_no_settings_at_all_is_named_with_a_way_out(httpserver, client):
    gone(httpserver, "/graphql", "/qdrant/collections/docs", "/collections/docs", "/status", "/api/status")
    with pytest.raises(Unsupported, match=r"tells no settings of 'docs'.* let the proxy"):
        read_configuration(client, "docs")


def gone(httpserver, *paths):
    for path in paths:
        httpserver.expect_request(path).respond_with_response(Response("", 404))


def test_a_configuration_of_a_missing_collection_is_not_found(httpserver, client):
    httpserver.expect_request("/graphql").respond_with_json({"data": {"collection": None}})
    with pytest.raises(CollectionNotFound, match="'docs'"):
        read_configuration(client, "docs")


@pytest.mark.parametrize("metric", ["MANHATTAN", None])
def test_a_configuration_of_a_newer_kind_is_not_understood_rather_than_guessed(httpserver, client, metric):
    config = {"dimension": 4, "metric": metric, "hnswConfig": {"m": 1, "efConstruction": 2, "efSearch": 3}}
    httpserver.expect_request("/graphql").respond_with_json({
        "data": {"collection": {"name": "docs", "config": config}}
    })
    httpserver.expect_request("/qdrant/collections/docs").respond_with_json({"result": {"config": {}}})
    httpserver.expect_request("/collections/docs").respond_with_json({})
    with pytest.raises(UnexpectedAnswer, match="configuration of 'docs' is not understood"):
        read_configuration(client, "docs")


def test_aliases_of_a_server_without_them_are_none(httpserver, client):
    httpserver.expect_request("/qdrant/aliases").respond_with_response(Response("", 404))
    assert read_aliases(client) == {}


def test_aliases_in_the_upstream_shape_are_understood_too(httpserver, client):
    entry = {"alias_name": "a", "collection_name": "docs"}
    httpserver.expect_request("/qdrant/aliases").respond_with_data(json.dumps({"result": {"aliases": [entry]}}))
    assert read_aliases(client) == {"a": "docs"}
