"""Digests: exactly as the format says, whatever the order, and in bounded memory."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch
from backup_engine.archive.digests import CHUNK_ROWS, DigestSet, hashes_of, id_hashes, record_digests, rows_of


def blake(data: bytes, size: int = 16, key: bytes = b"") -> bytes:
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


@pytest.mark.parametrize("key", [b"", b"a key"])
def test_the_digest_of_a_record_is_what_the_format_says(key):
    vectors = np.array([[1.5, -0.0], [float("nan"), 2.0]], np.float32)
    batch = make_batch(["ü", "b"], vectors, [None, '{"é":1}'])
    assert id_hashes(batch, key).tobytes() == blake("ü".encode(), key=key) + blake(b"b", key=key)
    first = struct.pack("<Iff", 2, 1.5, -0.0) + b"\x00"
    second = struct.pack("<I", 2) + b"\x00\x00\xc0\x7f" + struct.pack("<f", 2.0) + b"\x01" + '{"é":1}'.encode()
    assert record_digests(batch, key).tobytes() == blake(first, key=key) + blake(second, key=key)


def test_whatever_differs_in_a_record_differs_in_its_digest():
    zero = np.zeros((1, 2), np.float32)
    records = [
        make_batch(["a"], zero, [None]),
        make_batch(["a"], zero, [""]),
        make_batch(["a"], zero, ["null"]),
        make_batch(["a"], zero, ["{}"]),
        make_batch(["a"], -zero, ["{}"]),
        make_batch(["a"], np.zeros((1, 3), np.float32), ["{}"]),
        make_batch(["a"], np.full((1, 2), np.nan, np.float32), ["{}"]),
    ]
    assert len({record_digests(batch).tobytes() for batch in records}) == len(records)
    assert len({id_hashes(batch).tobytes() for batch in records}) == 1


def test_slices_digest_like_the_whole():
    batch = some(range(10))
    assert record_digests(batch.slice(3, 4)).tobytes() == record_digests(batch).tobytes()[3 * 16 : 7 * 16]
    assert id_hashes(batch.slice(3, 4)).tobytes() == id_hashes(batch).tobytes()[3 * 16 : 7 * 16]


def some(numbers, seed: int = 0):
    numbers = list(numbers)
    vectors = np.array([[seed, number] for number in numbers], np.float32).reshape(-1, 2)
    return make_batch([f"r{number}" for number in numbers], vectors, [None] * len(numbers))


@given(st.lists(st.lists(st.integers(0, 200), max_size=60), max_size=8), st.integers(1, 100), st.randoms())
@settings(max_examples=60, deadline=None)
def test_runs_on_disk_and_any_order_give_the_same_state(pages, rows_in_memory, random):
    numbers = [number for page in pages for number in page]
    shuffled = random.sample(numbers, len(numbers))
    with DigestSet() as whole, DigestSet(rows_in_memory=rows_in_memory) as spilled:
        whole.add(some(shuffled))
        for page in pages:
            spilled.add(some(page))
        assert spilled.state_digest() == whole.state_digest()
        assert spilled.count == whole.count == len(numbers)
        assert spilled.duplicates == whole.duplicates == len(numbers) - len(set(numbers))
        assert all_rows(spilled) == all_rows(whole) == sorted(rows(some(numbers)))
        asked = some(range(250))
        expected = [number in set(numbers) for number in range(250)]
        assert spilled.contains(id_hashes(asked)).tolist() == whole.contains(id_hashes(asked)).tolist() == expected


def rows(batch) -> list[bytes]:
    joined = np.stack([id_hashes(batch), record_digests(batch)], axis=1).tobytes()
    return [joined[start : start + 32] for start in range(0, len(joined), 32)]


def all_rows(digests: DigestSet) -> list[bytes]:
    joined = b"".join(rows_of(chunk).tobytes() for chunk in digests.chunks())
    return [joined[start : start + 32] for start in range(0, len(joined), 32)]


def test_the_state_digest_is_blake2b_over_the_sorted_rows():
    with DigestSet() as digests:
        digests.add(some(range(100)))
        assert digests.state_digest() == blake(b"".join(sorted(rows(some(range(100))))), 32).hex()


def test_an_empty_set_has_a_state_too():
    with DigestSet() as digests:
        assert list(digests.chunks()) == []
        assert digests.state_digest() == blake(b"", 32).hex()
        assert digests.duplicates == 0
        assert digests.contains(id_hashes(some([1]))).tolist() == [False]


def test_answers_stay_right_while_records_are_still_added():
    with DigestSet(rows_in_memory=50) as digests:
        for number in range(0, 200, 7):
            before = digests.state_digest()
            assert not digests.contains(id_hashes(some([number]))).any()
            digests.add(some([number]))
            assert digests.contains(id_hashes(some([number]))).all()
            assert digests.state_digest() != before


def test_chunks_are_full_but_for_the_last():
    with DigestSet(rows_in_memory=10_000) as digests:
        hashes = np.frombuffer(np.random.default_rng(1).bytes(16 * 150_000), "S16")
        for start in range(0, 150_000, 5_000):
            digests.add_rows(hashes[start : start + 5_000], hashes[start : start + 5_000])
        chunks = list(digests.chunks())
        assert [chunk.num_rows for chunk in chunks] == [CHUNK_ROWS, CHUNK_ROWS, 150_000 - 2 * CHUNK_ROWS]
        assert b"".join(hashes_of(chunk).tobytes() for chunk in chunks) == np.sort(hashes).tobytes()


def test_hashes_with_zeros_in_them_are_kept_apart():
    inner = [b"a\x00" + letter * 14 for letter in (b"b", b"a")]
    odd = [*inner, b"a" * 15 + b"\x00", b"a" * 14 + b"\x00\x00", b"\x00" * 16, b"\x00" * 15 + b"\x01", b"\xff" * 16]
    hashes = np.frombuffer(b"".join(odd), "S16")
    with DigestSet(rows_in_memory=2) as digests:
        digests.add_rows(hashes[:3], hashes[:3])
        digests.add_rows(hashes[3:], hashes[3:])
        assert all_rows(digests) == sorted(row * 2 for row in odd)
        assert digests.contains(hashes).all()
        assert not digests.contains(np.frombuffer(b"a" * 16 + b"b" * 16, "S16")).any()


def test_what_was_spilled_is_removed(tmp_path: Path):
    with DigestSet(temporary=tmp_path, rows_in_memory=10) as digests:
        digests.add(some(range(100)))
        assert list(tmp_path.rglob("run-*"))
    assert list(tmp_path.iterdir()) == []


TEN_MILLION = """
import sys
import numpy as np
from backup_engine.archive.digests import DigestSet
random = np.random.default_rng(1)
with DigestSet() as digests:
    for _ in range(500):
        hashes = np.frombuffer(random.bytes(16 * 20_000), "S16")
        digests.add_rows(hashes, hashes)
    assert sum(chunk.num_rows for chunk in digests.chunks()) == 10_000_000
    assert digests.duplicates == 0
    assert digests.contains(hashes).all()
print(int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024)
"""


def test_ten_million_records_stay_below_200_mib():
    done = subprocess.run([sys.executable, "-c", TEN_MILLION], capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 200
