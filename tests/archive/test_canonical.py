"""Canonical JSON: one text for one value, and nothing of the value lost."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.canonical import (
    MAX_DEPTH,
    canonical_json,
    canonical_text,
    depth_exceeds,
    exact_text,
    is_json,
)
from backup_engine.errors import UnexpectedAnswer

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)

TOKENS = [
    *'{}[],:"\\/ eE+-.0123456789',
    *(
        "-0",
        "-0.0",
        "1e5",
        "1E+400",
        "-1e-400",
        "5e-324",
        "1.7976931348623159e308",
        "0.1",
        "1e16",
        "1e-5",
        "01",
        "1.",
        "-",
    ),
    *("9" * 19, "9" * 25, "18446744073709551615", "18446744073709551616", "-9223372036854775809", "9" * 4_301),
    *("true", "false", "null", "NaN", "Infinity", "nul"),
    *(
        '"a"',
        '"b"',
        '"\\u0061"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\u00"',
        '"\\x"',
        '"\\/\\b\\u2028"',
    ),
    *('"é"', '"\x7f"', '"\x1f"', '"\U0001f600"', "\ufeff", "\x00", "\t", "\n", "\x0b"),
    *('{"a":1}', '{"b":1,"a":2,"b":3}', "[1,2]", '{"a":', "]}", "[1.5,", '"a":'),
]
"""What JSON, and what nearly is JSON, is made of."""

SOUP = st.lists(st.sampled_from(TOKENS), max_size=12).map("".join)


def outcome(rewrite, raw):
    """What it gives, or that it refuses."""
    try:
        return rewrite(raw)
    except (UnexpectedAnswer, ValueError):
        return None


def exactly(raw):
    text = raw if isinstance(raw, str) else raw.decode()
    return None if depth_exceeds(text, MAX_DEPTH) else exact_text(text)


def same(left, right) -> bool:
    """Equal, and -0.0 is not 0.0, 1 is not 1.0, True is not 1."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return left == right


@given(VALUES, st.booleans(), st.sampled_from([None, 1, 4]))
def test_every_way_to_write_a_value_has_one_canonical_text(value, ascii_only, indent):
    canonical = canonical_json(value)
    assert canonical_text(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == canonical
    assert canonical_text(canonical.encode()) == canonical
    assert same(json.loads(canonical), value)
    assert is_json(canonical)


@given(
    SOUP | st.tuples(VALUES, SOUP, st.booleans()).map(lambda made: json.dumps(made[0], ensure_ascii=made[2]) + made[1])
)
@settings(max_examples=1_000, deadline=None)
def test_the_fast_way_takes_and_gives_what_the_exact_one_does(raw):
    expected = outcome(exactly, raw)
    assert outcome(canonical_text, raw) == expected
    assert outcome(canonical_text, raw.encode()) == expected
    assert is_json(raw) or expected is None


@given(st.binary(max_size=8), st.sampled_from([b'{"a":"%s"}', b'{"%s":1}', b'"%s"', b"%s"]))
def test_bytes_that_are_no_text_are_refused_both_ways(some, around):
    raw = around % some
    assert outcome(canonical_text, raw) == outcome(exactly, raw)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_written_as_python_writes_them(number):
    assert canonical_text(f'{{"a":[{number!r}]}}') == f'{{"a":[{number!r}]}}'
    assert canonical_text(f"{number:.17e}") == repr(number)


@given(st.dictionaries(TEXT, st.integers(), min_size=2))
def test_keys_are_sorted_by_code_point_whatever_their_order(value):
    backwards = dict(sorted(value.items(), reverse=True))
    assert canonical_json(backwards) == canonical_json(value)
    assert list(json.loads(canonical_json(value))) == sorted(value, key=lambda key: [ord(letter) for letter in key])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (' { "b" : 1 , "a" : [ ] } ', '{"a":[],"b":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ("-0.0", "-0.0"),
        ("-0", "0"),
        ("1e20", "1e+20"),
        ("1E-7", "1e-07"),
        ("100000000000000000000000.0", "1e+23"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("18446744073709551617", "18446744073709551617"),
        (r'"\u00e9\/\u001f\u007f"', '"é/\\u001f\x7f"'),
        (r'"\ud83d\ude00"', '"😀"'),
        (r'"\ud800"', r'"\ud800"'),
        ('{"\U0001f600":1,"\uffff":2}', '{"\uffff":2,"\U0001f600":1}'),
    ],
)
def test_canonical_form_by_example(raw, expected):
    assert canonical_text(raw) == expected


@pytest.mark.parametrize("length", [4_300, 4_301, 50_000])
def test_integers_keep_all_their_digits(length):
    digits = "9" * length
    raw = f'{{"b": -{digits}, "a": [{digits}, "{digits}", -0, 1.5, null], "c": {{}}}}'
    assert canonical_text(raw) == f'{{"a":[{digits},"{digits}",0,1.5,null],"b":-{digits},"c":{{}}}}'
    assert is_json(raw)


@pytest.mark.parametrize(
    "raw",
    ["", "{", "[1,]", "NaN", "-Infinity", "1e400", "01", "nul", '{"a":1}x', "'a'", b"\xff", '"\x01"', '{"a":1}{"b":2}'],
)
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(UnexpectedAnswer, match="JSON"):
        canonical_text(raw)


@pytest.mark.parametrize("value", [math.nan, math.inf, [1, -math.inf]])
def test_numbers_that_json_does_not_have_are_refused(value):
    with pytest.raises(UnexpectedAnswer, match="no JSON form"):
        canonical_json(value)


def test_nesting_is_bounded_and_brackets_in_strings_do_not_count():
    assert canonical_text("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert canonical_text(json.dumps("[{" * 100_000))
    assert canonical_text("[" + "[]," * 100_000 + "[]]")
    with pytest.raises(UnexpectedAnswer, match="deeper than 200"):
        canonical_text("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    assert not is_json("[" * 1_000_000)
    assert not is_json('{"a":1},"b":2')
