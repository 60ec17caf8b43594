from urllib.parse import quote

import pytest

from tests.contract.client import Api

NAMES = ["with space", "a/b", "ünï", "pct%20", "semi;colon", "question?", "漢字", "x" * 200, "dot.", "new\nline"]

CONFIGURATIONS = [
    ({}, {"scalar": {"type": "int8"}}),
    ({"quantization_config": {"scalar": {"type": "int8"}}}, {"scalar": {"type": "int8"}}),
    ({"quantization_config": {"binary": {"always_ram": True}}}, {"binary": {}}),
    ({"quantization_config": {"product": {"compression": "x16"}}}, {"product": {"compression": "x16"}}),
    ({"quantization_config": {"product": {}}}, {"product": {"compression": "x8"}}),
]


def configuration(api: Api, name: str) -> dict:
    return api.get(f"/qdrant/collections/{quote(name, safe='')}").json()["result"]["config"]


@pytest.mark.parametrize(("given", "quantization"), CONFIGURATIONS)
def test_a_configuration_reads_as_it_was_given(api: Api, name: str, given: dict, quantization: dict) -> None:
    api.create(name, 8, "Dot", **given)
    config = configuration(api, name)
    assert config["vectors"] == {"size": 8, "distance": "Dot"}
    assert config["quantization_config"] == quantization


def test_a_saved_configuration_creates_its_equal(api: Api, name: str) -> None:
    api.create(name, 8, "Euclid", hnsw_config={"m": 24, "ef_construct": 300, "full_scan_threshold": 77})
    saved = configuration(api, name)
    copy = f"{name}-copy"
    assert api.call("PUT", f"/qdrant/collections/{copy}", json={"config": saved}).status_code == 200
    assert configuration(api, copy) == saved


def test_hnsw_settings_come_back(api: Api, name: str) -> None:
    api.create(name, hnsw_config={"m": 24, "ef_construct": 300, "full_scan_threshold": 77})
    hnsw = configuration(api, name)["hnsw_config"]
    assert (hnsw["m"], hnsw["ef_construct"], hnsw["full_scan_threshold"]) == (24, 300, 77)


def test_incomplete_hnsw_settings_are_refused(api: Api, name: str) -> None:
    body = {"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"m": 24}}
    response = api.call("PUT", f"/qdrant/collections/{name}", json=body)
    assert response.status_code == 422
    assert "missing field `ef_construct`" in response.text


@pytest.mark.parametrize("distance", ["cosine", "Euclidean", "Manhattan"])
def test_an_unknown_distance_is_refused(api: Api, name: str, distance: str) -> None:
    body = {"vectors": {"size": 4, "distance": distance}}
    assert api.call("PUT", f"/qdrant/collections/{name}", json=body).status_code == 422


def test_a_name_that_is_taken_is_refused(api: Api, name: str) -> None:
    api.create(name)
    body = {"vectors": {"size": 4, "distance": "Euclid"}}
    response = api.call("PUT", f"/qdrant/collections/{name}", json=body)
    assert response.status_code == 409
    assert response.json()["error_type"] == "collection_already_exists"


@pytest.mark.parametrize(
    ("metric", "shown"),
    [("cosine", "Cosine"), ("euclidean", "Euclidean"), ("dot", "DotProduct"), ("manhattan", "Cosine")],
)
def test_a_native_collection_is_unquantized_and_knows_three_metrics(
    api: Api, name: str, metric: str, shown: str
) -> None:
    body = {"name": name, "dimension": 512, "metric": metric}
    assert api.post("/collections", body).json()["metric"] == metric
    details = api.details(name)
    assert details["metric"] == shown
    assert details["quantization"] == {"enabled": False, "type": "None", "bits": 0}
    assert "quantization_config" not in configuration(api, name)


def test_a_native_collection_of_another_dimension_is_refused(api: Api, name: str) -> None:
    response = api.post("/collections", {"name": name, "dimension": 384})
    assert response.status_code == 400
    assert response.json()["error_type"] == "provider_dimension_mismatch"


def test_graphql_creates_with_its_own_defaults(api: Api, name: str) -> None:
    query = "mutation($i:CreateCollectionInput!){createCollection(input:$i){name vectorCount config{metric}}}"
    answer = api.graphql(query, i={"name": name, "dimension": 3, "metric": "DOT_PRODUCT", "hnswM": 8})
    assert answer["data"]["createCollection"] == {
        "name": name,
        "vectorCount": 0,
        "config": {"metric": "DOT_PRODUCT"},
    }
    config = configuration(api, name)
    assert config["vectors"] == {"size": 3, "distance": "Dot"}
    hnsw = config["hnsw_config"]
    assert (hnsw["m"], hnsw["ef_construct"], hnsw["full_scan_threshold"]) == (8, 200, 100)
    assert config["quantization_config"] == {"scalar": {"type": "int8"}}


def test_graphql_refuses_a_name_that_is_taken(api: Api, name: str) -> None:
    api.create(name)
    query = "mutation($i:CreateCollectionInput!){createCollection(input:$i){name}}"
    answer = api.graphql(query, i={"name": name, "dimension": 3})
    assert answer["data"] is None
    assert f"Collection already exists: {name}" in answer["errors"][0]["message"]


@pytest.mark.parametrize("odd", NAMES)
def test_any_name_works_when_it_is_encoded(api: Api, name: str, odd: str) -> None:
    odd = f"{odd}{name}"
    api.create(odd)
    api.upsert(odd, {"a": [1, 2, 3, 4]})
    assert api.details(odd)["name"] == odd
    assert configuration(api, odd)["vectors"]["size"] == 4
    assert len(api.scroll(odd)["points"]) == api.count(odd) == 1
    assert odd in api.names()
    assert api.delete(f"/collections/{quote(odd, safe='')}").status_code == 200


@pytest.mark.parametrize("shadowed", ["empty", "cleanup"])
def test_shadowed_names_are_reached_by_the_qdrant_way_and_graphql(api: Api, shadowed: str) -> None:
    api.create(shadowed)
    api.upsert(shadowed, {"a": [1, 2, 3, 4]})
    assert configuration(api, shadowed)["vectors"]["size"] == 4
    assert api.ids(shadowed) == ["a"]
    assert api.get(f"/collections/{shadowed}").json if shadowed == "empty" else True
    assert "dimension" not in api.get(f"/collections/{shadowed}").text
    assert api.delete(f"/qdrant/collections/{shadowed}").status_code == 200


def test_deleting_the_collection_called_cleanup_deletes_every_empty_one(api: Api, name: str) -> None:
    api.create(name)
    api.create(f"{name}-filled")
    api.upsert(f"{name}-filled", {"a": [1, 2, 3, 4]})
    api.create("cleanup")
    api.upsert("cleanup", {"a": [1, 2, 3, 4]})
    answer = api.delete("/collections/cleanup?dry_run=true").json()
    assert (answer["dry_run"], name in api.names()) == (True, True)
    assert api.delete("/collections/cleanup").json()["deleted_count"] == answer["deleted_count"]
    left = api.names()
    assert (name in left, f"{name}-filled" in left, "cleanup" in left) == (False, True, True)
    assert api.delete("/qdrant/collections/cleanup").status_code == 200


def test_the_list_says_now_where_details_and_graphql_say_when(api: Api, name: str) -> None:
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4]})
    first = api.details(name)["updated_at"]
    listed = next(each for each in api.get("/collections").json()["collections"] if each["name"] == name)
    assert listed["updated_at"] > first == api.details(name)["updated_at"]
    answer = api.graphql("{collections{name updatedAt createdAt}}")
    shown = next(each for each in answer["data"]["collections"] if each["name"] == name)
    assert shown["updatedAt"] == first
    assert shown["createdAt"] == listed["created_at"]


def test_one_graphql_request_tells_the_state_of_all_collections(api: Api, name: str) -> None:
    api.create(name, 6, "Cosine")
    api.upsert(name, {"a": [1, 2, 3, 4, 5, 6]})
    query = """{collections{name vectorCount documentCount tenantId config{dimension metric
        hnswConfig{m efConstruction efSearch} storageType shardingEnabled shardCount}}}"""
    found = next(each for each in api.graphql(query)["data"]["collections"] if each["name"] == name)
    assert found == {
        "name": name,
        "vectorCount": 1,
        "documentCount": 0,
        "tenantId": None,
        "config": {
            "dimension": 6,
            "metric": "COSINE",
            "hnswConfig": {"m": 16, "efConstruction": 100, "efSearch": 10000},
            "storageType": "MEMORY",
            "shardingEnabled": False,
            "shardCount": None,
        },
    }


def test_an_unknown_graphql_field_is_an_error_with_status_200(api: Api) -> None:
    response = api.post("/graphql", {"query": "{collections{dimension}}"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/graphql-response+json"
    assert response.json()["data"] is None
    message = response.json()["errors"][0]["message"]
    assert message == 'Unknown field "dimension" on type "GqlCollection".'


def test_reindexing_is_no_write_and_no_configuration_tells_of_it(api: Api, name: str) -> None:
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4]})
    before = api.details(name)["updated_at"], configuration(api, name)
    answer = api.post(f"/collections/{name}/reindex", {"m": 8}).json()
    assert (answer["state"], answer["params"]["m"]) == ("completed", 8)
    assert (api.details(name)["updated_at"], configuration(api, name)) == before


TEXTS = {
    '{"a":"ü漢\\n","b":[1,2.5,null]}': None,
    '"text"': None,
    "null": None,
    "{}": None,
    '{"y":12345678901234567890}': None,
    '{"x":1e20}': '{"x":1e+20}',
    '{"x":1.50E-07}': '{"x":1.5e-7}',
    '{"x":1e-5}': '{"x":0.00001}',
    '{"x":0.000012}': None,
    '{"x":1e15}': '{"x":1000000000000000.0}',
    '{"x":123456789012345678901234567890}': '{"x":1.2345678901234568e+29}',
    '{"x":-0.0}': None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_payload_bytes_are_the_length_of_the_compact_text(api: Api, name: str, text: str) -> None:
    api.create(name)
    body = f'{{"collection":"{name}","vectors":[{{"id":"a","embedding":[1,2,3,4],"payload":{text}}}]}}'
    headers = {"Content-Type": "application/json"}
    assert api.call("POST", "/insert_vectors", data=body.encode(), headers=headers).json()["failed"] == 0
    kept = TEXTS[text] or text
    assert api.details(name)["size"]["payload_bytes"] == len(kept.encode())
    assert f'"payload":{kept}' in api.get(f"/collections/{name}/vectors").content.decode()


def test_payload_bytes_are_summed_over_records(api: Api, name: str) -> None:
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}, {"k": "v"})
    api.upsert(name, {"a": [1, 2, 3, 4]}, {"k": "longer"})
    assert api.details(name)["size"]["payload_bytes"] == len('{"k":"v"}') + len('{"k":"longer"}')


def test_deleting_twice_is_an_error(api: Api, name: str) -> None:
    api.create(name)
    assert api.delete(f"/collections/{name}").json() == {"message": f"Collection '{name}' deleted successfully"}
    response = api.delete(f"/collections/{name}")
    assert (response.status_code, response.json()["error_type"]) == (404, "collection_not_found")
