"""An index of a state finds what is in it, exactly, and says of everything else that it is not."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.digests import DigestSet
from backup_engine.archive.state_index import StateIndex

ROWS = st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), max_size=30)
ODD = st.sampled_from([bytes(16), b"\x01" + bytes(15), bytes(15) + b"\x01", b"\xff" * 16, b"\x01\x00" * 8])


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory):
    top = tmp_path_factory.mktemp("indexes")
    return (top / str(number) for number in count())


def array(items) -> np.ndarray:
    return np.frombuffer(b"".join(items), "S16")


def index_of(rows: dict[bytes, bytes], directory: Path) -> StateIndex:
    with DigestSet(rows_in_memory=7) as digests:
        digests.add_rows(array(rows.keys()), array(rows.values()))
        return StateIndex(digests.chunks(), directory)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, odd=st.dictionaries(ODD, ODD), others=st.lists(st.one_of(ODD, st.binary(min_size=16, max_size=16))))
def test_it_finds_what_is_there_and_nothing_else(directories, rows, odd, others):
    rows = rows | odd
    index = index_of(rows, next(directories))
    asked = [*rows, *others]
    found = index.find(array(asked))
    assert [at >= 0 for at in found] == [key in rows for key in asked]
    order = sorted(rows)
    assert [order[at] for at in found if at >= 0] == [key for key in asked if key in rows]
    assert index.rows == len(rows)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, odd=st.dictionaries(ODD, ODD), data=st.data())
def test_it_tells_what_is_exactly_so(directories, rows, odd, data):
    rows = rows | odd
    index = index_of(rows, next(directories))
    asked = {key: data.draw(st.sampled_from([value, bytes(16)])) for key, value in rows.items()} | {
        b"x" * 16: b"y" * 16
    }
    equal = index.equal(index.find(array(asked)), array(asked.values()))
    assert equal.tolist() == [rows.get(key) == value for key, value in asked.items()]


def test_it_gives_back_its_rows(directories):
    rows = {bytes([number]) * 16: bytes([255 - number]) * 16 for number in range(20)}
    index = index_of(rows, next(directories))
    at = np.array([3, 0, 19])
    assert index.hashes_at(at).tobytes() == b"".join(sorted(rows)[number] for number in at)
    assert index.digests_at(at).tobytes() == b"".join(rows[sorted(rows)[number]] for number in at)


def test_the_index_of_nothing_knows_nothing(directories):
    index = index_of({}, next(directories))
    asked = array([b"a" * 16, b"b" * 16])
    assert index.find(asked).tolist() == [-1, -1]
    assert index.equal(index.find(asked), asked).tolist() == [False, False]
    assert index.hashes_at(np.empty(0, np.int64)).tolist() == []
