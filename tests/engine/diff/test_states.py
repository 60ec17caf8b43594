"""What the difference between two states promises: an algebra, whatever the states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.digests import CHUNK_ROWS, DigestSet
from backup_engine.diff.states import changed_rows
from tests.engine.diff.states import apply, batch_of_records, chunks, difference, digests_of, names, split

_ids = st.text("abcdefghij", min_size=1, max_size=2)
_vectors = st.tuples(*[st.sampled_from([-1.0, -0.0, 0.0, 1e-40, 1.0])] * 4)
_payloads = st.sampled_from([None, "{}", '{"a":1}', "null"])
states = st.dictionaries(_ids, st.tuples(_vectors, _payloads), max_size=40)
rows = st.integers(1, 9)


@settings(deadline=None)
@given(states, rows)
def test_a_state_does_not_differ_from_itself(state, chunk) -> None:
    assert difference(state, state, chunk) == []


@settings(deadline=None)
@given(states, states, rows)
def test_applying_a_difference_makes_the_second_state_of_the_first(a, b, chunk) -> None:
    assert apply(digests_of(a), difference(a, b, chunk), digests_of(b)) == digests_of(b)


@settings(deadline=None)
@given(states, states, rows)
def test_every_id_is_told_once_and_as_what_it_is(a, b, chunk) -> None:
    pieces = difference(a, b, chunk)
    one, other = digests_of(a), digests_of(b)
    told = {kind: [h for piece in pieces for h in split(getattr(piece, kind))] for kind in ("added", "changed", "gone")}
    assert sorted(told["added"]) == sorted(set(other) - set(one))
    assert sorted(told["gone"]) == sorted(set(one) - set(other))
    assert sorted(told["changed"]) == sorted(key for key in set(one) & set(other) if one[key] != other[key])


@settings(deadline=None)
@given(states, states, rows)
def test_the_rows_of_a_piece_are_those_that_only_one_side_has(a, b, chunk) -> None:
    pieces = difference(a, b, chunk)
    one, other = ({key + digest for key, digest in digests_of(state).items()} for state in (a, b))
    assert [row for piece in pieces for row in split(piece.before)] == sorted(one - other)
    assert [row for piece in pieces for row in split(piece.after)] == sorted(other - one)


@settings(deadline=None)
@given(states, states, states)
def test_two_differences_one_after_the_other_come_to_the_direct_one(a, b, c) -> None:
    by_steps = apply(apply(digests_of(a), difference(a, b), digests_of(b)), difference(b, c), digests_of(c))
    assert by_steps == apply(digests_of(a), difference(a, c), digests_of(c)) == digests_of(c)


@settings(deadline=None)
@given(states, states)
def test_a_difference_the_other_way_takes_it_back(a, b) -> None:
    there = difference(a, b)
    back = difference(b, a)
    assert [one for piece in there for one in split(piece.added)] == [
        one for piece in back for one in split(piece.gone)
    ]
    assert apply(apply(digests_of(a), there, digests_of(b)), back, digests_of(a)) == digests_of(a)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (((1.0, 0.0, 0.0, 0.0), None), ((1.0, 0.0, 0.0, -0.0), None), "changed"),
        (((1.0, 0.0, 0.0, 0.0), None), ((1.0, 0.0, 0.0, 0.0), "{}"), "changed"),
        (None, ((1.0, 0.0, 0.0, 0.0), None), "added"),
        (((1.0, 0.0, 0.0, 0.0), None), None, "gone"),
    ],
)
def test_each_way_a_record_can_differ_is_seen(before, after, kind) -> None:
    """The counterpart of the properties: a comparison that sees nothing fails here."""
    rest = {f"other {number}": ((0.0, 1.0, 0.0, 0.0), None) for number in range(9)}
    a = rest | ({"x": before} if before else {})
    b = rest | ({"x": after} if after else {})
    (piece,) = difference(a, b)
    assert names(a | b, getattr(piece, kind)) == ["x"]


def test_an_id_that_is_listed_twice_on_one_side_is_changed_and_never_gone() -> None:
    once, twice = DigestSet(), DigestSet()
    record = batch_of_records({"x": ((1.0, 0.0, 0.0, 0.0), None)})
    once.add(record)
    twice.add(record)
    twice.add(batch_of_records({"x": ((2.0, 0.0, 0.0, 0.0), None)}))
    (piece,) = changed_rows(twice.chunks(), once.chunks())
    assert (len(piece.added), len(piece.changed), len(piece.gone)) == (0, 1, 0)


def test_memory_and_pieces_stay_small_whatever_the_states_hold() -> None:
    def state(shift: int):
        for start in range(0, 4 * CHUNK_ROWS, CHUNK_ROWS):
            with DigestSet() as digests:
                numbers = np.arange(start, start + CHUNK_ROWS, dtype=">u8")
                hashes = np.zeros((CHUNK_ROWS, 2), ">u8")
                hashes[:, 0] = numbers
                values = hashes.copy()
                values[:, 1] = (numbers % 100 == 0) * shift + 1
                digests.add_rows(hashes.reshape(-1).view("S16"), values.reshape(-1).view("S16"))
                yield from digests.chunks()

    pieces = [*changed_rows(state(1), state(2))]
    assert sum(len(piece.changed) for piece in pieces) == len(range(0, 4 * CHUNK_ROWS, 100))
    assert max(len(piece.changed) for piece in pieces) <= 2 * CHUNK_ROWS // 100 + 2


def test_one_side_may_be_empty() -> None:
    state = {"x": ((1.0, 0.0, 0.0, 0.0), None)}
    assert [len(piece.added) for piece in difference({}, state)] == [1]
    assert [len(piece.gone) for piece in difference(state, {})] == [1]
    assert [*chunks({})] == []
