"""The pre-rendered answers are the sandbox's, which is held to the recordings of a real server."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.data import VERSION, as_text, blocks
from bench.parameters import COLLECTION, SECOND, Kept, Shape
from bench.process import served
from bench.serving.answers import CHANGES, SAMPLE
from bench.serving.arrangement import Change
from sandbox.process import SandboxProcess

SHAPE = Shape(Kept.SQ8, 60, 24)
SCROLL = f"/qdrant/collections/{COLLECTION}/points/scroll"
UPSERT = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success message affectedCount}}"
LIST = "{collections{name vectorCount documentCount config{dimension metric hnswConfig{m efConstruction efSearch}}}}"
TIMES = re.compile(r'"(created_at|updated_at|at|date|id|start_time|end_time|uptime_seconds)":("[^"]*"|\d+)')
VECTOR = re.compile(r'"vector":\[[^]]*\]')


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rendered")


@pytest.fixture(scope="module")
def bench(rendered: Path) -> Iterator[str]:
    with served(SHAPE, rendered=rendered) as url:
        yield url


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sandbox that somebody wrote the same records to."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        config = {
            "vectors": {"size": SHAPE.dimension, "distance": "Cosine"},
            "hnsw_config": {"m": 16, "ef_construct": 200, "full_scan_threshold": 100},
            "quantization_config": {"scalar": {"type": "int8"}},
        }
        requests.put(f"{process.url}/qdrant/collections/{COLLECTION}", json=config, timeout=10).raise_for_status()
        block = next(blocks(SHAPE.vectors, SHAPE.dimension))
        vectors = [
            {"id": key, "data": vector.tolist(), "payload": payload}
            for key, vector, payload in zip(block.ids, block.vectors, block.payloads, strict=True)
        ]
        assert asked(process.url, UPSERT, {"i": {"collection": COLLECTION, "vectors": vectors}})["upsertVectors"]
        yield process.url


def asked(url: str, query: str, variables: Any = None) -> Any:
    answer = requests.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=10).json()
    return answer["data"]


def scrolled(url: str, **question: object) -> requests.Response:
    return requests.post(url + SCROLL, json=question, timeout=10)


@pytest.mark.parametrize("path", ["/health", "/status", f"/qdrant/collections/{COLLECTION}", "/qdrant/aliases"])
def test_small_answers_are_the_sandbox_s(bench: str, sandbox: str, path: str) -> None:
    mine, theirs = (requests.get(url + path, timeout=10) for url in (bench, sandbox))
    assert mine.headers["content-type"] == theirs.headers["content-type"]
    mine, theirs = (re.sub(r'"timestamp":"[^"]*"', "", TIMES.sub("", one.text)) for one in (mine, theirs))
    assert mine == theirs


def test_lists_and_details_are_the_sandbox_s(bench: str, sandbox: str) -> None:
    assert asked(bench, LIST) == asked(sandbox, LIST)
    mine, theirs = (requests.get(f"{url}/collections/{COLLECTION}", timeout=10).text for url in (bench, sandbox))
    assert TIMES.sub("", mine) == TIMES.sub("", theirs)


def test_a_scroll_is_the_sandbox_s_digit_by_digit(bench: str, sandbox: str) -> None:
    mine, theirs = (scrolled(url, limit=100) for url in (bench, sandbox))
    assert mine.json() == theirs.json()
    assert VECTOR.findall(mine.text) == VECTOR.findall(theirs.text)
    assert mine.headers["content-type"] == theirs.headers["content-type"]
    assert len(mine.content) == len(theirs.content)


def test_a_scroll_has_payload_keys_in_many_orders_as_a_real_server_does(bench: str) -> None:
    payloads = [point["payload"] for point in scrolled(bench, limit=100).json()["result"]["points"]]
    assert len({tuple(payload) for payload in payloads}) > 5
    assert len({tuple(sorted(payload)) for payload in payloads}) == 1


def test_a_backup_is_the_sandbox_s_byte_by_byte(bench: str, sandbox: str) -> None:
    texts = []
    for url in (bench, sandbox):
        body = {"name": "nightly", "collections": [COLLECTION]}
        made = requests.post(f"{url}/backups/create", json=body, timeout=10).json()
        text = requests.get(f"{url}/backups", timeout=10).text
        texts.append(text.replace(made["id"], "ID").replace(made["date"], "DATE"))
    assert texts[0] == texts[1]
    assert as_text(next(blocks(1, SHAPE.dimension)).payloads[0]) in texts[0]


def test_pages_overlap_by_one_record_and_end(bench: str, sandbox: str) -> None:
    for url in (bench, sandbox):
        seen, offset, pages = [], None, 0
        while pages == 0 or offset is not None:
            result = scrolled(url, limit=25, offset=offset).json()["result"]
            seen += [point["id"] for point in result["points"]]
            offset, pages = result["next_page_offset"], pages + 1
        assert (pages, len(seen), len(set(seen))) == (3, 62, 60)


def test_data_are_repeated_under_other_ids(rendered: Path) -> None:
    with served(SHAPE, repetitions=3, rendered=rendered) as url:
        assert asked(url, "{collections{vectorCount}}") == {"collections": [{"vectorCount": 180}]}
        points = scrolled(url, limit=1000).json()["result"]["points"]
        middle = scrolled(url, limit=100, offset=points[50]["id"]).json()["result"]
    assert len({point["id"] for point in points}) == 180
    assert [point["vector"] for point in points[:60]] * 3 == [point["vector"] for point in points]
    assert middle == {"points": points[50:150], "next_page_offset": points[149]["id"]}


def test_several_collections_hold_the_same_data(rendered: Path) -> None:
    with served(SHAPE, rendered=rendered, collections=[COLLECTION, SECOND]) as url:
        assert asked(url, "{collections{name vectorCount}}") == {
            "collections": [{"name": name, "vectorCount": SHAPE.vectors} for name in (COLLECTION, SECOND)]
        }
        other = requests.post(f"{url}/qdrant/collections/{SECOND}/points/scroll", json={"limit": 100}, timeout=10)
        assert other.content == scrolled(url, limit=100).content


@pytest.mark.parametrize("repetitions", [1, 2])
def test_an_answer_keeps_the_pace_it_is_given(tmp_path: Path, repetitions: int) -> None:
    shape = Shape(Kept.FLOATS, 2000, 64)
    with served(shape, repetitions, tmp_path) as free, served(shape, repetitions, tmp_path, pace=2e6) as url:
        wanted = scrolled(free, limit=10_000).content
        began = time.monotonic()
        assert scrolled(url, limit=10_000).content == wanted
        assert time.monotonic() - began > len(wanted) / 2e6 * 0.9


def test_more_is_counted_and_served_than_the_sandbox_holds(tmp_path: Path) -> None:
    shape = Shape(Kept.FLOATS, SAMPLE + 200, 4)
    with served(shape, rendered=tmp_path) as url:
        details = requests.get(f"{url}/collections/{COLLECTION}", timeout=10).json()
        points = scrolled(url, limit=10_000).json()["result"]["points"]
    assert details["vector_count"] == len(points) == SAMPLE + 200
    assert details["quantization"]["type"] == "None"


def test_a_rendering_is_kept_and_one_that_was_cut_short_is_made_anew(rendered: Path, bench: str) -> None:
    kept = {path: path.stat().st_mtime_ns for path in rendered.rglob("*.json")}
    cut, outdated = rendered / f"v{VERSION}-sq8-7x3.unfinished", rendered / f"v{VERSION - 1}-sq8-7x3"
    for folder in (cut, outdated):
        folder.mkdir()
        (folder / "scroll.json").write_text("{")
    for shape in (SHAPE, Shape(Kept.SQ8, 7, 3)):
        with served(shape, rendered=rendered) as url:
            assert len(json.loads(scrolled(url, limit=100).text)["result"]["points"]) == shape.vectors
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not cut.exists()
    assert not outdated.exists()


def test_a_change_is_listed_as_it_was_asked_for_and_the_rest_stays(rendered: Path) -> None:
    shape = Shape(Kept.FLOATS, SAMPLE + 200, 8)
    with served(shape, rendered=rendered) as url:
        before = points(url)
        change = Change(updates=20, additions=10, deletions=5, seed=7)
        requests.post(url + CHANGES, data=change.model_dump_json(), timeout=10).raise_for_status()
        after = points(url)
    same = [key for key in before if after.get(key) == before[key]]
    assert len(before) == SAMPLE + 200
    assert len(before.keys() - after.keys()) == 5
    assert len(after.keys() - before.keys()) == 10
    assert len(same) == SAMPLE + 200 - 20 - 5
    assert [*after] == sorted(after)


def points(url: str) -> dict[str, Any]:
    """Read all records, some at a time."""
    found: dict[str, Any] = {}
    offset: str | None = None
    while True:
        page = scrolled(url, limit=77, with_vector=True, **({"offset": offset} if offset else {})).json()["result"]
        found |= {point["id"]: point["vector"] for point in page["points"]}
        offset = page["next_page_offset"]
        if offset is None:
            return found
