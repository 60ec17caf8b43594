"""A walk over a JSON text finds what a parser finds, however the text is cut, and ends on whatever is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.errors import ServerUnavailable, UnexpectedAnswer
from backup_engine.vectorizer.server_backups.json_stream import JsonStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def cut(text: bytes, sizes: list[int]):
    """Give the text in pieces of these sizes, again and again."""
    at, number = 0, 0
    while at < len(text):
        size = sizes[number % len(sizes)]
        yield text[at : at + size]
        at, number = at + size, number + 1


def stream(text: bytes, *, sizes: list[int] | None = None, window: int = 64) -> JsonStream:
    return JsonStream(cut(text, sizes or [7]), "the text", window=window)


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@given(st.lists(VALUES, max_size=12), LAYOUTS, SIZES, st.integers(1, 200))
def test_the_items_of_an_array_are_those_a_parser_finds(values, layout, sizes, window):
    walked = stream(json.dumps(values, **layout).encode(), sizes=sizes, window=window)
    found = [json.loads(item) for items in walked.windows() for item in items]
    walked.end()
    assert found == values


@given(st.dictionaries(st.text(), VALUES, max_size=8), LAYOUTS, SIZES)
def test_the_members_of_an_object_are_those_a_parser_finds(values, layout, sizes):
    walked = stream(json.dumps(values, **layout).encode(), sizes=sizes)
    assert {key: walked.value() for key in walked.members()} == values
    walked.end()


@given(st.lists(VALUES, max_size=8), LAYOUTS, SIZES)
def test_what_is_skipped_is_skipped_to_its_end(values, layout, sizes):
    walked = stream(json.dumps([values, "here", values], **layout).encode(), sizes=sizes)
    found = []
    for number in walked.items():
        if number == 1:
            found.append(walked.value())
        else:
            walked.skip()
    walked.end()
    assert found == ["here"]


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=5), SIZES)
def test_what_is_walked_over_can_be_overheard_byte_for_byte(values, sizes):
    text = json.dumps(values).encode()
    walked, heard = stream(text, sizes=sizes), []
    walked.overhear = heard.append
    walked.skip()
    walked.end()
    assert b"".join(heard) == text


@given(st.lists(VALUES, min_size=1, max_size=6), st.data(), SIZES)
def test_a_text_cut_anywhere_is_never_taken_for_a_whole_one(values, data, sizes):
    text = json.dumps(values).encode()
    short = text[: data.draw(st.integers(0, len(text) - 1))]
    for walk in (lambda walked: list(walked.windows()), JsonStream.skip, JsonStream.value):
        with pytest.raises(UnexpectedAnswer):
            walk(stream(short, sizes=sizes))


@given(st.binary(max_size=200), SIZES)
def test_whatever_comes_it_ends_and_every_item_found_is_balanced(text, sizes):
    for walk in (lambda walked: list(walked.windows()), JsonStream.skip, JsonStream.value, lambda w: list(w.items())):
        try:
            walk(stream(text, sizes=sizes))
        except UnexpectedAnswer:
            continue


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1 2]", b"[1,]", b"[,1]", b"[1}", b'["a":1]', b"[1", b'["a', b"[1,", b"7", b"[[1]", b'{"a"']
)
def test_what_is_no_array_is_refused_with_what_was_found(text):
    with pytest.raises(UnexpectedAnswer, match=r"^the text: .* (was|were) expected.*, found "):
        list(stream(text).windows())


@pytest.mark.parametrize("text", [b"[]", b"{1:2}", b'{"a" 1}', b'{"a":1 "b":2}', b'{"a":1,}', b'{"a":}', b"{"])
def test_what_is_no_object_is_refused(text):
    walked = stream(text)
    with pytest.raises(UnexpectedAnswer):
        [walked.value() for _ in walked.members()]


def test_brackets_in_strings_and_quotes_with_backslashes_are_text():
    values = ['a]"b', "}{][", "\\", '\\"', {'k"]': ['"', "\\\\"]}]
    walked = stream(json.dumps(values).encode(), sizes=[1], window=3)
    assert [json.loads(item) for items in walked.windows() for item in items] == values


def test_nesting_deeper_than_any_server_nests_ends_in_an_error_and_not_in_a_crash():
    deep = b"[" * 100_000
    for walk in (lambda walked: list(walked.windows()), JsonStream.value):
        with pytest.raises(UnexpectedAnswer):
            walk(JsonStream(iter([b"[", deep]), "the text"))
    with pytest.raises(UnexpectedAnswer, match="the end of the text"):
        JsonStream(iter([deep]), "the text").skip()


def test_a_value_that_should_be_small_is_not_held_when_it_is_large():
    with pytest.raises(UnexpectedAnswer, match="a value of at most 100,000 bytes was expected"):
        JsonStream(iter([b'"', *[b"x" * 5000] * 100]), "the text").value(limit=100_000)


def test_something_after_the_end_is_refused():
    walked = stream(b"[1] 2")
    walked.skip()
    with pytest.raises(UnexpectedAnswer, match="nothing more was expected, found '2'"):
        walked.end()


def test_an_error_of_the_connection_passes_through():
    def broken():
        yield b"[1,"
        raise ServerUnavailable("broke off")

    with pytest.raises(ServerUnavailable):
        list(JsonStream(broken(), "the text").windows())
