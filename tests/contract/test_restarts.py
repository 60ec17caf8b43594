"""What a restart changes, what a kill loses, and what a flush refuses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests

from tests.contract.client import Api
from tests.contract.servers import Server

TEXT = {"t": " edge  \r\nline ", "deep": [" a "], "n": 1}
VECTORS = {"a": [3, 0, 4, 0], "b": [1, 2, 3, 4]}


@dataclass(frozen=True)
class Restarted:
    """A server after one restart, and what it said of one collection before."""

    api: Api
    details: dict


@pytest.fixture(scope="module")
def restarted(start_server: Callable[..., Server]) -> Iterator[Restarted]:
    server = start_server()
    api = Api(server.url)
    prepare(api)
    details = api.details("keep")
    assert api.save("keep") == {
        "success": True,
        "message": "Collection 'keep' saved successfully",
        "flushed": True,
    }
    api.upsert("keep", {"late": [1, 1, 1, 1]})
    server.restart()
    yield Restarted(api, details)
    server.stop()


def prepare(api: Api) -> None:
    api.create("keep", hnsw_config={"m": 24, "ef_construct": 300, "full_scan_threshold": 77})
    api.upsert("keep", VECTORS, TEXT)
    for name in ("gone", "ghost", "old-name"):
        api.create(name, 4, "Cosine")
        api.upsert(name, VECTORS)
    api.save("keep")
    for name in ("gone", "ghost"):
        api.delete(f"/collections/{name}")
    assert api.count("ghost") == 2
    api.rename("old-name", "new-name")
    assert api.count("old-name") == 2
    api.post("/collections", {"name": "native", "dimension": 512, "metric": "dot"})
    api.create("bits", 4, quantization_config={"binary": {}}, hnsw_config=None)
    api.upsert("bits", {"a": [1, 2, 3, 4]})
    api.create("empty-one", 7, "Dot")


def test_it_makes_new_times_and_starts_the_clock_again(restarted: Restarted) -> None:
    after = restarted.api.details("keep")
    assert after["created_at"] > restarted.details["updated_at"]
    assert after["updated_at"] >= after["created_at"]
    assert restarted.api.get("/status").json()["uptime_seconds"] < 60


def test_it_normalises_vectors_and_text(restarted: Restarted) -> None:
    first = restarted.api.page("keep")["items"][0]
    assert first["data"] == pytest.approx([0.6, 0, 0.8, 0], abs=0.004)
    assert first["payload"] == {"t": "edge\nline", "deep": ["a"], "n": 1}


@pytest.mark.parametrize(("name", "metric"), [("native", "DotProduct"), ("bits", "Euclidean")])
def test_it_forces_scalar_quantization_and_keeps_the_metric(restarted: Restarted, name: str, metric: str) -> None:
    details = restarted.api.details(name)
    assert (details["metric"], details["quantization"]["type"]) == (metric, "SQ { bits: 8 }")


def test_hnsw_settings_survive(restarted: Restarted) -> None:
    hnsw = restarted.api.get("/qdrant/collections/keep").json()["result"]["config"]["hnsw_config"]
    assert (hnsw["m"], hnsw["ef_construct"], hnsw["full_scan_threshold"]) == (24, 300, 77)


def test_an_orderly_end_saves_what_came_after_the_last_flush(restarted: Restarted) -> None:
    assert restarted.api.ids("keep") == ["a", "b", "late"]


def test_aliases_do_not_survive(restarted: Restarted) -> None:
    assert restarted.api.get("/qdrant/aliases").json() == {"aliases": []}
    assert restarted.api.get("/collections/old-name").status_code == 404
    assert restarted.api.count("new-name") == 2


def test_a_flush_makes_a_ghost_empty_for_good(restarted: Restarted) -> None:
    assert restarted.api.count("ghost") == 0


def test_after_a_flush_a_deleted_collection_stays_away(restarted: Restarted) -> None:
    assert "gone" not in restarted.api.names()
    assert restarted.api.get("/collections/gone").status_code == 404


def test_beside_a_filled_collection_an_empty_one_is_saved(restarted: Restarted) -> None:
    assert restarted.api.details("empty-one")["dimension"] == 7


def test_a_kill_loses_what_came_after_the_last_flush(own_api: Api, own_server: Server) -> None:
    own_api.create("keep")
    own_api.upsert("keep", VECTORS)
    own_api.save("keep")
    own_api.upsert("keep", {"lost": [1, 1, 1, 1]})
    own_server.kill()
    own_server.start()
    assert own_api.ids("keep") == ["a", "b"]


def test_the_last_collection_comes_back_after_its_deletion(own_api: Api, own_server: Server) -> None:
    own_api.create("only")
    own_api.upsert("only", {"a": [1, 2, 3, 4]})
    own_api.save("only")
    own_api.delete("/collections/only")
    own_server.restart()
    assert own_api.ids("only") == ["a"]


def test_a_server_without_a_vector_refuses_to_flush_and_one_that_is_down_answers_nothing(
    own_api: Api, own_server: Server
) -> None:
    own_api.create("empty-one")
    answer = own_api.save("empty-one")
    assert (answer["flushed"], answer["success"]) == (False, False)
    refusal = "Refusing to overwrite vectorizer.vecdb - 1 collections but 0 total vectors"
    assert refusal in answer["message"]
    own_server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{own_server.url}/health", timeout=5)
