"""Collections made with shards or a graph, which only GraphQL makes."""

import pytest

from tests.contract.client import Api
from tests.contract.servers import Server

CREATE = """mutation($i:CreateCollectionInput!){createCollection(input:$i){
  name config{dimension metric storageType shardingEnabled shardCount graphEnabled}}}"""
STATE = "{collections{name vectorCount config{shardingEnabled shardCount graphEnabled}}}"
VECTORS = {"a": [1, 2, 3, 4], "b": [4, 3, 2, 1]}


def make(api: Api, name: str, **more: object) -> dict:
    answer = api.graphql(CREATE, i={"name": name, "dimension": 4, "metric": "EUCLIDEAN", **more})
    config: dict = answer["data"]["createCollection"]["config"]
    return config


def test_the_configuration_says_that_there_are_shards_or_a_graph(api: Api, name: str) -> None:
    plain = {"dimension": 4, "metric": "EUCLIDEAN", "storageType": "MEMORY"}
    sharded = {"shardingEnabled": True, "shardCount": 3, "graphEnabled": False}
    assert make(api, name, shardCount=3) == {**plain, **sharded}
    graph = {"shardingEnabled": False, "shardCount": None, "graphEnabled": True}
    assert make(api, f"{name}-graph", enableGraph=True) == {**plain, **graph}
    state = {each["name"]: each["config"] for each in api.graphql(STATE)["data"]["collections"]}
    assert (state[name], state[f"{name}-graph"]) == (sharded, graph)


def test_no_shard_at_all_is_refused(api: Api, name: str) -> None:
    answer = api.graphql(CREATE, i={"name": name, "dimension": 4, "shardCount": 0})
    message = "Failed to create collection: Invalid configuration: Shard count must be greater than 0"
    assert answer["errors"][0]["message"] == message


@pytest.mark.parametrize("shards", [1, 3])
def test_a_sharded_collection_counts_and_finds_what_it_never_lists(api: Api, name: str, shards: int) -> None:
    make(api, name, shardCount=shards)
    api.upsert(name, VECTORS, {"k": 1})
    assert api.count(name) == api.details(name)["vector_count"] == 2
    assert (api.ids(name), api.scroll(name)["points"]) == ([], [])
    assert api.get(f"/collections/{name}/vectors").json()["total"] == 0
    found = api.post(f"/qdrant/collections/{name}/points", {"ids": ["a"], "with_vector": True}).json()["result"]
    assert found == [{"id": "a", "vector": [1, 2, 3, 4], "payload": {"k": 1}}]
    hits = api.post(f"/collections/{name}/search", {"vector": [1, 2, 3, 4], "limit": 1}).json()["results"]
    assert hits[0]["id"] == "a"
    size = api.details(name)["size"]
    assert (size["index_bytes"], size["payload_bytes"]) == (16, 16)


def test_a_sharded_collection_is_backed_up_as_empty(api: Api, name: str) -> None:
    make(api, name, shardCount=2)
    api.upsert(name, VECTORS)
    made = api.post("/backups/create", {"name": "shards", "collections": [name]}).json()
    backup = next(each for each in api.get("/backups").json()["backups"] if each["id"] == made["id"])
    assert backup["data"][name] == {"vectors": [], "dimension": 4, "metric": "Euclidean"}


def test_a_restart_loses_a_sharded_collection_and_keeps_a_graph(own_api: Api, own_server: Server) -> None:
    make(own_api, "sharded", shardCount=2)
    make(own_api, "graph", enableGraph=True)
    for name in ("sharded", "graph"):
        own_api.upsert(name, VECTORS)
    assert own_api.save("sharded")["flushed"] is True
    own_server.restart()
    config = {"shardingEnabled": False, "shardCount": None, "graphEnabled": True}
    expected = [{"name": "graph", "vectorCount": 2, "config": config}]
    assert own_api.graphql(STATE)["data"]["collections"] == expected
