"""A delta holds exactly what changed since its base, and the digests of all of the state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch
from backup_engine.archive.delta import DeltaWriter, Gone
from backup_engine.archive.digests import DigestSet, id_hashes
from backup_engine.archive.manifest import Content
from backup_engine.archive.state_index import StateIndex
from backup_engine.errors import UnknownCollection
from tests.archive.builder import NOON, Given, shown_by_sq8, write_collection
from tests.archive.lines import Line, changed, content_of, edited, records, state, without, write_delta


def parts_of(built, key: str = "c0001"):
    return content_of(part.batch for part in built.reader().parts(key))


def deleted_of(built, key: str = "c0001"):
    return [row for batch in built.reader().deleted(key) for row in batch.column("id").to_pylist()]


def index_of(given: Given, directory: Path) -> StateIndex:
    with DigestSet() as digests:
        for batch in given.batches:
            digests.add(batch)
        return StateIndex(digests.chunks(), directory)


def all_gone(hashes):
    return Gone(hashes, [None] * len(hashes), hashes[:0])


def test_a_delta_holds_what_is_new_or_otherwise_and_lists_what_is_gone():
    before = state(range(50))
    line = Line(before)
    after = without(changed(before, [3, 70], seed=1), [5, 6, 7])
    built = line.add(after)
    [summary] = built.sidecar.manifest.clear.collections
    assert [entry.name.rpartition("/")[2] for entry in summary.entries] == [
        "config.json",
        "part-00000.parquet",
        "deleted.parquet",
        "digests.parquet",
    ]
    assert (summary.content, summary.vectors, summary.upserts, summary.deletions) == (Content.DELTA, 48, 2, 3)
    assert summary.stored == 2
    assert parts_of(built) == records([3, 70], 1, 4)
    assert sorted(deleted_of(built)) == ["r5", "r6", "r7"]
    assert summary.state_digest == write_collection(after)[1].state_digest


def test_digests_are_of_the_whole_state():
    before = state(range(50))
    line = Line(before)
    after = without(changed(before, [3], seed=1), [5])
    delta, full = line.add(after).reader().digests("c0001"), Line(after).last.reader().digests("c0001")
    assert [batch.to_pylist() for batch in delta] == [batch.to_pylist() for batch in full]


@settings(max_examples=60, deadline=None)
@given(
    before=st.sets(st.integers(0, 30)),
    after=st.dictionaries(st.integers(0, 30), st.integers(0, 1)),
    pieces=st.integers(1, 5),
)
def test_base_without_the_deleted_and_with_the_upserts_is_the_state(before, after, pieces):
    old, new = state(sorted(before)), Given("docs", [], 4)
    for number, seed in after.items():
        new = changed(new, [number], seed)
    cut = [batch.slice(start, pieces) for batch in new.batches for start in range(0, batch.num_rows, pieces)]
    line = Line(old)
    built = line.add(Given("docs", cut, 4))
    [summary] = built.sidecar.manifest.clear.collections
    if summary.content is Content.SAME:
        assert content_of(new.batches) == content_of(old.batches)
        return
    merged = content_of(old.batches) | parts_of(built)
    for gone in deleted_of(built):
        del merged[gone]
    assert merged == content_of(new.batches)
    assert set(deleted_of(built)) == {f"r{number}" for number in before - set(after)}
    assert (
        summary.upserts == len(parts_of(built)) == sum(seed or number not in before for number, seed in after.items())
    )


def test_a_record_that_is_there_all_the_same_stays_as_the_base_has_it(tmp_path):
    before = state(range(10))
    asked = []

    def gone(hashes):
        asked.append(hashes)
        alive = id_hashes(state([4]).batches[0])
        dead = hashes[hashes != alive[0]]
        return Gone(dead, [None] * len(dead), alive)

    after = without(before, [4, 5])
    _, written = write_delta(after, "c0001", index_of(before, tmp_path), gone)
    assert [len(hashes) for hashes in asked] == [2]
    assert np.array_equal(asked[0], np.sort(id_hashes(state([4, 5]).batches[0])))
    assert (written.vectors, written.upserts, written.deletions) == (9, 0, 1)
    assert written.state_digest == write_collection(without(before, [5]))[1].state_digest


def test_nothing_is_asked_for_where_nothing_is_missing(tmp_path):
    def never(hashes):
        raise AssertionError("asked")

    before = state(range(10))
    _, written = write_delta(changed(before, [11], 0), "c0001", index_of(before, tmp_path), never)
    assert (written.vectors, written.upserts, written.deletions) == (11, 1, 0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda hashes: Gone(hashes[:1], [None], hashes[:0]),
        lambda hashes: Gone(hashes, [None, None], hashes[:1]),
        lambda hashes: Gone(hashes, [None], hashes[:0]),
        lambda hashes: Gone(hashes[:1], [None], id_hashes(state([8]).batches[0])),
        lambda hashes: Gone(hashes[[0, 0]], [None, None], hashes[:0]),
    ],
)
def test_each_missing_record_must_be_decided_about_once(tmp_path, answer):
    before = state(range(10))
    with pytest.raises(ValueError, match="2 records were asked for"):
        write_delta(without(before, [4, 5]), "c0001", index_of(before, tmp_path), answer)


def test_a_delta_that_breaks_off_leaves_nothing_to_commit(tmp_path):
    def broken(hashes):
        raise ConnectionError("the server went away")

    before = state(range(10))
    given = without(before, [4])
    writer = DeltaWriter(
        "c0001", "docs", given.configuration, NOON, base=index_of(before, tmp_path), gone=broken, temporary=tmp_path
    )
    with pytest.raises(ConnectionError):
        list(writer.fragments(given.batches))
    assert not hasattr(writer, "written")


def test_an_empty_base_and_an_empty_state_are_states_too(tmp_path):
    nothing, some = Given("docs", [], 4), state(range(5))
    _, grown = write_delta(some, "c0001", index_of(nothing, tmp_path / "a"), all_gone)
    assert (grown.vectors, grown.upserts, grown.deletions) == (5, 5, 0)
    built = Line(some).add(nothing)
    assert sorted(deleted_of(built)) == [f"r{number}" for number in range(5)]
    assert list(built.reader().digests("c0001")) == []
    assert list(built.reader().parts("c0001")) == []


def test_ids_that_come_twice_are_counted(tmp_path):
    before = state(range(10))
    twice = Given("docs", [*before.batches, *state([3, 4], seed=1).batches], 4)
    _, written = write_delta(twice, "c0001", index_of(before, tmp_path), all_gone)
    assert (written.vectors, written.duplicates, written.upserts) == (12, 2, 2)


def test_codes_stay_codes_in_a_delta():
    vectors = shown_by_sq8(np.random.default_rng(1).standard_normal((6, 8)))
    before = Given("docs", [make_batch([f"k{n}" for n in range(6)], vectors, [None] * 6)], 8)
    other = shown_by_sq8(np.random.default_rng(2).standard_normal((1, 8)))
    after = edited(before, {"k2": (other.astype("<f4").tobytes(), "{}")})
    built = Line(before).add(after)
    [summary] = built.sidecar.manifest.clear.collections
    assert summary.coded_parts == 1
    [part] = built.reader().parts("c0001")
    assert part.codes is not None
    assert part.batch.column("id").to_pylist() == ["k2"]


def test_a_pointer_stores_nothing_and_says_where_all_of_it_lies():
    line = Line(state(range(5)), state(range(7), name="more"))
    built = line.add(state(range(5)), changed(state(range(7), name="more"), [1], 2))
    first, second = built.sidecar.manifest.clear.collections
    assert (first.content, first.entries, first.stored, first.vectors) == (Content.SAME, (), 0, 5)
    assert second.content is Content.DELTA
    assert list(built.reader().deleted("c0001")) == []
    for read in (built.reader().configuration, lambda key: list(built.reader().digests(key))):
        with pytest.raises(UnknownCollection, match=r"c0001: all of it lies in backup-20261122$"):
            read("c0001")


def test_the_deleted_of_a_whole_collection_are_none():
    assert list(Line(state(range(5))).last.reader().deleted("c0001")) == []


MEMORY = """
import sys, tempfile
import subprocess
import sys
from pathlib import Path
import numpy as np
from backup_engine.archive.batches import make_batch
from backup_engine.archive.delta import DeltaWriter, Gone
from backup_engine.archive.digests import DigestSet
from backup_engine.archive.state_index import StateIndex
from tests.archive.builder import NOON, Given
def pages(count, step):
    random = np.random.default_rng(0)
    for page in range(count):
        vectors = random.standard_normal((2_000, 384), dtype=np.float32)
        vectors[::3] += step
        yield make_batch([f"{page}-{row}" for row in range(step, 2_000)], vectors[step:], ["{}"] * (2_000 - step))
count = int(sys.argv[1])
given = Given("big", [], 384)
with tempfile.TemporaryDirectory() as folder, DigestSet() as digests:
    for batch in pages(count, 0):
        digests.add(batch)
    base = StateIndex(digests.chunks(), Path(folder))
    gone = lambda hashes: Gone(hashes, [None] * len(hashes), hashes[:0])
    writer = DeltaWriter("c0001", given.name, given.configuration, NOON, base=base, gone=gone)
    written = sum(len(piece) for piece in writer.fragments(pages(count, 1)))
assert (writer.written.upserts, writer.written.deletions) == (666 * count, count)
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024)
"""


def peak(pages: int) -> int:
    command = [sys.executable, "-c", MEMORY, str(pages)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


def test_memory_does_not_grow_with_the_state():
    few, many = peak(20), peak(120)
    assert many < 400
    assert many - few < 100  # what changed alone is 100 MiB more, all of it 300
