import numpy as np
import pytest

from tests.contract.client import Api


@pytest.fixture
def sixty(api: Api, name: str) -> str:
    api.create(name)
    records = [{"id": f"r{n}", "data": [n + 1, 1, 2, 3], "payload": {"n": n}} for n in range(60)]
    api.upsert_records(name, records)
    return name


EXPECTED = [f"r{n}" for n in range(60)]


def test_the_list_never_gives_more_than_50(api: Api, sixty: str) -> None:
    page = api.get(f"/collections/{sixty}/vectors?limit=1000").json()
    assert [each["id"] for each in page["vectors"]] == EXPECTED[:50]
    assert (page["total"], page["limit"], page["offset"]) == (60, 50, 0)
    assert page["message"] == "Showing 50 of 60 vectors. Use pagination for more."


def test_the_list_goes_on_by_offset(api: Api, sixty: str) -> None:
    page = api.get(f"/collections/{sixty}/vectors?limit=50&offset=50").json()
    assert [each["id"] for each in page["vectors"]] == EXPECTED[50:]


def test_graphql_goes_on_by_cursor_and_ends(api: Api, sixty: str) -> None:
    first = api.page(sixty, 40)
    assert (first["hasNextPage"], first["nextCursor"], first["totalCount"]) == (True, "40", 60)
    second = api.page(sixty, 40, cursor=first["nextCursor"])
    assert (second["hasNextPage"], second["nextCursor"]) == (False, None)
    assert [each["id"] for each in first["items"] + second["items"]] == EXPECTED


def test_graphql_never_gives_more_than_1000(api: Api, name: str) -> None:
    api.create(name, 1)
    api.upsert_records(name, [{"id": str(n), "data": [n]} for n in range(1100)])
    page = api.page(name, 5000)
    assert (len(page["items"]), page["nextCursor"]) == (1000, "1000")


def test_scroll_gives_everything_at_once(api: Api, sixty: str) -> None:
    result = api.scroll(sixty, limit=100_000)
    assert [each["id"] for each in result["points"]] == EXPECTED
    assert result["next_page_offset"] is None


def test_scroll_gives_ten_unless_told(api: Api, sixty: str) -> None:
    assert len(api.scroll(sixty)["points"]) == 10


def test_the_next_scroll_page_starts_with_the_last_record_of_the_one_before(api: Api, sixty: str) -> None:
    first = api.scroll(sixty, limit=25)
    assert first["next_page_offset"] == first["points"][-1]["id"] == "r24"
    second = api.scroll(sixty, limit=25, offset="r24")
    assert [each["id"] for each in second["points"]] == EXPECTED[24:49]


def test_scroll_from_an_id_that_is_gone_starts_again(api: Api, sixty: str) -> None:
    assert api.scroll(sixty, limit=2, offset="gone")["points"][0]["id"] == "r0"


def test_scroll_one_at_a_time_never_gets_on(api: Api, sixty: str) -> None:
    assert api.scroll(sixty, limit=1)["next_page_offset"] == "r0"
    assert api.scroll(sixty, limit=1, offset="r0")["next_page_offset"] == "r0"


def test_scroll_shows_objects_only_and_integers_beyond_64_bits_as_floats(api: Api, name: str) -> None:
    api.create(name)
    payloads = {
        "object": {"a": [1, {"b": None}], "c": 0.1, "d": True},
        "text": "x",
        "list": [1],
        "number": 7,
        "bool": False,
        "empty": {},
        "big": {"n": 2**63, "small": -(2**63), "deep": [2**64 - 1]},
    }
    api.upsert_records(name, [{"id": key, "data": [1, 2, 3, 4], "payload": payloads[key]} for key in payloads])
    shown = {each["id"]: each["payload"] for each in api.scroll(name, limit=100)["points"]}
    expected = {key: value if isinstance(value, dict) else None for key, value in payloads.items()}
    assert shown == {**expected, "big": {"n": 2.0**63, "small": -(2**63), "deep": [2.0**64]}}
    assert isinstance(shown["big"]["n"], float)
    assert isinstance(shown["big"]["small"], int)


def test_graphql_and_list_give_every_payload_as_it_was_sent(api: Api, name: str) -> None:
    api.create(name)
    payloads = ["x", [1, "ü"], 7, 1.5, True, {}, {"n": 2**63, "t": " \r\n\ttab "}, None, {"ключ": {"深": []}}]
    records = [{"id": str(n), "data": [1, 2, 3, 4], "payload": each} for n, each in enumerate(payloads)]
    api.upsert_records(name, records)
    assert [each["payload"] for each in api.page(name)["items"]] == payloads
    listed = api.get(f"/collections/{name}/vectors?limit=50").json()["vectors"]
    assert [each["payload"] for each in listed] == payloads


def test_scroll_writes_the_shortest_digits_and_the_others_the_whole_float(api: Api, name: str) -> None:
    api.create(name, 2, quantization_config={"product": {}})
    api.upsert(name, {"a": [0.1, 16777216.0]})
    body = api.post(f"/qdrant/collections/{name}/points/scroll", {}).text
    assert '"vector":[0.1,16777216.0]' in body
    assert "0.10000000149011612" in api.get(f"/collections/{name}/vectors").text
    assert api.page(name)["items"][0]["data"] == [float(np.float32(0.1)), 16777216.0]


def test_retrieving_by_id_normalises_text_and_passes_over_what_is_missing(api: Api, name: str) -> None:
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4], "b": [4, 3, 2, 1]}, {"t": " edge  \r\nline "})
    body = {"ids": ["b", "missing", "a"], "with_vector": True, "with_payload": True}
    points = api.post(f"/qdrant/collections/{name}/points", body).json()["result"]
    assert [each["id"] for each in points] == ["b", "a"]
    assert points[0]["payload"] == {"t": "edge\nline"}
    assert len(points[0]["vector"]) == 4


def test_getting_one_vector_is_a_mock_whatever_the_id(api: Api, sixty: str) -> None:
    for vector_id in ("r1", "missing"):
        answer = api.get(f"/collections/{sixty}/vectors/{vector_id}").json()
        assert answer == {"id": vector_id, "vector": [0.1] * 512, "metadata": {"collection": sixty}}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/collections/{}", "Collection not found: {}"),
        ("/collections/{}/vectors", "Collection not found: {}"),
        ("/qdrant/collections/{}", "collection '{}' not found"),
    ],
)
def test_a_missing_collection_is_404_in_two_wordings(api: Api, name: str, path: str, message: str) -> None:
    response = api.get(path.format(name))
    assert response.status_code == 404
    assert response.json()["error_type"] == "collection_not_found"
    assert response.json()["message"] == message.format(name)


def test_searching_by_vector_finds_the_nearest(api: Api, sixty: str) -> None:
    body = {"vector": [1000, 1, 2, 3], "limit": 1}
    found = api.post(f"/collections/{sixty}/search", body).json()
    assert (found["query_type"], found["total_results"]) == ("vector", 1)
    assert found["results"][0]["id"] == "r59"
