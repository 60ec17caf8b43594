import math
from urllib.parse import quote

import pytest

from tests.contract.client import UPSERT, Api


@pytest.fixture
def filled(api: Api, name: str) -> str:
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4], "b": [4, 3, 2, 1]}, {"k": 1})
    return name


def test_an_upsert_replaces_and_moves_the_record_to_the_end(api: Api, filled: str) -> None:
    api.upsert(filled, {"a": [5, 6, 7, 8]})
    items = api.page(filled)["items"]
    assert [each["id"] for each in items] == ["b", "a"]
    assert items[1]["payload"] is None
    assert items[1]["data"][0] == 5


def test_a_wrong_dimension_loses_the_vectors_that_were_there(api: Api, filled: str) -> None:
    vectors = [{"id": "a", "data": [1, 2]}, {"id": "c", "data": [1, 2, 3, 4]}]
    answer = api.graphql(UPSERT, i={"collection": filled, "vectors": vectors})
    assert answer["data"] is None
    assert answer["errors"][0]["message"] == "Failed to upsert vectors: Invalid dimension: expected 4, got 2"
    assert answer["errors"][0]["path"] == ["upsertVectors"]
    assert api.ids(filled) == ["b"]
    assert api.count(filled) == 1


def test_insert_vectors_replaces_in_place(api: Api, filled: str) -> None:
    body = {"collection": filled, "vectors": [{"id": "a", "embedding": [5, 6, 7, 8], "payload": {"k": 2}}]}
    assert api.post("/insert_vectors", body).json()["inserted"] == 1
    items = api.page(filled)["items"]
    assert [(each["id"], each["payload"]) for each in items] == [("a", {"k": 2}), ("b", {"k": 1})]


def test_insert_vectors_is_200_even_when_everything_failed(api: Api, filled: str) -> None:
    bad = [
        {"id": "x", "embedding": [1]},
        {"id": "has#hash", "embedding": [1, 2, 3, 4]},
        {"id": " edge", "embedding": [1, 2, 3, 4]},
        {"id": "i" * 257, "embedding": [1, 2, 3, 4]},
        {"id": "", "embedding": [1, 2, 3, 4]},
        {"id": "word", "embedding": [1, 2, 3, "4"]},
        {"id": "none"},
    ]
    response = api.post("/insert_vectors", {"collection": filled, "vectors": bad})
    assert response.status_code == 200
    answer = response.json()
    assert (answer["inserted"], answer["failed"], answer["count"]) == (0, 7, 7)
    assert {each["error_type"] for each in answer["results"]} == {"validation_error"}
    assert api.count(filled) == 2


@pytest.mark.parametrize(
    ("entry", "shown"),
    [({}, {}), ({"payload": None}, None), ({"metadata": {"n": 1, "s": "x"}}, {"n": "1", "s": "x"})],
)
def test_insert_vectors_without_payload_stores_an_empty_one(api: Api, filled: str, entry: dict, shown: object) -> None:
    vector = {"id": "c", "embedding": [1, 2, 3, 4], **entry}
    api.post("/insert_vectors", {"collection": filled, "vectors": [vector]})
    assert api.page(filled)["items"][2]["payload"] == shown


def test_writing_to_a_missing_collection_makes_one_of_512_cosine(api: Api, name: str) -> None:
    body = {"collection": name, "texts": [{"id": "t", "text": "backup and recovery", "metadata": {"n": 1}}]}
    answer = api.post("/insert_texts", body).json()
    assert answer["results"][0]["vectors_created"] == 1
    details = api.details(name)
    assert (details["dimension"], details["metric"], details["vector_count"]) == (512, "Cosine", 1)
    assert details["normalization"]["level"] == "Moderate"
    assert api.page(name)["items"][0]["payload"] == {"n": "1"}


def test_texts_are_embedded_alike_every_time(api: Api, name: str) -> None:
    api.post("/collections", {"name": name, "dimension": 512, "metric": "cosine"})
    texts = [{"id": "1", "text": "backup of vectors"}, {"id": "2", "text": "backup of vectors"}]
    api.post("/insert_texts", {"collection": name, "texts": texts})
    first, second = api.page(name)["items"]
    assert first["data"] == second["data"]
    assert math.isclose(math.hypot(*first["data"]), 1, abs_tol=1e-5)


def test_points_are_acknowledged_and_then_there(api: Api, filled: str) -> None:
    points = [{"id": 7, "vector": [1, 1, 1, 1], "payload": {"n": 1}}, {"id": "p", "vector": [2, 1, 1, 1]}]
    response = api.call("PUT", f"/qdrant/collections/{filled}/points", json={"points": points})
    assert response.json() == {"status": "acknowledged", "operation_id": None}
    wait_for(lambda: api.count(filled) == 4)
    assert api.ids(filled) == ["a", "b", "7", "p"]


def test_points_are_deleted_by_id(api: Api, filled: str) -> None:
    api.post(f"/qdrant/collections/{filled}/points/delete", {"points": ["a", "missing"]})
    wait_for(lambda: api.count(filled) == 1)
    assert api.ids(filled) == ["b"]


def test_batch_delete_reports_each_id(api: Api, filled: str) -> None:
    answer = api.post("/batch_delete", {"collection": filled, "ids": ["a", "missing"]}).json()
    assert (answer["count"], answer["deleted"], answer["failed"]) == (2, 1, 1)
    assert answer["results"][1]["error"] == "Vector not found: missing"
    assert api.ids(filled) == ["b"]


def test_batch_delete_of_nothing_is_refused(api: Api, filled: str) -> None:
    assert api.post("/batch_delete", {"collection": filled, "ids": []}).status_code == 400


def test_update_payload_keeps_the_place(api: Api, filled: str) -> None:
    query = "mutation($c:String!,$i:String!,$p:JSON!){updatePayload(collection:$c,id:$i,payload:$p){success message}}"
    answer = api.graphql(query, c=filled, i="a", p={"new": [1]})
    assert answer["data"]["updatePayload"] == {"success": True, "message": "Payload updated"}
    items = api.page(filled)["items"]
    assert [(each["id"], each["payload"]) for each in items] == [("a", {"new": [1]}), ("b", {"k": 1})]


@pytest.mark.parametrize("odd", ["i" * 300, "a#b/ü 漢", "tab\there", "..", "%2F", " edge ", "", "🦆", '"quoted"\\'])
def test_any_id_is_kept(api: Api, filled: str, odd: str) -> None:
    api.upsert(filled, {odd: [1, 2, 3, 4]})
    assert api.ids(filled)[-1] == odd
    assert api.scroll(filled, limit=100)["points"][-1]["id"] == odd
    assert api.get(f"/collections/{filled}/vectors").json()["vectors"][-1]["id"] == odd


def test_deleting_one_vector_twice_is_an_error(api: Api, filled: str) -> None:
    path = f"/collections/{filled}/vectors/{quote('a', safe='')}"
    assert api.delete(path).json()["success"] is True
    response = api.delete(path)
    assert (response.status_code, response.json()["error_type"]) == (404, "vector_not_found")


WRITES = {
    "upsert": lambda api, name: api.upsert(name, {"z": [1, 2, 3, 4]}),
    "insert": lambda api, name: api.post(
        "/insert_vectors", {"collection": name, "vectors": [{"embedding": [1, 2, 3, 4]}]}
    ),
    "delete": lambda api, name: api.post("/batch_delete", {"collection": name, "ids": ["a"]}),
    "payload": lambda api, name: api.graphql(
        'mutation($c:String!){updatePayload(collection:$c,id:"a",payload:{x:1}){success}}', c=name
    ),
    "points": lambda api, name: api.call(
        "PUT", f"/qdrant/collections/{name}/points", json={"points": [{"id": "z", "vector": [1, 2, 3, 4]}]}
    ),
    "points delete": lambda api, name: api.post(f"/qdrant/collections/{name}/points/delete", {"points": ["a"]}),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_moves_updated_at(api: Api, filled: str, write: str) -> None:
    before = api.details(filled)["updated_at"]
    WRITES[write](api, filled)
    wait_for(lambda: api.details(filled)["updated_at"] > before)


@pytest.mark.parametrize("missing", ["vectors", "upsertVectors"])
def test_graphql_names_the_collection_that_is_missing(api: Api, name: str, missing: str) -> None:
    if missing == "vectors":
        answer = api.graphql("query($i:ScrollInput!){vectors(input:$i){totalCount}}", i={"collection": name})
        expected = f"Collection not found: Collection not found: {name}"
    else:
        vectors = [{"id": "a", "data": [1]}]
        answer = api.graphql(UPSERT, i={"collection": name, "vectors": vectors})
        expected = f"Failed to upsert vectors: Collection not found: {name}"
    assert answer["data"] is None
    assert answer["errors"][0]["message"] == expected


def wait_for(condition) -> None:
    """Until it holds; the Qdrant way of writing answers before it writes."""
    for _ in range(1000):
        if condition():
            return
    raise AssertionError("did not become true within 1000 tries")
