"""The plan of a join keeps to what S3 allows, and CRC-32s can be put together like the bytes they are of."""

import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backup_engine.errors import StoreFull
from backup_engine.storage.s3.checksums import as_header, combined, crc32_of, from_header
from backup_engine.storage.s3.joining import (
    LARGEST_COPY,
    MOST_PARTS,
    SMALLEST_PART,
    WAYS,
    Copied,
    Gathered,
    plan_join,
)

MIB = 1 << 20
_sizes = st.lists(
    st.one_of(
        st.integers(0, 10),
        st.integers(SMALLEST_PART - 2, SMALLEST_PART + 2),
        st.integers(2 * SMALLEST_PART - 2, 2 * SMALLEST_PART + 2),
        st.integers(LARGEST_COPY - 2, LARGEST_COPY + 2),
        st.integers(0, 5 * LARGEST_COPY),
    ),
    max_size=12,
)


def pieces_of(part):
    return [part.piece] if isinstance(part, Copied) else part.pieces


def part_bytes(part):
    return sum(piece.size for piece in pieces_of(part))


def check_plan(parts, sizes, tail):
    """The pieces in their order are the sources and the tail; the parts are what S3 takes."""
    every = [piece for part in parts for piece in pieces_of(part)]
    assert all(piece.size > 0 for piece in every)
    expected = [(number, size) for number, size in enumerate([*sizes, tail]) if size]
    found = []
    for piece in every:
        if not found or found[-1][0] != piece.source:
            assert piece.start == 0
            found.append((piece.source, piece.end))
        else:
            assert piece.start == found[-1][1]
            found[-1] = (piece.source, piece.end)
    assert found == expected
    assert len(parts) <= MOST_PARTS
    assert all(part_bytes(part) >= SMALLEST_PART for part in parts[:-1])
    for part in parts:
        if isinstance(part, Copied):
            assert SMALLEST_PART <= part.piece.size <= LARGEST_COPY
            assert part.piece.source < len(sizes)
        else:
            assert part_bytes(part) <= max(threshold for threshold, _ in WAYS)


@settings(max_examples=150, deadline=None)
@given(sizes=_sizes, tail=st.integers(0, 20 * MIB))
@example(sizes=[], tail=0)
@example(sizes=[SMALLEST_PART - 1, 1, SMALLEST_PART], tail=0)
@example(sizes=[1, 3 * LARGEST_COPY + 1], tail=1)
@example(sizes=[0, 0], tail=0)
def test_any_sources_become_parts_that_s3_takes_in_the_order_of_their_bytes(sizes, tail):
    check_plan(plan_join(sizes, tail), sizes, tail)


@settings(max_examples=50, deadline=None)
@given(sizes=_sizes, tail=st.integers(0, 4 * MIB))
def test_at_most_five_mib_of_each_neighbour_and_what_is_small_pass_through_memory(sizes, tail):
    gathered = sum(part_bytes(part) for part in plan_join(sizes, tail) if isinstance(part, Gathered))
    small = sum(size for size in sizes if size < 2 * SMALLEST_PART)
    assert gathered <= small + tail + SMALLEST_PART * sum(size >= 2 * SMALLEST_PART for size in sizes)


def test_large_sources_are_copied_without_a_byte_through_memory():
    parts = plan_join([SMALLEST_PART, 40 * MIB, 5 * LARGEST_COPY + 1], 0)
    assert all(isinstance(part, Copied) for part in parts)
    assert len(parts) == 2 + 41  # of 64 MiB each, several at a time


def test_the_largest_object_is_copied_in_the_largest_pieces():
    sizes = [LARGEST_COPY] * MOST_PARTS
    assert len(plan_join(sizes, 0)) == MOST_PARTS


@pytest.mark.parametrize(("count", "size"), [(20_000, 100), (12_000, 6 * MIB), (9_999, 6 * MIB), (30_000, 6 * MIB)])
def test_more_sources_than_parts_are_gathered_into_fewer(count, size):
    sizes = [size] * count
    check_plan(plan_join(sizes, 1), sizes, 1)


def test_what_no_plan_can_hold_is_refused():
    with pytest.raises(StoreFull, match="10,001 objects"):
        plan_join([24 * MIB + 1] * 10_001, 0)


def test_the_check_of_plans_refuses_wrong_ones():
    good = plan_join([6 * MIB, 6 * MIB], 5)
    for wrong in (good[:-1], good[::-1], [*good, good[0]], [Gathered((good[0].piece,)), *good]):
        with pytest.raises(AssertionError):
            check_plan(wrong, [6 * MIB, 6 * MIB], 5)
    with pytest.raises(AssertionError):
        check_plan(plan_join([3], 4), [3], 5)


@given(pieces=st.lists(st.binary(max_size=300), max_size=6))
def test_the_checksum_of_a_join_is_that_of_its_bytes(pieces):
    found = 0
    for piece in pieces:
        found = combined(found, zlib.crc32(piece), len(piece))
    assert found == zlib.crc32(b"".join(pieces)) == crc32_of(pieces)
    assert from_header(as_header(found)) == found


def test_the_checksum_of_a_join_knows_the_order():
    one, other = zlib.crc32(b"one"), zlib.crc32(b"other")
    assert combined(one, other, 5) == zlib.crc32(b"oneother") != combined(other, one, 3)
