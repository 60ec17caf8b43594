"""Parts: bounded, ordered, exact, and readable by anything that reads Parquet."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.archive.codes import recover
from backup_engine.archive.limits import PART_BYTES, PART_ROWS
from backup_engine.archive.parts import WRITTEN_BYTES, Part, decode_part, encode_part, regroup
from backup_engine.errors import CaptureRefused, HostileArchive
from tests.archive.builder import server_quantise, shown_by_sq8

ANY_FLOAT = st.floats(width=32)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MIB = 1 << 20


@st.composite
def batches(draw):
    vectors = draw(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=ANY_FLOAT))
    if draw(st.booleans()):
        with np.errstate(all="ignore"):
            vectors = np.nan_to_num(shown_by_sq8(np.nan_to_num(vectors)))
    rows = len(vectors)
    ids = draw(st.lists(TEXT, min_size=rows, max_size=rows))
    payloads = draw(st.lists(st.none() | TEXT, min_size=rows, max_size=rows))
    return make_batch(ids, vectors, payloads)


def identical(left: pa.RecordBatch, right: pa.RecordBatch) -> bool:
    """Equal to the bit, NaN and -0.0 too."""
    return (
        left.schema.equals(right.schema)
        and left.column("id").equals(right.column("id"))
        and left.column("payload").equals(right.column("payload"))
        and vectors_of(left).tobytes() == vectors_of(right).tobytes()
    )


@given(batches())
@settings(max_examples=200, deadline=None)
def test_a_part_gives_back_every_bit(batch):
    encoded = encode_part(batch)
    part = decode_part(encoded.content, vectors_of(batch).shape[1])
    assert identical(part.batch, batch)
    assert encoded.coded is (part.codes is not None)


def records(rows: int, dimension: int = 4, payload: int = 0, start: int = 0) -> pa.RecordBatch:
    ids = [f"r{number}" for number in range(start, start + rows)]
    return make_batch(ids, np.zeros((rows, dimension), np.float32), ['"' + "x" * payload + '"'] * rows)


@given(st.lists(st.integers(0, 40_000), max_size=6), st.sampled_from([1, 64, 1000]))
@settings(max_examples=20, deadline=None)
def test_parts_keep_the_order_and_the_limits_whatever_the_pages(sizes, dimension):
    starts = np.cumsum([0, *sizes])
    pages = [records(rows, dimension, start=int(start)) for rows, start in zip(sizes, starts, strict=False)]
    groups = list(regroup(pages))
    ids = [name for group in groups for name in group.column("id").to_pylist()]
    assert ids == [f"r{number}" for number in range(sum(sizes))]
    assert all(0 < group.num_rows <= PART_ROWS and group.nbytes <= WRITTEN_BYTES for group in groups)
    for group, following in pairwise(groups):
        assert group.num_rows == PART_ROWS or group.nbytes + following.slice(0, 1).nbytes > WRITTEN_BYTES * 0.99


def test_parts_as_large_as_the_format_allows_are_read():
    largest = records(1000, payload=PART_BYTES // 1000 - 100)
    assert largest.nbytes > 3 * WRITTEN_BYTES
    assert identical(decode_part(encode_part(largest).content, 4).batch, largest)


def test_a_record_larger_than_a_part_stands_alone():
    pages = [records(3), records(1, payload=40 * MIB, start=3), records(2, start=4)]
    assert [group.num_rows for group in regroup(pages)] == [3, 1, 2]
    joined = pa.concat_batches(pages)
    assert [group.num_rows for group in regroup([joined])] == [3, 1, 2]
    big = list(regroup([joined]))[1]
    assert identical(decode_part(encode_part(big).content, 4).batch, big)


def test_a_record_larger_than_any_reader_accepts_is_refused_by_name():
    with pytest.raises(CaptureRefused, match=r"'r7' takes 2\d\d\.\d MB"):
        list(regroup([records(1, payload=257 * MIB, start=7)]))


def test_codes_are_chosen_by_exactness_alone():
    random = np.random.default_rng(3)
    floats = random.standard_normal((100, 16)).astype(np.float32)
    shown = shown_by_sq8(floats)
    mixed = shown.copy()
    mixed[50] = floats[50]
    ids = [str(number) for number in range(100)]
    assert encode_part(make_batch(ids, shown, ids)).coded
    assert not encode_part(make_batch(ids, floats, ids)).coded
    assert not encode_part(make_batch(ids, mixed, ids)).coded


def test_codes_take_less_than_a_third_of_the_floats():
    shown = shown_by_sq8(np.random.default_rng(3).standard_normal((2000, 384)))
    ids = [str(number) for number in range(2000)]
    coded = encode_part(make_batch(ids, shown, [None] * 2000)).content
    assert len(coded) < shown.nbytes / 3.6


@pytest.mark.parametrize("dimension", [1, 2])
def test_below_three_dimensions_floats_are_smaller_and_come_back_as_the_same_codes(dimension):
    shown = shown_by_sq8(np.random.default_rng(3).standard_normal((50, dimension)))
    encoded = encode_part(make_batch([str(number) for number in range(50)], shown, [None] * 50))
    assert not encoded.coded
    sent = decode_part(encoded.content, dimension).for_sending(quantized=True)
    assert (server_quantise(vectors_of(sent))[0] == recover(shown).codes).all()


def test_only_a_target_with_sq8_is_sent_centred_values():
    shown = shown_by_sq8(np.random.default_rng(3).standard_normal((50, 8)))
    batch = make_batch([str(number) for number in range(50)], shown, ["{}"] * 50)
    part = decode_part(encode_part(batch).content, 8)
    assert identical(part.for_sending(quantized=False), batch)
    sent = part.for_sending(quantized=True)
    assert (server_quantise(vectors_of(sent))[0] == part.codes.codes).all()
    assert sent.column("id").equals(batch.column("id"))
    assert sent.column("payload").equals(batch.column("payload"))


@pytest.mark.parametrize("payload", ["", "{", '{}, {"id":"other"}', "[" * 300 + "]" * 300, "NaN"])
def test_a_payload_that_is_no_json_is_never_sent(payload):
    batch = make_batch(["fine", "odd"], np.zeros((2, 3), np.float32), [None, payload])
    part = decode_part(encode_part(batch).content, 3, "b.tar.gz: part-00000.parquet")
    with pytest.raises(
        HostileArchive, match=r"b\.tar\.gz: part-00000\.parquet: the payload of record 'odd' is no JSON"
    ):
        part.for_sending(quantized=True)


@pytest.mark.parametrize("coded", [False, True])
def test_parts_are_plain_parquet_for_everybody(coded, tmp_path: Path):
    vectors = np.random.default_rng(3).standard_normal((5, 4)).astype(np.float32)
    vectors = shown_by_sq8(vectors) if coded else vectors
    encoded = encode_part(make_batch(list("abcde"), vectors, [None, "{}", '{"a":1}', "1", "null"]))
    assert encoded.coded is coded
    path = tmp_path / "part.parquet"
    path.write_bytes(encoded.content)
    frame = pd.read_parquet(path)
    rows = duckdb.read_parquet(str(path)).fetchall()
    assert list(frame["id"]) == [row[0] for row in rows] == list("abcde")
    assert [row[-1] for row in rows] == [None, "{}", '{"a":1}', "1", "null"]
    if coded:
        assert list(frame.columns) == ["id", "codes", "lo", "hi", "payload"]
        assert [row[1] for row in rows] == [bytes(row) for row in recover(vectors).codes]
    else:
        assert np.array([row[1] for row in rows], np.float32).tobytes() == vectors.tobytes()
        assert np.stack(frame["vector"]).tobytes() == vectors.tobytes()


def test_the_same_records_make_the_same_bytes():
    batch = records(1000)
    joined = pa.concat_batches([batch.slice(0, 10), batch.slice(10)])
    assert encode_part(batch).content == encode_part(joined).content


def test_a_part_reads_from_memory_without_side_effects():
    content = encode_part(records(3)).content
    first, second = decode_part(content, 4), decode_part(io.BytesIO(content).getvalue(), 4)
    assert isinstance(first, Part)
    assert identical(first.batch, second.batch)
