"""What a comparison tells of a server that differs: exactly what has to be written and deleted, and no more."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.model import Metric, Quantization
from backup_engine.restore.changes import Changes
from backup_engine.restore.comparison import Expected, compare
from tests.engine.samples import configuration, some_records

NUMBERS = st.lists(st.integers(0, 30), unique=True, max_size=20)


def pieces(batch, rows: int):
    return [batch.slice(at, rows) for at in range(0, batch.num_rows, rows)]


@settings(max_examples=60, deadline=None)
@given(expected=NUMBERS, same=NUMBERS, others=NUMBERS, cut=st.integers(1, 7))
def test_it_is_the_difference_of_both_sides(expected, same, others, cut):
    others = [number for number in others if number not in same]
    backup = [Expected(batch, False) for batch in pieces(some_records(expected), cut)]
    listed = [*pieces(some_records(same), cut), *pieces(some_records(others, seed=8), cut)]
    kept = configuration(8, Metric.EUCLIDEAN, Quantization.NONE)
    with Changes(None) as changes:
        compare(backup, listed, kept, others_allowed=False, told=changes)
        wanted = changes.among(some_records(expected)).column("id").to_pylist()
        surplus = sorted(key for ids in changes.surplus() for key in ids)
        assert (changes.records, changes.twice) == (len(same) + len(others), 0)
    assert wanted == [f"r{number}" for number in expected if number not in same]
    assert surplus == sorted(f"r{number}" for number in {*same, *others} - {*expected})


def test_an_id_that_is_listed_twice_is_counted_as_that():
    batch = some_records(range(5))
    with Changes(None) as changes:
        for _ in range(2):
            changes.listed(batch)
        assert (changes.records, changes.twice) == (10, 5)


def test_nothing_is_left_on_disk(tmp_path):
    with Changes(tmp_path) as changes:
        changes.delete(some_records(range(5)))
        changes.write(some_records(range(3)))
        assert not changes.none
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_what_is_the_same_is_no_change():
    batch = some_records(range(9))
    with Changes(None) as changes:
        kept = configuration()
        compare([Expected(batch, False)], [batch], kept, others_allowed=False, told=changes)
        assert changes.none
        assert changes.among(batch).num_rows == 0
        assert list(changes.surplus()) == []
