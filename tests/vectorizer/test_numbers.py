import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.canonical import canonical_json, canonical_text
from backup_engine.vectorizer.numbers import hasty_value, safe_text, with_safe_numbers

DOUBLES = st.floats(allow_nan=False, allow_infinity=False)

# What a real server made of doubles that were sent in the fewest digits.
MISREAD = {
    "0.10490011715303971": 0.10490011715303972,
    "-1.2654214710460525": -1.2654214710460523,
    "1.3664634705496859": 1.366463470549686,
}


@pytest.mark.parametrize(("sent", "kept"), MISREAD.items())
def test_a_hasty_parser_is_what_the_server_was_seen_to_be(sent, kept):
    assert hasty_value(sent) == kept != float(sent)


@pytest.mark.parametrize("number", [float(sent) for sent in MISREAD])
def test_doubles_that_were_misread_are_sent_so_that_they_are_not(number):
    assert hasty_value(safe_text(number)) == number


@settings(deadline=None)
@given(DOUBLES)
def test_a_text_always_means_the_same_to_a_correct_parser(number):
    assert json.loads(safe_text(number)) == number


@settings(deadline=None)
@given(st.floats(min_value=1e-9, max_value=1e15))
def test_what_a_hasty_parser_misreads_nevertheless_is_the_neighbour(number):
    assert hasty_value(safe_text(number)) == pytest.approx(number, rel=3e-16, abs=0)


def test_nearly_every_double_is_read_as_it_was_meant():
    numbers = [(2 * place + 1) / 7919 * 1000 for place in range(5000)]
    misread_before = sum(hasty_value(repr(number)) != number for number in numbers)
    misread_now = sum(hasty_value(safe_text(number)) != number for number in numbers)
    assert misread_before > 400
    assert misread_now < misread_before / 20


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | DOUBLES | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_a_payload_stays_the_same_value(value):
    text = canonical_json(value)
    assert canonical_text(with_safe_numbers(text)) == text


def test_what_looks_like_a_number_in_a_text_or_key_is_left_alone():
    payload = '{"0.10490011715303971":"a\\"0.10490011715303971\\\\","n":12345678901234567890}'
    assert with_safe_numbers(payload) == payload


def test_integers_of_any_length_are_left_alone():
    payload = f'{{"n":-{"9" * 5000},"f":0.1}}'
    assert with_safe_numbers(payload) == payload
