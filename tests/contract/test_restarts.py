import pytest
import requests

from tests.contract.client import Api
from tests.contract.servers import Server

TEXT = {"t": " edge  \r\nline ", "deep": [" a "], "n": 1}


@pytest.fixture
def saved(own_api: Api) -> Api:
    own_api.create("keep", hnsw_config={"m": 24, "ef_construct": 300, "full_scan_threshold": 77})
    own_api.upsert("keep", {"a": [3, 0, 4, 0], "b": [1, 2, 3, 4]}, TEXT)
    own_api.create("gone", 4, "Cosine")
    own_api.upsert("gone", {"x": [1, 2, 3, 4], "y": [2, 3, 4, 5], "z": [3, 4, 5, 6]})
    assert own_api.save("keep") == {
        "success": True,
        "message": "Collection 'keep' saved successfully",
        "flushed": True,
    }
    return own_api


def test_a_restart_makes_new_times_and_starts_the_clock_again(saved: Api, own_server: Server) -> None:
    before = saved.details("keep")
    own_server.restart()
    after = saved.details("keep")
    assert after["created_at"] > before["updated_at"]
    assert after["updated_at"] >= after["created_at"]
    assert saved.get("/status").json()["uptime_seconds"] < 10


def test_a_restart_normalises_vectors_and_text(saved: Api, own_server: Server) -> None:
    own_server.restart()
    first = saved.page("keep")["items"][0]
    assert first["data"] == pytest.approx([0.6, 0, 0.8, 0], abs=0.004)
    assert first["payload"] == {"t": "edge\nline", "deep": ["a"], "n": 1}


def test_a_restart_forces_scalar_quantization_and_keeps_the_rest(own_api: Api, own_server: Server) -> None:
    own_api.post("/collections", {"name": "native", "dimension": 512, "metric": "dot"})
    own_api.create("bits", 4, quantization_config={"binary": {}}, hnsw_config=None)
    own_api.upsert("bits", {"a": [1, 2, 3, 4]})
    own_server.restart()
    for name, metric in (("native", "DotProduct"), ("bits", "Euclidean")):
        details = own_api.details(name)
        assert (details["metric"], details["quantization"]["type"]) == (metric, "SQ { bits: 8 }")


def test_an_orderly_end_saves_and_a_kill_loses(saved: Api, own_server: Server) -> None:
    saved.upsert("keep", {"late": [1, 1, 1, 1]})
    own_server.restart()
    assert saved.ids("keep") == ["a", "b", "late"]
    saved.upsert("keep", {"lost": [1, 1, 1, 1]})
    own_server.kill()
    own_server.start()
    assert saved.ids("keep") == ["a", "b", "late"]


def test_hnsw_settings_survive(saved: Api, own_server: Server) -> None:
    own_server.restart()
    config = saved.get("/qdrant/collections/keep").json()["result"]["config"]
    assert config["hnsw_config"]["m"] == 24
    assert config["hnsw_config"]["full_scan_threshold"] == 77


def test_aliases_do_not_survive(saved: Api, own_server: Server) -> None:
    saved.rename("keep", "kept")
    assert saved.count("keep") == 2
    saved.save("kept")
    own_server.restart()
    assert saved.get("/qdrant/aliases").json() == {"aliases": []}
    assert saved.get("/collections/keep").status_code == 404
    assert saved.count("kept") == 2


ASKING = {
    "details": lambda api: api.details("gone"),
    "scroll": lambda api: api.scroll("gone"),
    "count": lambda api: api.count("gone"),
    "search": lambda api: api.post("/collections/gone/search", {"vector": [1, 2, 3, 4]}),
    "configuration": lambda api: api.get("/qdrant/collections/gone"),
    "read": lambda api: api.page("gone"),
}


@pytest.mark.parametrize("asking", ASKING)
def test_asking_for_a_deleted_collection_brings_back_a_ghost(saved: Api, asking: str) -> None:
    saved.delete("/collections/gone")
    assert saved.names() == ["keep"]
    ASKING[asking](saved)
    assert saved.names() == ["gone", "keep"]
    assert saved.count("gone") == saved.details("gone")["vector_count"] == 3
    assert saved.ids("gone") == []
    assert saved.scroll("gone")["points"] == []
    assert saved.details("gone")["size"]["payload_bytes"] == 0


def test_writing_to_a_ghost_counts_once_and_lists_twice(saved: Api) -> None:
    saved.delete("/collections/gone")
    saved.upsert("gone", {"x": [1, 2, 3, 4], "new": [1, 1, 1, 1]})
    assert saved.count("gone") == 5
    assert saved.ids("gone") == ["x", "x", "new"]
    assert [each["id"] for each in saved.scroll("gone")["points"]] == ["x", "x", "new"]


def test_a_flush_makes_a_ghost_empty_for_good(saved: Api, own_server: Server) -> None:
    saved.delete("/collections/gone")
    assert saved.count("gone") == 3
    saved.save("keep")
    own_server.restart()
    assert saved.count("gone") == 0


def test_after_a_flush_a_deleted_collection_is_really_gone(saved: Api, own_server: Server) -> None:
    saved.delete("/collections/gone")
    saved.save("keep")
    assert saved.get("/collections/gone").status_code == 404
    own_server.restart()
    assert saved.names() == ["keep"]


def test_creating_at_once_leaves_no_ghost(saved: Api) -> None:
    saved.delete("/collections/gone")
    saved.create("gone")
    assert (saved.count("gone"), saved.ids("gone")) == (0, [])


def test_an_unquantized_collection_comes_back_whole(own_api: Api) -> None:
    own_api.post("/collections", {"name": "native", "dimension": 512, "metric": "euclidean"})
    own_api.upsert("native", {"a": [2.0] * 512})
    own_api.save("native")
    own_api.delete("/collections/native")
    assert own_api.ids("native") == ["a"]
    assert own_api.page("native")["items"][0]["data"] == [2.0] * 512


def test_the_last_collection_comes_back_after_its_deletion(own_api: Api, own_server: Server) -> None:
    own_api.create("only")
    own_api.upsert("only", {"a": [1, 2, 3, 4]})
    own_api.save("only")
    own_api.delete("/collections/only")
    own_server.restart()
    assert own_api.ids("only") == ["a"]


def test_a_server_without_a_vector_refuses_to_flush(own_api: Api) -> None:
    own_api.create("empty-one")
    answer = own_api.save("empty-one")
    assert answer["flushed"] is False
    assert answer["success"] is False
    refusal = "Refusing to overwrite vectorizer.vecdb - 1 collections but 0 total vectors"
    assert refusal in answer["message"]


def test_beside_a_filled_collection_an_empty_one_is_saved(saved: Api, own_server: Server) -> None:
    saved.create("empty-one", 7, "Dot")
    saved.save("empty-one")
    own_server.restart()
    assert saved.details("empty-one")["dimension"] == 7


def test_renaming_back_before_a_flush_lets_a_reader_revive_the_old_one(saved: Api) -> None:
    saved.rename("keep", "before")
    saved.drop_alias("keep")
    assert saved.count("keep") == 2
    assert saved.ids("keep") == []
    assert saved.ids("before") == ["a", "b"]


def test_a_flush_before_the_alias_goes_leaves_nothing_to_revive(saved: Api) -> None:
    saved.rename("keep", "before")
    saved.save("before")
    saved.drop_alias("keep")
    assert saved.get("/collections/keep").status_code == 404


def test_a_server_that_is_down_answers_nothing(own_server: Server) -> None:
    own_server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{own_server.url}/health", timeout=5)
