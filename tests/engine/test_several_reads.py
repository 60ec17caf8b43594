"""Several reads of a moving collection are one: every id once, as it was read last, whatever the reads saw."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import vectors_of
from backup_engine.capture import several_reads
from backup_engine.capture.several_reads import SeveralReads, Tally
from backup_engine.errors import CollectionMoved
from tests.engine.samples import some_records

# A read is a list of (record, version); the version is told by the seed the record was made with.
READ = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=40)
READS = st.lists(st.tuples(st.sampled_from(["note", "lies in", "take", "breaks off"]), READ), min_size=1, max_size=5)
BY_ID = 9  # the version of what was found by id
KNOWN = 1  # the version of what is known elsewhere, when reads are compared


def batches(read: list[tuple[int, int]]):
    return [made(number, version) for number, version in read]


@cache
def made(number: int, version: int):
    return some_records([number], 4, version)


def content(records) -> list[tuple[str, bytes, str | None]]:
    return [
        row
        for batch in records
        for row in zip(
            batch["id"].to_pylist(),
            (vector.tobytes() for vector in vectors_of(batch)),
            batch["payload"].to_pylist(),
            strict=True,
        )
    ]


def hashed(record_id: str) -> bytes:
    """The id's hash as numpy shows it, without zeros at its end."""
    return hashlib.blake2b(record_id.encode(), digest_size=16).digest().rstrip(b"\0")


def version_of(row: tuple[str, bytes, str | None]) -> int:
    number = int(row[0][1:])
    return next(version for version in (1, 2, 3, BY_ID) if record(number, version) == row)


def numbers(chunks) -> set[int]:
    return {int(key[1:]) for ids in chunks for key in ids}


@pytest.fixture
def several() -> Iterator[SeveralReads]:
    with tempfile.TemporaryDirectory() as directory:
        yield SeveralReads(Path(directory))


def breaking(read: list[tuple[int, int]]):
    yield from batches(read)
    raise CollectionMoved("the order changed")


def differs(batch):
    return np.array([row != record(int(row[0][1:]), KNOWN) for row in content([batch])], np.bool_)


@cache
def record(number: int, version: int) -> tuple[str, bytes, str | None]:
    return content([made(number, version)])[0]


def do(several: SeveralReads, how: str, read: list[tuple[int, int]], *, compared: bool = False) -> bool:
    """Do one read; tell whether its records are kept."""
    if how == "take":
        several.take(batches(read))
    elif how == "breaks off":
        with pytest.raises(CollectionMoved):
            several.take(breaking(read))
    else:
        assert list(several.note(batches(read))) == batches(read)
        if how == "lies in":
            stored = [one for one in read if one[1] != KNOWN or not compared]
            several.lies_in(lambda: iter(batches(stored)))
    return how != "note"


@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize("share", [1 << 20, 7])
@settings(max_examples=60, deadline=None)
@given(READS, st.data())
def test_the_union_holds_each_id_once_as_it_was_read_last(share, compared, reads, data):
    """Against a model made of dictionaries."""
    before, several_reads._SHARE = several_reads._SHARE, share
    try:
        with tempfile.TemporaryDirectory() as directory:
            several = SeveralReads(Path(directory), differs if compared else None)
            _compare_with_the_model(several, reads, data, compared=compared)
    finally:
        several_reads._SHARE = before


def _compare_with_the_model(several, reads, data, *, compared):
    kept: dict[int, int] = {}
    seen: set[int] = set()
    for how, read in reads:
        last = {number for number, _ in read}
        if do(several, how, read, compared=compared):
            kept |= dict(read)
        missing, seen = seen - last, seen | last
        assert numbers(several.missing(3, kept=True)) == missing & kept.keys()
        assert numbers(several.missing(3, kept=False)) == missing - kept.keys()
        there = data.draw(st.sets(st.sampled_from(sorted(missing)))) if missing else set()
        several.confirmed(batches([(number, BY_ID) for number in sorted(there & kept.keys())]))
        found = there - kept.keys()
        several.found(batches([(number, BY_ID) for number in sorted(found)]))
        kept |= dict.fromkeys(found, BY_ID)
        last |= there
    assert numbers(several.unkept(4, 99)) == last - kept.keys()
    gone = kept.keys() - last
    assert several.tally() == Tally(len(last & kept.keys()), len(gone))
    extra = data.draw(st.integers(0, len(gone)))
    united = content(several.records(extra))
    known = {bytes(one) for some in several.known(extra) for one in some}
    known_rows = [row for row in content(batches([(n, KNOWN) for n in kept])) if hashed(row[0]) in known]
    assert len(known_rows) == len(known)
    assert known_rows == [] or compared
    assert not compared or all(version_of(row) != KNOWN for row in united)
    united += known_rows
    assert len(united) == len({row[0] for row in united}) == len(last & kept.keys()) + extra
    assert set(united) <= set(content(batches([*kept.items()])))
    assert {f"r{number}" for number in last & kept.keys()} <= {row[0] for row in united}


def test_records_come_in_the_order_they_were_read(several):
    do(several, "note", [(n, 1) for n in range(20)])
    do(several, "take", [(n, 1) for n in range(20) if n not in {3, 4}])
    several.found(batches([(3, 1)]))
    assert [row[0] for row in content(several.records())] == [f"r{n}" for n in range(20) if n not in {3, 4}] + ["r3"]


def test_those_read_last_are_the_ones_kept_of_what_is_gone(several):
    do(several, "take", [(n, 1) for n in range(6)])
    do(several, "take", [(0, 2)])
    assert {row[0] for row in content(several.records(gone=2))} == {"r0", "r4", "r5"}


def test_reads_that_saw_nothing_hold_nothing(several):
    do(several, "note", [])
    do(several, "take", [])
    assert several.tally() == Tally(0, 0)
    assert [*several.missing(10, kept=True), *several.missing(10, kept=False), *several.unkept(10, 10)] == []
    assert list(several.records()) == []


def test_records_may_be_found_while_the_missing_ids_are_still_being_given(several):
    do(several, "note", [(n, 1) for n in range(20)])
    do(several, "take", [(0, 1)])
    several.found(some_records(sorted(numbers([ids])), 4, 1) for ids in several.missing(4, kept=False))
    assert several.tally() == Tally(20, 0)
    assert len(content(several.records())) == 20


def test_what_only_the_last_look_saw_can_be_kept_too_the_first_that_were_listed_first(several):
    do(several, "take", [(1, 1), (3, 1)])
    do(several, "note", [(n, 1) for n in (1, 2, 3, 4, 5)])
    assert several.tally() == Tally(2, 0)
    assert list(several.unkept(2, 9)) == [["r2", "r4"], ["r5"]]
    several.found(some_records(sorted(numbers([ids])), 4, 1) for ids in several.unkept(9, 2))
    assert [row[0] for row in content(several.records())] == ["r1", "r3", "r2", "r4"]


def test_a_read_whose_records_lie_elsewhere_is_read_from_there_only_when_one_is_wanted(several):
    opened = []

    def elsewhere():
        opened.append(True)
        return iter(batches([(n, 1) for n in range(4)]))

    do(several, "note", [(n, 1) for n in range(4)])
    several.lies_in(elsewhere)
    do(several, "take", [(n, 2) for n in range(4)])
    assert len(content(several.records())) == 4
    assert opened == []
    do(several, "take", [(n, 3) for n in (1, 2)])
    several.confirmed(batches([(0, BY_ID), (3, BY_ID)]))
    assert content(several.records()) == content(batches([(0, 2), (3, 2), (1, 3), (2, 3)]))
