"""Several reads of a moving collection are one: every id once, as it was read last, whatever the reads saw."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import vectors_of
from backup_engine.capture import several_reads
from backup_engine.capture.several_reads import SeveralReads, Tally
from tests.engine.samples import some_records

# A read is a list of (record, version); the version is told by the seed the record was made with.
READS = st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=40), min_size=1, max_size=4)


def batches(read: list[tuple[int, int]]):
    return [some_records([number], 4, version) for number, version in read]


def content(records) -> list[tuple[str, bytes, str | None]]:
    return [
        row
        for batch in records
        for row in zip(
            batch["id"].to_pylist(),
            (v.tobytes() for v in vectors_of(batch)),
            batch["payload"].to_pylist(),
            strict=True,
        )
    ]


@pytest.fixture(params=[1 << 20, 7], ids=["one share", "many shares"])
def share(request, monkeypatch):
    monkeypatch.setattr(several_reads, "_SHARE", request.param)


@pytest.mark.usefixtures("share")
@settings(max_examples=60, deadline=None)
@given(READS, st.data())
def test_the_union_holds_each_id_once_as_it_was_read_last(reads, data):
    """Against a model: dictionaries."""
    with tempfile.TemporaryDirectory() as directory:
        several = SeveralReads(Path(directory))
        noted, *taken = reads
        assert list(several.note(batches(noted))) == batches(noted)
        kept: dict[int, int] = {}
        seen = {number for number, _ in noted}
        last = set(seen)
        for read in taken:
            several.take(batches(read))
            last = {number for number, _ in read}
            kept |= dict(read)
            missing = seen - last
            assert {int(key[1:]) for ids in several.missing(3) for key in ids} == missing
            found = data.draw(st.sets(st.sampled_from(sorted(missing)))) if missing else set()
            several.found(batches([(number, 9) for number in sorted(found)]))
            kept |= dict.fromkeys(found, 9)
            last |= found
            seen |= last
        gone = {number for number in kept if number not in last}
        assert several.tally() == Tally(len(last & kept.keys()), len(gone))
        extra = data.draw(st.integers(0, len(gone)))
        given_records = content(several.records(extra))
        expected = content(batches([(number, kept[number]) for number in kept]))
        assert len(given_records) == len({row[0] for row in given_records})
        assert set(given_records) <= set(expected)
        present = {f"r{number}" for number in last & kept.keys()}
        assert present <= {row[0] for row in given_records}
        assert len(given_records) == len(present) + extra


def test_records_come_in_the_order_they_were_read():
    with tempfile.TemporaryDirectory() as directory:
        several = SeveralReads(Path(directory))
        list(several.note(batches([(n, 1) for n in range(20)])))
        several.take(batches([(n, 1) for n in range(20) if n not in {3, 4}]))
        several.found(batches([(3, 1)]))
        ids = [row[0] for row in content(several.records())]
        assert ids == [f"r{n}" for n in range(20) if n not in {3, 4}] + ["r3"]


def test_those_read_last_are_the_ones_kept_of_what_is_gone():
    with tempfile.TemporaryDirectory() as directory:
        several = SeveralReads(Path(directory))
        several.take(batches([(n, 1) for n in range(6)]))
        several.take(batches([(0, 2)]))
        ids = {row[0] for row in content(several.records(gone=2))}
        assert ids == {"r0", "r4", "r5"}


def test_reads_that_saw_nothing_hold_nothing():
    with tempfile.TemporaryDirectory() as directory:
        several = SeveralReads(Path(directory))
        assert list(several.note([])) == []
        several.take([])
        assert several.tally() == Tally(0, 0)
        assert list(several.missing(10)) == []
        assert list(several.records()) == []


def test_records_may_be_found_while_the_missing_ids_are_still_being_given():
    with tempfile.TemporaryDirectory() as directory:
        several = SeveralReads(Path(directory))
        list(several.note(batches([(n, 1) for n in range(20)])))
        several.take(batches([(0, 1)]))
        several.found(some_records([int(key[1:]) for key in ids], 4, 1) for ids in several.missing(4))
        assert several.tally() == Tally(20, 0)
        assert len(content(several.records())) == 20


def test_what_only_the_last_look_saw_can_be_kept_too_the_first_that_were_listed_first():
    with tempfile.TemporaryDirectory() as directory:
        several = SeveralReads(Path(directory))
        several.take(batches([(n, 1) for n in (1, 3)]))
        list(several.note(batches([(n, 1) for n in (1, 2, 3, 4, 5)])))
        assert several.tally() == Tally(2, 0)
        assert list(several.unkept(2, 9)) == [["r2", "r4"], ["r5"]]
        several.found(some_records([int(key[1:]) for key in ids], 4, 1) for ids in several.unkept(9, 2))
        assert [row[0] for row in content(several.records())] == ["r1", "r3", "r2", "r4"]
