"""Codes: recovered bit for bit or not at all, and what is sent back becomes the same codes again.

The server's quantiser is written out in ``builder`` in float32, as its source has it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backup_engine.archive.codes import Codes, centred, recover, values
from tests.archive.builder import server_dequantise, server_quantise, shown_by_sq8

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=24)
VECTORS = hnp.arrays(np.float32, SHAPES, elements=FLOATS)


def bits(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors).view(np.uint32)


def distinguishable(codes: Codes) -> bool:
    """float32 can tell the intervals apart, as ``centred`` demands."""
    spread, magnitude = codes.hi - codes.lo, np.maximum(abs(codes.lo), abs(codes.hi))
    return bool(((spread >= magnitude * 2.0**-14) & ((spread > 1e-30) | (spread == 0))).all())


@given(VECTORS)
def test_what_the_server_shows_of_sq8_is_recovered_to_the_bit(vectors):
    shown = shown_by_sq8(vectors)
    recovered = recover(shown)
    assume(recovered is not None or distinguishable(Codes(*server_quantise(vectors))))
    assert recovered is not None
    assert (bits(values(recovered)) == bits(shown)).all()


@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32)))
@settings(max_examples=300)
def test_whatever_is_recovered_reproduces_every_bit(vectors):
    recovered = recover(vectors)
    if recovered is not None:
        assert (bits(values(recovered)) == bits(vectors)).all()


@given(VECTORS)
def test_a_server_with_sq8_computes_the_same_codes_again(vectors):
    shown = shown_by_sq8(vectors)
    codes = recover(shown)
    assume(codes is not None and distinguishable(codes))
    again = server_quantise(centred(codes))
    assert (again[0] == codes.codes).all()
    assert (bits(server_dequantise(*again)) == bits(shown)).all()


@pytest.mark.parametrize("dimension", [3, 8, 128, 384, 1536])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_codes_come_back_exactly_for_euclid_and_for_cosine(dimension, scale):
    random = np.random.default_rng(dimension)
    vectors = (random.standard_normal((500, dimension)) * scale).astype(np.float32)
    lengths = np.sqrt((vectors * vectors).sum(axis=1, dtype=np.float32))
    original, lo, hi = server_quantise(vectors / lengths[:, None])
    codes = recover(server_dequantise(original, lo, hi))
    assert (codes.codes == original).all()
    sent = centred(codes)
    assert (server_quantise(sent)[0] == original).all()
    lengths = np.sqrt((sent * sent).sum(axis=1, dtype=np.float32))
    assert (server_quantise(sent / lengths[:, None])[0] == original).all()


def test_sending_values_as_they_were_read_would_change_codes():
    """Why ``centred`` exists: if this ever fails, the server rounds instead of truncating."""
    shown = shown_by_sq8(np.random.default_rng(1).standard_normal((500, 384)))
    codes = recover(shown)
    assert (server_quantise(shown)[0] != codes.codes).any(axis=1).mean() > 0.9


@pytest.mark.parametrize(
    "row",
    [
        [0.0, 0.0, 0.0],
        [2.5, 2.5, 2.5],
        [-1e38, -1e38, -1e38],
        [0.0, 1.0, 0.0],
        [1e-45, 3e-45, 2e-45],
    ],
)
def test_constant_zero_and_tiny_vectors_reproduce(row):
    vectors = np.array([row], np.float32)
    shown = shown_by_sq8(vectors)
    codes = recover(shown)
    assert (bits(values(codes)) == bits(shown)).all()
    assert (bits(server_dequantise(*server_quantise(centred(codes)))) == bits(shown)).all()


@pytest.mark.parametrize(
    "row",
    [
        [np.nan, 0.0, 1.0],
        [np.nan, np.nan, np.nan],
        [np.inf, 0.0, 1.0],
        [-np.inf, np.inf, 0.0],
        [-3e38, 3e38, 0.0],
        [-0.0, 0.0, 1.0],
        [-0.0, -0.0, -0.0],
        [0.1, 0.2, 0.7001],
    ],
)
def test_a_vector_that_does_not_reproduce_is_never_coded(row):
    vectors = np.array([row], np.float32)
    assert recover(vectors) is None
    good = np.zeros((1000, 3), np.float32)
    good[-1] = row
    assert recover(good) is None


def test_one_component_off_by_one_bit_prevents_coding():
    shown = shown_by_sq8(np.random.default_rng(2).standard_normal((2000, 64)))
    assert recover(shown) is not None
    shown[-1, 5] = np.nextafter(shown[-1, 5], np.float32(9))
    assert recover(shown) is None


def test_dimension_one_is_always_its_own_end():
    codes = recover(np.array([[3.5], [-2.0]], np.float32))
    assert values(codes).tolist() == centred(codes).tolist() == [[3.5], [-2.0]]
