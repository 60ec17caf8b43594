import numpy as np
import pytest

from tests.contract.client import Api

GENERATOR = np.random.default_rng(20261122)


def load(api: Api, name: str, vectors: np.ndarray) -> None:
    records = [{"id": str(n), "data": [float(x) for x in row]} for n, row in enumerate(vectors)]
    api.upsert_records(name, records)


def read(api: Api, name: str) -> np.ndarray:
    points = api.scroll(name, limit=100_000)["points"]
    return np.array([each["vector"] for each in points], dtype=np.float32)


def codes(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the codes behind values that were read, and prove them bit for bit."""
    low, high = vectors.min(axis=1, keepdims=True), vectors.max(axis=1, keepdims=True)
    found = np.rint((vectors - low) / (high - low) * np.float32(255)).astype(np.float32)
    again = (found / np.float32(255)) * (high - low) + low
    assert np.array_equal(again, vectors)
    return found.astype(np.uint8), low, high


@pytest.mark.parametrize("distance", ["Euclid", "Dot", "Cosine"])
def test_every_vector_reads_as_codes_between_its_own_extremes(api: Api, name: str, distance: str) -> None:
    api.create(name, 48, distance)
    load(api, name, GENERATOR.normal(size=(300, 48)))
    codes(read(api, name))


@pytest.mark.parametrize("distance", ["Euclid", "Cosine"])
def test_sending_the_middles_of_codes_gives_the_same_codes(api: Api, name: str, distance: str) -> None:
    api.create(name, 48, distance)
    load(api, name, GENERATOR.normal(size=(300, 48)))
    values = read(api, name)
    found, low, high = codes(values)
    middles = low + (found + np.float32(0.5)) / np.float32(255) * (high - low)
    sent = np.where(found == 0, low, np.where(found == 255, high, middles))
    copy = f"{name}-copy"
    api.create(copy, 48, distance)
    load(api, copy, sent)
    again, _, _ = codes(read(api, copy))
    assert np.array_equal(again, found)
    if distance == "Euclid":
        assert np.array_equal(read(api, copy), values)


def test_sending_what_was_read_does_not_give_the_same_codes(api: Api, name: str) -> None:
    api.create(name, 48)
    load(api, name, GENERATOR.normal(size=(300, 48)))
    values = read(api, name)
    copy = f"{name}-copy"
    api.create(copy, 48)
    load(api, copy, values)
    found, _, _ = codes(values)
    changed = (found != codes(read(api, copy))[0]).any(axis=1).mean()
    assert changed > 0.8


def test_the_quantiser_truncates(api: Api, name: str) -> None:
    api.create(name, 3)
    api.upsert(name, {"a": [0, 254.99, 255]})
    assert read(api, name)[0].tolist() == [0, 254, 255]


def test_cosine_vectors_are_brought_to_unit_length(api: Api, name: str) -> None:
    api.create(name, 16, "Cosine", quantization_config={"product": {}})
    load(api, name, GENERATOR.normal(size=(50, 16)) * 100)
    assert np.allclose(np.linalg.norm(read(api, name), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("distance", ["Euclid", "Dot"])
def test_other_metrics_keep_lengths(api: Api, name: str, distance: str) -> None:
    api.create(name, 16, distance, quantization_config={"product": {}})
    vectors = GENERATOR.normal(size=(50, 16)).astype(np.float32) * 100
    load(api, name, vectors)
    assert np.array_equal(read(api, name), vectors)


def test_binary_collections_keep_signs_about_the_middle(api: Api, name: str) -> None:
    api.create(name, 4, quantization_config={"binary": {}})
    api.upsert(name, {"a": [1, 2, 3, 4]})
    assert read(api, name)[0].tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("distance", ["Euclid", "Cosine"])
def test_values_beyond_float32_come_back_as_nulls(api: Api, name: str, distance: str) -> None:
    api.create(name, 4, distance)
    api.upsert(name, {"a": [1e40, 0, 0, 0], "b": [1, 2, 3, 4]})
    assert api.page(name)["items"][0]["data"] == [None] * 4
    assert api.scroll(name)["points"][0]["vector"] == [None] * 4


@pytest.mark.parametrize("distance", ["Euclid", "Cosine"])
def test_a_zero_vector_stays_zero_and_a_flat_one_flat(api: Api, name: str, distance: str) -> None:
    api.create(name, 4, distance)
    api.upsert(name, {"zero": [0, 0, 0, 0], "flat": [0.5, 0.5, 0.5, 0.5]})
    assert read(api, name).tolist() == [[0] * 4, [0.5] * 4]
