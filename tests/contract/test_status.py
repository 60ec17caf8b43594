import re

import pytest

from tests.contract.client import Api


def test_the_server_says_that_it_is_healthy_and_which_version_it_is(api: Api) -> None:
    health = api.get("/health").json()
    assert health["status"] == "healthy"
    assert re.fullmatch(r"\d+\.\d+\.\d+", health["version"])


def test_status_counts_the_collections_in_memory(api: Api, name: str) -> None:
    before = api.get("/status").json()["collections_count"]
    api.create(name)
    assert api.get("/status").json()["collections_count"] == before + 1


def test_stats_sum_up_vectors_and_name_the_only_provider(api: Api, name: str) -> None:
    before = api.get("/stats").json()["total_vectors"]
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4]})
    stats = api.get("/stats").json()
    assert stats["total_vectors"] == before + 1
    assert stats["providers"] == [{"name": "bm25", "dimension": 512, "default": True}]


def test_a_single_server_replicates_nothing(api: Api) -> None:
    assert api.get("/replication/status").json() == {
        "role": "Standalone",
        "enabled": False,
        "stats": None,
        "replicas": None,
    }


@pytest.mark.parametrize("path", ["/nosuch", "/api/status", "/api/backups", "/backups/x", "/backups/x/download"])
def test_an_unknown_route_is_404_without_a_body(api: Api, path: str) -> None:
    response = api.get(path)
    assert (response.status_code, response.content) == (404, b"")


def test_a_wrong_method_is_405_without_a_body(api: Api) -> None:
    response = api.delete("/health")
    assert (response.status_code, response.content) == (405, b"")


def test_what_is_no_json_is_refused_in_plain_text(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    response = api.call("POST", "/insert_vectors", data=b"{]", headers=headers)
    assert response.status_code == 400
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_another_content_type_is_refused_in_plain_text(api: Api) -> None:
    response = api.call("POST", "/insert_vectors", data=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert response.text == "Expected request with `Content-Type: application/json`"


def test_graphql_refuses_what_is_no_json_with_400(api: Api) -> None:
    response = api.call("POST", "/graphql", data=b"{", headers={"Content-Type": "application/json"})
    assert response.status_code == 400


def test_graphql_without_a_query_is_an_error_with_status_200(api: Api) -> None:
    answer = api.post("/graphql", {"variables": {}})
    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert answer.json()["errors"]
