"""The demo's own opinion on whether two readings are the same."""

import numpy as np
import pytest

from demo.difference import Difference, difference
from demo.vectorizer import Content

IDS = ("a", "b", "c", "d")
VECTORS = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 0], [1, 1, 1]], np.float32)
PAYLOADS = ({"n": "1"}, {"n": "2"}, None, {})
BEFORE = Content(IDS, VECTORS, PAYLOADS)


def test_equal_readings_are_the_same_and_all_of_it_was_compared() -> None:
    found = difference(BEFORE, Content(IDS, VECTORS.copy(), PAYLOADS))
    assert found == Difference(0, 0, 4, 0, 0, 1.0)
    assert found.same


def test_a_vector_may_be_scaled_because_the_server_does_that() -> None:
    assert difference(BEFORE, Content(IDS, VECTORS * np.float32(0.997), PAYLOADS)).same


def test_order_does_not_matter() -> None:
    turned = Content(IDS[::-1], VECTORS[::-1], PAYLOADS[::-1])
    assert difference(BEFORE, turned).same


def test_a_vector_that_points_elsewhere_is_found() -> None:
    bent = VECTORS.copy()
    bent[1, 2] = 0.01
    found = difference(BEFORE, Content(IDS, bent, PAYLOADS))
    assert (found.vectors, found.same) == (1, False)


@pytest.mark.parametrize("other", [[0, 0, 1], [np.nan, 0, 0]])
def test_a_zero_vector_that_is_none_any_more_is_found(other: list[float]) -> None:
    filled = VECTORS.copy()
    filled[2] = other
    assert difference(BEFORE, Content(IDS, filled, PAYLOADS)).vectors == 1


def test_a_payload_that_became_empty_is_found() -> None:
    found = difference(BEFORE, Content(IDS, VECTORS, ({"n": "1"}, {"n": "2"}, {}, {})))
    assert (found.payloads, found.same) == (1, False)


def test_missing_and_added_records_are_found() -> None:
    found = difference(BEFORE, Content(("a", "b", "x"), VECTORS[:3], PAYLOADS[:3]))
    assert (found.missing, found.added, found.compared, found.same) == (2, 1, 2, False)


def test_a_collection_that_is_gone_is_not_the_same() -> None:
    assert not difference(BEFORE, None).same


def test_nothing_compared_is_not_the_same() -> None:
    empty = Content((), np.empty((0, 3), np.float32), ())
    assert not difference(empty, empty).same
