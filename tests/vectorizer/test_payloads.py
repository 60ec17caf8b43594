"""Payloads that a scroll hides or rounds come out exactly, at the least cost."""

import pytest

from backup_engine.archive.canonical import canonical_json
from backup_engine.errors import CollectionMoved
from backup_engine.vectorizer.payloads import doubtful
from backup_engine.vectorizer.scroll import Scroll
from tests.vectorizer.scrolling import Scrolled

AWKWARD = [
    {"a": 1},
    None,
    "text",
    " text \r\n ",
    7,
    True,
    False,
    [],
    [1, 2],
    ["text "],
    {},
    {"big": 2**63},
    {"big": 2**64 - 1, "text": " untrimmed "},
    {"big": 10**40, "deep": [{"text": "t", "n": -(2**64)}]},
    {"float": 1e300},
    {"float": 9.3e18},
    {"word": "1e+19"},
    10**25,
    {"": ""},
    0.1,
    [None],
]


def collection(payloads):
    return [(f"r{place}", [0.5, 1.0], payload) for place, payload in enumerate(payloads)]


def read(client, scrolled):
    return [
        text for batch in Scroll(client).read(scrolled.state).batches for text in batch.column("payload").to_pylist()
    ]


def written(payloads):
    return [None if payload is None else canonical_json(payload) for payload in payloads]


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize("page_bytes", [1 << 30, 1500])
def test_every_payload_comes_out_exactly(httpserver, make_client, by_id, page_bytes):
    scrolled = Scrolled(httpserver, collection(AWKWARD * 3), by_id=by_id)
    for place, (_, vector, payload) in enumerate(scrolled.records):
        scrolled.records[place] = (f"r{place}", vector, payload)
    assert read(make_client(page_bytes=page_bytes), scrolled) == written(AWKWARD * 3)


def test_where_no_payload_has_a_byte_none_is_asked_for(httpserver, client):
    scrolled = Scrolled(httpserver, collection([None] * 3000))
    assert read(client, scrolled) == [None] * 3000
    assert scrolled.asked == []


def test_what_a_scroll_can_carry_is_not_asked_for_again(httpserver, client):
    payloads = [{"n": 2**63 - 1}, {"n": -(2**63)}, {"f": 1e17}, {"sha": "3e19f00e+1"}, {"f": 1e-300}]
    scrolled = Scrolled(httpserver, collection(payloads))
    assert read(client, scrolled) == written(payloads)
    assert scrolled.asked == []


def test_absent_payloads_among_others_never_cost_a_page(httpserver, client):
    payloads = [{"n": place} if place % 2 else None for place in range(2000)]
    scrolled = Scrolled(httpserver, collection(payloads))
    assert read(client, scrolled) == written(payloads)
    assert scrolled.asked == ["400 by id", "400 by id", "200 by id"]


def test_large_numbers_never_cost_a_page(httpserver, client):
    payloads = [{"hash": 2**64 - 1 - place, "text": "as it is"} for place in range(500)]
    scrolled = Scrolled(httpserver, collection(payloads))
    assert read(client, scrolled) == written(payloads)
    assert scrolled.asked == ["400 by id", "100 by id"]


def test_only_texts_cost_pages_and_neighbours_share_them(httpserver, client):
    payloads = [{"n": 1}] * 10 + ["text "] * 1500 + [{"n": 1}] * 10 + [" text"]
    scrolled = Scrolled(httpserver, collection(payloads))
    assert read(client, scrolled) == written(payloads)
    pages = [asked for asked in scrolled.asked if asked.startswith("page")]
    assert pages == ["page at 10 of 1000", "page at 1010 of 511"]


def test_records_that_moved_under_a_page_are_never_given_anothers_payload(httpserver, client):
    scrolled = Scrolled(httpserver, collection(["a ", "b ", "c "]))
    reading = Scroll(client).read(scrolled.state)
    batches = iter(reading.batches)
    scrolled.by_id = False
    original = scrolled._page

    def moved(asked):
        scrolled.records.insert(0, ("new", [0.5, 1.0], "x"))
        return original(asked)

    scrolled._page = moved
    with pytest.raises(CollectionMoved, match="'r0' was at place 0, found 'new' there"):
        next(batches)


def test_a_record_deleted_meanwhile_is_left_out(httpserver, client):
    scrolled = Scrolled(httpserver, collection([None, {"n": 1}]))
    original = scrolled._graphql

    def gone(request):
        scrolled.records, scrolled.updated_at = scrolled.records[1:], "later"
        return original(request)

    httpserver.expect_oneshot_request("/graphql").respond_with_handler(gone)
    reading = Scroll(client).read(scrolled.state)
    assert [batch.to_pydict() for batch in reading.batches] == [
        {"id": ["r1"], "vector": [[0.5, 1.0]], "payload": ['{"n":1}']}
    ]
    assert reading.later == [0], "a single page was not one moment"


@pytest.mark.parametrize("payload", [7, "text "])
def test_a_record_written_meanwhile_comes_with_the_vector_that_belongs_to_its_payload(httpserver, client, payload):
    scrolled = Scrolled(httpserver, collection([1, {"n": 1}]))
    original = scrolled._graphql

    def written(request):
        scrolled.records[0], scrolled.updated_at = ("r0", [0.25, 2.0], payload), "later"
        return original(request)

    httpserver.expect_oneshot_request("/graphql").respond_with_handler(written)
    reading = Scroll(client).read(scrolled.state)
    (batch,) = reading.batches
    assert batch.to_pylist()[0] == {"id": "r0", "vector": [0.25, 2.0], "payload": canonical_json(payload)}
    assert reading.later == [0]


def test_a_collection_that_keeps_still_is_asked_for_payloads_only(httpserver, client):
    reading = Scroll(client).read(Scrolled(httpserver, collection([7, "text"])).state)
    assert len(list(reading.batches)) == 1
    assert reading.later == []


def test_answers_stay_small_where_payloads_are_large(httpserver, client):
    scrolled = Scrolled(httpserver, collection([7] * 50 + ["text"] * 50))
    scrolled.payload_bytes = 100 << 20
    assert read(client, scrolled) == written([7] * 50 + ["text"] * 50)
    assert scrolled.asked == ["32 by id"] * 3 + ["4 by id", "page at 50 of 32", "page at 82 of 18"]


@pytest.mark.parametrize(
    ("payload", "doubt"),
    [
        (None, True),
        ('{"a":9.223372036854775e+18}', True),
        ('{"a":1e+300}', True),
        ('{"a":1e+17}', False),
        ('{"a":9223372036854775807}', False),
        ("{}", False),
    ],
)
def test_doubt_is_about_nulls_and_floats_beyond_64_bits(payload, doubt):
    assert doubtful(payload) is doubt
