"""When a reading is whole, when it is read again, and when a collection is called what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import Standing
from backup_engine.capture.judging import Again, Pass, Unsettled, Verdict, judge_passes, judge_union
from backup_engine.capture.several_reads import Tally
from backup_engine.model import CollectionState


def state(vectors: int, updated: str = "u") -> CollectionState:
    return CollectionState(name="docs", vectors=vectors, dimension=4, created_at="c", updated_at=updated)


def reading(pages=1, before=10, after=10, vectors=10, duplicates=0, *, moved=False) -> Pass:
    return Pass(pages, state(before), state(after, "moved" if moved else "u"), vectors, duplicates)


WHOLE = Verdict(Standing.WHOLE)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (reading(), WHOLE),
        (reading(pages=5), WHOLE),
        (reading(moved=True), WHOLE),  # one page is one moment
        (reading(moved=True, after=12, vectors=12), WHOLE),
        (reading(moved=True, after=14, vectors=12), Again.SINGLE_PAGE),
        (reading(pages=5, moved=True), Again.SINGLE_PAGE),
        (reading(pages=5, after=11, vectors=11), Again.SINGLE_PAGE),  # the count alone moved
        (reading(vectors=0), Again.SAME),
        (reading(vectors=9), Again.SAME),
        (reading(vectors=11), Again.SAME),
        (reading(vectors=10, duplicates=5), Again.SEVERAL),
        (reading(before=0, after=0, vectors=0), WHOLE),
    ],
)
def test_a_first_reading(last, expected):
    assert judge_passes([last], fits_one_page=True) == expected


def test_a_collection_too_large_for_one_page_is_read_several_times():
    assert judge_passes([reading(pages=5, moved=True)], fits_one_page=False) is Again.SEVERAL


def test_twice_short_without_moving_is_incomplete_and_says_how_many():
    found = judge_passes([reading(vectors=4), reading(vectors=4)], fits_one_page=True)
    assert found == Verdict(Standing.INCOMPLETE, "the server counts 10 vectors and gives 4")


def test_a_single_page_under_steady_writers_becomes_several_reads_after_a_few():
    moved = reading(moved=True, after=14, vectors=12)
    assert judge_passes([moved, moved], fits_one_page=True) is Again.SINGLE_PAGE
    assert judge_passes([moved, moved, moved], fits_one_page=True) is Again.SEVERAL


PASSES = st.builds(
    reading,
    pages=st.integers(1, 3),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
    vectors=st.integers(0, 4),
    duplicates=st.integers(0, 2),
    moved=st.booleans(),
)


@given(st.lists(PASSES, min_size=1, max_size=8), st.booleans())
def test_whole_always_means_counted_unique_and_of_one_moment(passes, fits):
    verdict = judge_passes(passes, fits_one_page=fits)
    if verdict == WHOLE:
        last = passes[-1]
        assert last.vectors in {last.before.vectors, last.after.vectors}
        assert last.duplicates == 0
        assert last.pages == 1 or last.before == last.after


@given(st.lists(PASSES, min_size=8, max_size=8), st.booleans())
def test_reading_again_ends(passes, fits):
    endless = {Again.SAME, Again.SINGLE_PAGE}
    assert judge_passes(passes, fits_one_page=fits) not in endless


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_union_that_counts_lies_between_what_the_server_counted(present, gone, lowest, more):
    extra = judge_union(Tally(present, gone), lowest, lowest + more)
    if extra is Unsettled.FEWER:
        assert present > lowest + more
    elif extra is Unsettled.MORE:
        assert present + gone < lowest
    else:
        assert 0 <= extra <= gone
        assert lowest <= present + extra <= lowest + more
        assert extra == 0 or present + extra == lowest
