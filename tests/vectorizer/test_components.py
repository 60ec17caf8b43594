import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backup_engine.errors import UnexpectedAnswer
from backup_engine.vectorizer.components import ComponentParser, component_texts

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
AWKWARD = np.array(
    [7.038530691851209e-26, -0.0, 0.0, 1e-45, 1.1754942e-38, 1e20, 3.4028235e38, 16777216.0, 0.1, 1e-7], np.float32
)


def bits(vectors):
    return np.ascontiguousarray(vectors, np.float32).view(np.uint32).tolist()


def as_the_server_writes(vector):
    """The shortest digits of a float32, as numpy finds them; the server's differ in the look of exponents only."""
    return ",".join(np.format_float_positional(number, unique=True, trim="0") for number in vector).encode()


@settings(deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4)), elements=FLOATS))
def test_the_servers_digits_give_the_same_float32_back(vectors):
    texts = [as_the_server_writes(vector) for vector in vectors]
    assert bits(ComponentParser().parse(texts, 4)) == bits(vectors)


def test_a_double_between_two_float32_is_not_rounded_twice():
    text = b"7.038531e-26,1.5"
    assert np.float32(float("7.038531e-26")) != AWKWARD[0]  # the trap
    assert bits(ComponentParser().parse([text], 2)) == bits(np.array([[AWKWARD[0], 1.5]]))


@settings(deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(3)), elements=FLOATS))
def test_what_is_written_means_the_same_float32_to_a_server_that_reads_doubles(vectors):
    for text, vector in zip(component_texts(vectors), vectors, strict=True):
        assert bits(np.array(json.loads(f"[{text}]"), np.float64)) == bits(vector)


def test_awkward_floats_survive_both_ways():
    vectors = AWKWARD.reshape(2, 5)
    texts = component_texts(vectors)
    assert bits(np.array([json.loads(f"[{text}]") for text in texts], np.float64)) == bits(vectors)
    assert bits(ComponentParser().parse([as_the_server_writes(vector) for vector in vectors], 5)) == bits(vectors)


def test_nulls_become_nan_and_leave_their_neighbours_alone():
    vectors = ComponentParser().parse([b"0.1,0.2", b"null,7.038531e-26", b"null,null"], 2)
    assert np.isnan(vectors).tolist() == [[False, False], [True, False], [True, True]]
    assert bits(vectors[0]) == bits(np.array([0.1, 0.2]))
    assert vectors[1, 1] == AWKWARD[0]


def test_whole_numbers_are_numbers():
    assert ComponentParser().parse([b"1,2.5", b"3,4"], 2).tolist() == [[1.0, 2.5], [3.0, 4.0]]


@pytest.mark.parametrize(
    "texts",
    [
        [b"1,2,3"],
        [b"1"],
        [b""],
        [b"1,2", b"1"],
        [b'1,"2"'],
        [b"1,[2"],
        [b"1,{}"],
        [b"1,true"],
        [b"1,"],
        [b"1,NaN"],
        [b"1,x"],
    ],
)
def test_anything_else_is_refused(texts):
    with pytest.raises(UnexpectedAnswer):
        ComponentParser().parse(texts, 2)


def test_the_parser_goes_on_after_a_refusal():
    parser = ComponentParser()
    with pytest.raises(UnexpectedAnswer):
        parser.parse([b"1,2,3"], 2)
    assert parser.parse([b"1,2"], 2).tolist() == [[1.0, 2.0]]
    assert parser.parse([], 2).shape == (0, 2)
