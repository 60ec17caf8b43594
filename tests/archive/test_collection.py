"""A collection is written as it streams in, and what is said about it is what was written."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from backup_engine.archive.batches import make_batch
from backup_engine.archive.collection import CollectionWriter, configuration_sha256, slug
from backup_engine.archive.digests import DigestSet, id_hashes
from backup_engine.archive.entries import unseal
from backup_engine.errors import CaptureRefused
from tests.archive.builder import NOON, Given, shown_by_sq8, write_collection


def given_of(*batches, dimension: int = 4) -> Given:
    return Given("Notes", batches, dimension)


def some(numbers, dimension: int = 4):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((len(numbers), dimension)).astype(np.float32)
    return make_batch([f"r{number}" for number in numbers], vectors, [None] * len(numbers))


def test_the_fragment_is_its_entries_end_to_end():
    data, written = write_collection(given_of(some(range(10)), some(range(10, 15))))
    assert [entry.name for entry in written.entries] == [
        "collections/c0001-notes/config.json",
        "collections/c0001-notes/part-00000.parquet",
        "collections/c0001-notes/digests.parquet",
    ]
    position = 0
    for entry, stored in zip(written.entries, written.stored, strict=True):
        assert (stored.name, stored.offset) == (entry.name, position)
        raw = data[position : position + stored.bytes]
        assert hashlib.sha256(raw).hexdigest() == stored.sha256
        assert hashlib.sha256(unseal(raw, entry)).hexdigest() == entry.sha256
        position += stored.bytes
    assert written.bytes == position == len(data)
    assert written.vectors == 15


def test_the_same_records_make_the_same_fragment():
    assert write_collection(given_of(some(range(15)))) == write_collection(
        given_of(some(range(15)).slice(0, 4), some(range(15)).slice(4))
    )


def test_the_configuration_is_kept_with_the_true_name():
    given = Given("Ünïcode/名前 #1", [some([1])], 4)
    data, written = write_collection(given)
    config = json.loads(unseal(data[: written.stored[0].bytes], written.entries[0]))
    assert config == {"name": "Ünïcode/名前 #1", "configuration": given.configuration.model_dump(mode="json")}
    assert written.entries[0].name == "collections/c0001-unicode-1/config.json"
    assert written.configuration_sha256 == configuration_sha256(given.configuration)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docs", "docs"),
        ("../../etc/passwd", "etc-passwd"),
        ("名前", "collection"),
        ("", "collection"),
        ("a" * 100, "a" * 40),
        ("a" * 39 + "/b", "a" * 39),
        ("Ä b__C", "a-b-c"),
        ("-x-", "x"),
        ("a\nb\x00c", "a-b-c"),
    ],
)
def test_the_slug_is_plain_whatever_the_name(name, expected):
    assert slug(name) == expected


def test_irregular_records_are_kept_counted_and_the_first_thousand_listed():
    vectors = np.zeros((1500, 3), np.float32)
    vectors[100:1300, 1] = np.nan
    batch = make_batch([f"r{number}" for number in range(1500)], vectors, [None] * 1500)
    _, written = write_collection(Given("n", [batch.slice(0, 700), batch.slice(700)], 3))
    assert written.vectors == 1500
    assert written.irregular_count == 1200
    assert written.irregular == tuple(f"r{number}" for number in range(100, 1100))


def test_ids_that_come_twice_are_counted():
    _, written = write_collection(given_of(some([1, 2, 3]), some([3, 4, 1])))
    assert (written.vectors, written.duplicates) == (6, 2)


def test_the_state_does_not_depend_on_the_order_of_reading():
    forwards = write_collection(given_of(some(range(20))))[1]
    rows = some(range(20)).take(np.random.default_rng(1).permutation(20))
    assert write_collection(given_of(rows))[1].state_digest == forwards.state_digest
    assert write_collection(given_of(some(range(19))))[1].state_digest != forwards.state_digest


def test_coded_parts_are_counted():
    coded = make_batch(["a", "b"], shown_by_sq8(np.random.default_rng(1).standard_normal((2, 8))), [None, None])
    assert write_collection(given_of(coded, dimension=8))[1].coded_parts == 1
    assert write_collection(given_of(some(range(5))))[1].coded_parts == 0


def test_a_callers_own_digests_are_filled_and_left_open():
    with DigestSet() as digests:
        writer = CollectionWriter("c0001", "n", given_of().configuration, NOON, digests=digests)
        list(writer.fragments([some(range(5))]))
        assert digests.contains(id_hashes(some(range(7)))).tolist() == [True] * 5 + [False] * 2
        assert writer.written.state_digest == digests.state_digest()


def test_an_empty_collection_has_configuration_and_digests():
    data, written = write_collection(given_of())
    assert [entry.name.rpartition("/")[2] for entry in written.entries] == ["config.json", "digests.parquet"]
    assert (written.vectors, written.bytes) == (0, len(data))


def test_a_source_that_breaks_off_leaves_nothing_to_commit():
    def broken():
        yield some(range(5))
        raise CaptureRefused("the server went away")

    writer = CollectionWriter("c0001", "n", given_of().configuration, NOON)
    with pytest.raises(CaptureRefused):
        list(writer.fragments(broken()))
    assert not hasattr(writer, "written")


MEMORY = """
import sys
import numpy as np
from backup_engine.archive.batches import make_batch
from backup_engine.archive.collection import CollectionWriter
from tests.archive.builder import NOON, Given
def pages(count):
    random = np.random.default_rng(0)
    for page in range(count):
        vectors = random.standard_normal((2_000, 384), dtype=np.float32)
        yield make_batch([f"{page}-{row}" for row in range(2_000)], vectors, ["{}"] * 2_000)
given = Given("big", [], 384)
writer = CollectionWriter("c0001", given.name, given.configuration, NOON)
written = sum(len(piece) for piece in writer.fragments(pages(int(sys.argv[1]))))
assert written == writer.written.bytes
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024)
"""


def peak(pages: int) -> int:
    command = [sys.executable, "-c", MEMORY, str(pages)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


def test_memory_does_not_grow_with_the_collection():
    few, many = peak(20), peak(200)
    assert many < 450
    assert many - few < 150  # the allocators keep some of what was given back; ten times the data would be 2.8 GiB
