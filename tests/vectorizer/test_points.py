import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.canonical import canonical_json
from backup_engine.errors import ServerUnavailable, UnexpectedAnswer
from backup_engine.vectorizer.points import PointPage

TEXTS = st.text(max_size=12) | st.sampled_from([
    '","vector":[',
    '},{"id":"',
    '],"payload":',
    '{"id":"x","vector":[1.0],"payload":null}',
    "back\\",
    '"',
    "ü漢😀",
    "\u2028\x00",
])
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
KEYS = TEXTS | st.sampled_from(["id", "vector", "payload", "points", "result"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.lists(
            st.fixed_dictionaries({"id": TEXTS, "vector": st.lists(NUMBERS, max_size=2), "payload": inner}), max_size=3
        )
    ),
    max_leaves=12,
)
RECORDS = st.lists(
    st.fixed_dictionaries({
        "id": TEXTS,
        "vector": st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False) | st.none(), min_size=2, max_size=2
        ),
        "payload": st.none() | st.dictionaries(KEYS, VALUES, max_size=4),
    }),
    max_size=6,
)
COMPACT = {"separators": (",", ":"), "ensure_ascii": False}
LAYOUTS = [COMPACT, {"separators": (",", ":")}, {"indent": 1, "ensure_ascii": False}, {"sort_keys": True}, {}]


def page(records, offset=None, **layout):
    answer = {"result": {"points": records, "next_page_offset": offset}}
    return json.dumps(answer, **(layout or COMPACT)).encode("utf-8")


def pieces(body, size):
    return iter([body[at : at + size] for at in range(0, len(body), size)])


def read(body, *, window=64, chunk=13, key="points"):
    points = PointPage(pieces(body, chunk), "scroll of 'docs'", key, window)
    found = []
    for one in points.windows():
        found += zip(one.ids, [json.loads(f"[{text.decode()}]") for text in one.vectors], one.payloads, strict=True)
    return found, points.next_offset


def expected(records):
    return [
        (record["id"], record["vector"], None if record["payload"] is None else canonical_json(record["payload"]))
        for record in records
    ]


@given(RECORDS, st.sampled_from(LAYOUTS), st.integers(16, 400), st.integers(1, 200))
@settings(max_examples=300, deadline=None)
def test_every_record_comes_out_whole_whatever_it_holds_and_however_it_is_cut(records, layout, window, chunk):
    found, offset = read(page(records, "next", **layout), window=window, chunk=chunk)
    assert found == expected(records)
    assert offset == "next"


def test_ids_and_payloads_that_look_like_records_are_not():
    inner = [{"id": str(number), "vector": [0.5], "payload": {"id": "deep"}} for number in range(50)]
    records = [
        {"id": '","vector":[1.0],"payload":{}},{"id":"x', "vector": [1.0, 2.0], "payload": {"text": '},{"id":"'}},
        {"id": "nested", "vector": [1.0, 2.0], "payload": {"items": inner}},
        {"id": "first key is id", "vector": [1.0, 2.0], "payload": {"id": "y", "more": inner[:2]}},
        {"id": "last", "vector": [1.0, 2.0], "payload": None},
    ]
    for window in (32, 300, 5000, 1 << 20):
        assert read(page(records), window=window)[0] == expected(records)


def test_other_layouts_of_newer_servers_are_read_too():
    records = [{"id": "a", "vector": [1.0, 2.0], "payload": {"k": 1}}, {"id": 7, "vector": [3, 4], "version": 2}]
    body = json.dumps({"status": "ok", "time": 0.1, "result": {"next_page_offset": None, "points": records}}).encode()
    assert read(body)[0] == [("a", [1.0, 2.0], '{"k":1}'), ("7", [3, 4], None)]


def test_records_with_more_keys_among_usual_ones_are_read_too():
    usual = [{"id": f"r{number}", "vector": [1.0, 2.0], "payload": {"n": number}} for number in range(40)]
    records = [record | ({"public_key": "x"} if place % 3 == 0 else {}) for place, record in enumerate(usual)]
    assert read(page(records))[0] == expected(usual)


def test_integers_keep_all_their_digits():
    digits = "9" * 5000
    body = page([]).replace(b"[]", f'[{{"id":"a","vector":[1.0],"payload":{{"n":{digits}}}}}]'.encode())
    assert read(body)[0] == [("a", [1.0], f'{{"n":{digits}}}')]
    spaced = body.replace(b'"payload":', b'"payload": ')
    assert read(spaced)[0] == [("a", [1.0], f'{{"n":{digits}}}')]


def test_an_empty_page_holds_nothing():
    assert read(page([])) == ([], None)
    assert read(b'{"result":[]}', key="result") == ([], None)


ONE = {"id": "a", "vector": [1.0, 2.0], "payload": None}
WHOLE = page([ONE, ONE], "a")


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_page_that_ends_too_early_is_never_taken_for_whole(length):
    with pytest.raises(UnexpectedAnswer):
        read(WHOLE[:length])


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"no"}',
        b"<html>" * 20_000,
        b'{"points":[]}',
        b'{"result":{"points":[{"vector":[1.0]}]}}',
        b'{"result":{"points":[{"id":"a","vector":{}}]}}',
        b'{"result":{"points":[1]}}',
        b'{"result":{"points":["\xff"]}}',
        rb'{"result":{"points":[{"id":"\ud800","vector":[1.0],"payload":null},{"id":"b","vector":[1.0],"payload":null}]}}',
        rb'{"result":{"points":[{"id":"\ud800","vector":[1.0],"payload":null}]}}',
        b'{"result":{"points":[{"id":"a","vector":[1.0],"payload":{"a":\x00}},{"id":"b","vector":[1.0],"payload":null}]}}',
        b'{"result":{"points":[]},"result":{"points":[1]}}',
        WHOLE + b"x",
        WHOLE + WHOLE,
    ],
)
def test_what_is_no_page_is_not_understood(body):
    with pytest.raises(UnexpectedAnswer, match=r"scroll of 'docs'|JSON"):
        read(body)


def test_a_payload_nested_beyond_reason_is_refused():
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    record = b'{"id":"a","vector":[1.0],"payload":' + deep + b"}"
    with pytest.raises(UnexpectedAnswer):
        read(page([]).replace(b"[]", b"[" + record + b"," + record + b"]"), window=1 << 20, chunk=1 << 20)


def test_a_stream_that_breaks_off_stays_a_broken_stream():
    def broken():
        yield WHOLE[:60]
        raise ServerUnavailable("the answer broke off")

    with pytest.raises(ServerUnavailable):
        list(PointPage(broken(), "scroll").windows())


def test_memory_does_not_grow_with_the_page():
    def stream(records):
        yield b'{"result":{"points":['
        for number in range(records):
            comma = b"," if number else b""
            yield comma + b'{"id":"r%d","vector":[%s],"payload":{"n":%d}}' % (
                number,
                b",".join([b"0.25"] * 200),
                number,
            )
        yield b'],"next_page_offset":null}}'

    peaks = []
    for records in (4_000, 40_000):
        tracemalloc.start()
        count = sum(len(window) for window in PointPage(stream(records), "scroll", window=256 << 10).windows())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == records
    assert peaks[1] < 1.2 * peaks[0] < 8 << 20
