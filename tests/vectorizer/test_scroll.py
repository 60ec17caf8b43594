import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.errors import CollectionMoved, CollectionNotFound, ServerUnavailable, UnexpectedAnswer
from backup_engine.vectorizer.scroll import Scroll, plan_pages
from tests.vectorizer.raw_server import answer
from tests.vectorizer.scrolling import Scrolled


def records(number, first=0):
    return [(f"r{place}", [0.5, float(place)], {"n": place}) for place in range(first, first + number)]


def rows(reading):
    return pa.Table.from_batches(reading.batches).to_pylist()


def ids(reading):
    return [row["id"] for row in rows(reading)]


# ------------------------------------------------------------------ pages


@given(st.integers(0, 10**8), st.integers(1, 10**6), st.integers(1, 1 << 31))
def test_as_few_pages_as_the_size_allows_hold_everything(count, record_bytes, page_bytes):
    plan = plan_pages(count, record_bytes, page_bytes, single_page=False)
    new_in_later_pages = plan.limit - 1
    assert plan.limit + (plan.pages - 1) * new_in_later_pages >= count
    if plan.pages > 1:
        assert plan.limit * record_bytes <= max(page_bytes, 2 * record_bytes)
        assert plan.limit >= 2


@given(st.integers(0, 10**8), st.integers(1, 10**6))
def test_one_page_leaves_room_for_what_is_written_meanwhile(count, record_bytes):
    plan = plan_pages(count, record_bytes, 1, single_page=True)
    assert plan.pages == 1
    assert plan.limit >= count + 1000


def test_a_collection_is_read_in_one_page(httpserver, client):
    scrolled = Scrolled(httpserver, records(300))
    reading = Scroll(client).read(scrolled.state)
    assert reading.pages == 1
    assert rows(reading) == [
        {"id": key, "vector": vector, "payload": f'{{"n":{vector[1]:.0f}}}'} for key, vector, _ in records(300)
    ]
    assert scrolled.limits == [1300]
    assert scrolled.asked == []


@pytest.mark.parametrize("count", [2, 3, 100, 101, 102, 500])
def test_pages_overlap_by_one_record_that_is_given_once(httpserver, make_client, count):
    scrolled = Scrolled(httpserver, records(count))
    reading = Scroll(make_client(page_bytes=30_000)).read(scrolled.state)
    assert ids(reading) == [f"r{place}" for place in range(count)]
    assert len(scrolled.limits) == reading.pages


def test_even_the_largest_records_come_two_a_page(httpserver, make_client):
    scrolled = Scrolled(httpserver, records(5))
    reading = Scroll(make_client(page_bytes=1)).read(scrolled.state)
    assert ids(reading) == [f"r{place}" for place in range(5)]
    assert scrolled.limits == [2] * 4


def test_an_empty_collection_gives_no_record(httpserver, client):
    assert list(Scroll(client).read(Scrolled(httpserver, []).state).batches) == []


def test_nothing_is_read_before_it_is_wanted(httpserver, client):
    scrolled = Scrolled(httpserver, records(3))
    Scroll(client).read(scrolled.state)
    assert scrolled.limits == []


# ------------------------------------------------------------------ collections that move


def test_a_page_that_was_not_all_is_no_moment(httpserver, client):
    scrolled = Scrolled(httpserver, records(5))
    state = scrolled.state
    scrolled.before_page = lambda page: scrolled.records.extend(records(2000, first=5))
    with pytest.raises(CollectionMoved, match="5 records were counted, 1,005 read"):
        ids(Scroll(client).read(state, single_page=True))


def test_a_deleted_offset_that_makes_the_server_start_over_is_noticed(httpserver, make_client):
    scrolled = Scrolled(httpserver, records(500))
    scrolled.before_page = lambda page: scrolled.records.pop(-page)
    state = scrolled.state

    def lose_offset(page):
        if page == 2:
            del scrolled.records[scrolled.limits[0] - 1]

    scrolled.before_page = lose_offset
    with pytest.raises(CollectionMoved, match=r"was deleted or moved meanwhile"):
        ids(Scroll(make_client(page_bytes=30_000)).read(state))


def test_a_listing_without_an_end_ends(httpserver, make_client):
    scrolled = Scrolled(httpserver, records(300))
    state = scrolled.state
    scrolled.before_page = lambda page: scrolled.records.extend(records(300, first=300 * page))
    with pytest.raises(CollectionMoved, match="no end to it"):
        ids(Scroll(make_client(page_bytes=30_000)).read(state))
    assert len(scrolled.limits) < 20


def test_an_id_that_is_listed_twice_does_not_lead_in_a_circle(httpserver, make_client):
    scrolled = Scrolled(httpserver, records(300) + records(300))
    with pytest.raises(CollectionMoved, match="lists records twice"):
        ids(Scroll(make_client(page_bytes=30_000)).read(scrolled.state))
    assert len(scrolled.limits) < 30


def test_records_added_between_pages_are_read_or_not_but_none_is_lost_or_doubled(httpserver, make_client):
    scrolled = Scrolled(httpserver, records(300))
    state = scrolled.state
    scrolled.before_page = lambda page: scrolled.records.extend(records(5, first=300 + 5 * page))
    found = ids(Scroll(make_client(page_bytes=30_000)).read(state))
    assert len(set(found)) == len(found)
    assert set(found) >= {f"r{place}" for place in range(300)}


# ------------------------------------------------------------------ what goes wrong


def test_a_vector_of_another_dimension_is_not_understood(httpserver, client):
    scrolled = Scrolled(httpserver, [("a", [1.0, 2.0], None), ("b", [1.0], None)])
    with pytest.raises(UnexpectedAnswer, match="collection's 2 components"):
        ids(Scroll(client).read(scrolled.state))


def test_a_missing_collection_is_not_found(httpserver, client):
    state = Scrolled(httpserver, records(3)).state
    missing = {"error_type": "collection_not_found", "message": "Collection not found: docs"}
    httpserver.clear()
    httpserver.expect_request("/collections/docs").respond_with_json(missing, status=404)
    with pytest.raises(CollectionNotFound):
        Scroll(client).read(state)


def test_a_page_that_breaks_off_gives_what_came_and_then_the_error(raw_server, make_client, httpserver):
    state = Scrolled(httpserver, records(1)).state
    record = b'{"id":"a","vector":[1.0,2.0],"payload":{"n":1}}'
    cut = answer(b'{"result":{"points":[' + record + b"," + record, "Content-Length: 5000")
    with pytest.raises(ServerUnavailable, match="broke off"):
        ids(Scroll(make_client(raw_server(cut).url)).read(state))
