"""Collections that are deleted or renamed in memory and still on disk: whoever asks for the name brings them back."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.contract.client import Api

VECTORS = {"x": [1, 2, 3, 4], "y": [2, 3, 4, 5], "z": [3, 4, 5, 6]}

ASKING: dict[str, Callable[[Api, str], object]] = {
    "details": lambda api, name: api.details(name),
    "scroll": lambda api, name: api.scroll(name),
    "count": lambda api, name: api.count(name),
    "search": lambda api, name: api.post(f"/collections/{name}/search", {"vector": [1, 2, 3, 4]}),
    "configuration": lambda api, name: api.get(f"/qdrant/collections/{name}"),
    "read": lambda api, name: api.page(name),
}


@pytest.fixture
def saved(api: Api, name: str) -> str:
    """The name of a collection that is on disk."""
    api.create(name, 4, "Cosine")
    api.upsert(name, VECTORS)
    assert api.save(name)["flushed"] is True
    return name


@pytest.mark.parametrize("asking", ASKING)
def test_asking_for_a_deleted_collection_brings_back_a_ghost(api: Api, saved: str, asking: str) -> None:
    api.delete(f"/collections/{saved}")
    assert saved not in api.names()
    ASKING[asking](api, saved)
    assert saved in api.names()
    assert api.count(saved) == api.details(saved)["vector_count"] == 3
    assert api.ids(saved) == []
    assert api.scroll(saved)["points"] == []
    assert api.details(saved)["size"]["payload_bytes"] == 0


def test_writing_to_a_ghost_counts_once_and_lists_twice(api: Api, saved: str) -> None:
    api.delete(f"/collections/{saved}")
    api.upsert(saved, {"x": [1, 2, 3, 4], "new": [1, 1, 1, 1]})
    assert api.count(saved) == 5
    assert api.ids(saved) == ["x", "x", "new"]
    assert [each["id"] for each in api.scroll(saved)["points"]] == ["x", "x", "new"]


def test_a_ghost_is_backed_up_as_empty_and_nobody_is_told(api: Api, saved: str) -> None:
    api.delete(f"/collections/{saved}")
    made = api.post("/backups/create", {"name": "ghost", "collections": [saved]}).json()
    assert made["size"] == 24
    backup = next(each for each in api.get("/backups").json()["backups"] if each["id"] == made["id"])
    assert backup["data"][saved]["vectors"] == []


def test_after_a_flush_a_deleted_collection_is_not_found(api: Api, saved: str, name: str) -> None:
    api.create(f"{name}-other")
    api.upsert(f"{name}-other", VECTORS)
    api.delete(f"/collections/{saved}")
    api.save(f"{name}-other")
    assert api.get(f"/collections/{saved}").status_code == 404


def test_creating_at_once_leaves_no_ghost(api: Api, saved: str) -> None:
    api.delete(f"/collections/{saved}")
    api.create(saved)
    assert (api.count(saved), api.ids(saved)) == (0, [])


def test_an_unquantized_collection_comes_back_whole(api: Api, name: str) -> None:
    api.post("/collections", {"name": name, "dimension": 512, "metric": "euclidean"})
    api.upsert(name, {"a": [2.0] * 512})
    api.save(name)
    api.delete(f"/collections/{name}")
    assert api.ids(name) == ["a"]
    assert api.page(name)["items"][0]["data"] == [2.0] * 512


def test_renaming_back_before_a_flush_lets_a_reader_revive_the_old_one(api: Api, saved: str) -> None:
    api.rename(saved, f"{saved}-before")
    api.drop_alias(saved)
    assert api.count(saved) == 3
    assert api.ids(saved) == []
    assert api.ids(f"{saved}-before") == ["x", "y", "z"]


def test_a_flush_before_the_alias_goes_leaves_nothing_to_revive(api: Api, saved: str) -> None:
    api.rename(saved, f"{saved}-before")
    api.save(f"{saved}-before")
    api.drop_alias(saved)
    assert api.get(f"/collections/{saved}").status_code == 404


def test_a_swap_with_a_flush_is_right_under_readers(api: Api, saved: str) -> None:
    aside, before = f"{saved}-aside", f"{saved}-before"
    api.create(aside)
    api.upsert(aside, {"new": [9, 9, 9, 8]})
    with reading(api, saved) as counts:
        assert api.rename(saved, before).status_code == 200
        assert api.save(before)["flushed"] is True
        assert api.drop_alias(saved).status_code == 200
        assert api.rename(aside, saved).status_code == 200
        assert api.drop_alias(aside).status_code == 200
        assert api.save(saved)["flushed"] is True
    assert (api.count(saved), api.ids(saved)) == (1, ["new"])
    assert counts <= {1, 3}


@contextmanager
def reading(api: Api, name: str) -> Iterator[set[int]]:
    """Three readers that ask for a collection all the time; gives the counts they saw."""
    counts: set[int] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            response = requests.get(f"{api.url}/collections/{name}", timeout=30)
            if response.status_code == 200:
                counts.add(response.json()["vector_count"])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        yield counts
    finally:
        ended.set()
        for reader in readers:
            reader.join()
