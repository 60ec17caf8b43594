"""Batches: nothing is copied, nothing is lost, and null components have one form."""

from __future__ import annotations

import numpy as np
import pytest

from backup_engine.archive.batches import (
    QUIET_NAN,
    batch_bytes,
    make_batch,
    rows_with_null_components,
    schema,
    vectors_of,
)


def bits(vectors) -> np.ndarray:
    return np.ascontiguousarray(vectors).view(np.uint32)


def test_a_batch_gives_back_what_went_in_without_copying_it():
    vectors = np.array([[1, -0.0, 3], [4, 5, 1e-45]], np.float32)
    batch = make_batch(["a", "b"], vectors, [None, "{}"])
    assert batch.schema == schema(3)
    assert np.shares_memory(vectors_of(batch), vectors)
    assert (bits(vectors_of(batch)) == bits(vectors)).all()
    assert batch.column("payload").to_pylist() == [None, "{}"]
    assert batch_bytes(batch) >= vectors.nbytes


def test_a_slice_shows_its_own_vectors():
    batch = make_batch(list("abcd"), np.arange(8, dtype=np.float32).reshape(4, 2), [None] * 4)
    assert vectors_of(batch.slice(1, 2)).tolist() == [[2, 3], [4, 5]]


@pytest.mark.parametrize("writeable", [True, False])
@pytest.mark.parametrize("pattern", [0x7FC00000, 0x7F800001, 0xFFC00000, 0xFFFFFFFF])
def test_every_nan_becomes_the_quiet_nan(pattern, writeable):
    vectors = np.zeros((2, 2), np.float32)
    vectors.view(np.uint32)[1, 0] = pattern
    vectors.setflags(write=writeable)
    batch = make_batch(["a", "b"], vectors, [None, None])
    assert bits(vectors_of(batch)).tolist() == [[0, 0], [QUIET_NAN, 0]]
    assert rows_with_null_components(batch).tolist() == [False, True]


def test_an_empty_batch_is_a_batch():
    batch = make_batch([], np.empty((0, 3), np.float32), [])
    assert vectors_of(batch).shape == (0, 3)
    assert rows_with_null_components(batch).tolist() == []


def test_infinities_are_no_null_components():
    batch = make_batch(["a"], np.array([[np.inf, -np.inf]], np.float32), [None])
    assert not rows_with_null_components(batch).any()
