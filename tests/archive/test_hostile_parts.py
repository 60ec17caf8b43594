"""Parts and digests that ask for more than any honest one would are refused before they are decoded."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch, schema
from backup_engine.archive.digests_file import read_digests
from backup_engine.archive.manifest import Manifest
from backup_engine.archive.parts import coded_schema, decode_part, encode_part
from backup_engine.errors import BackupError, DamagedArchive, HostileArchive
from tests.archive.builder import (
    Given,
    build,
    rebuild,
    shown_by_sq8,
    two_collections,
)
from tests.archive.memory import arrow_bytes

PART = "collections/c0001-docs-notes-2026/part-00000.parquet"
DIGESTS = "collections/c0001-docs-notes-2026/digests.parquet"


def parquet(table: pa.Table, **options) -> bytes:
    sink = io.BytesIO()
    honest = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table, sink, **(honest | options))
    return sink.getvalue()


def rows(count: int, dimension: int = 4, *, name: str = "x") -> pa.Table:
    batch = make_batch([name] * count, np.zeros((count, dimension), np.float32), [None] * count)
    return pa.Table.from_batches([batch])


def table_of(**columns) -> pa.Table:
    honest = rows(3)
    for name, column in columns.items():
        honest = honest.set_column(honest.column_names.index(name), pa.field(name, column.type), column)
    return honest


HOSTILE = {
    "more rows than a part has": lambda: parquet(rows(65_537)),
    "millions of rows in a few bytes": lambda: parquet(rows(3_000_000, 1)),
    "two row groups": lambda: parquet(rows(4), row_group_size=2),
    "no rows": lambda: parquet(rows(0)),
    "an id that unpacks to 64 MiB": lambda: parquet(rows(2, name="x" * (32 << 20))),
    "one record that unpacks to 300 MiB": lambda: parquet(rows(1, name="x" * (300 << 20))),
    "a dictionary that repeats 1 MiB a thousand times": lambda: parquet(
        rows(1000, name="x" * (1 << 20)), use_dictionary=True
    ),
    "prefixes that repeat 1 MiB a thousand times": lambda: parquet(
        rows(1000, name="x" * (1 << 20)), column_encoding={"id": "DELTA_BYTE_ARRAY"}
    ),
    "a page for every record": lambda: parquet(rows(300), data_page_size=1, write_batch_size=1),
    "another codec": lambda: parquet(rows(3), compression="gzip"),
    "pages of the second kind": lambda: parquet(rows(3), data_page_version="2.0"),
    "another dimension": lambda: parquet(rows(3, 5)),
    "a column more": lambda: parquet(rows(3).append_column("x", pa.array([1, 2, 3]))),
    "a column less": lambda: parquet(rows(3).drop_columns(["payload"])),
    "numbers as ids": lambda: parquet(table_of(id=pa.array([1, 2, 3]))),
    "ids that may be missing": lambda: parquet(table_of(id=pa.array(["a", None, "c"]))),
    "doubles": lambda: parquet(table_of(vector=pa.array([[0.0] * 4] * 3, pa.list_(pa.float64(), 4)))),
    "lists of any length": lambda: parquet(table_of(vector=pa.array([[0.0] * 4] * 3, pa.list_(pa.float32())))),
    "nested payloads": lambda: parquet(table_of(payload=pa.array([{"a": 1}] * 3))),
    "codes of another width": lambda: parquet(pa.table({
        "id": pa.array(["a"]), "codes": pa.array([b"12345"], pa.binary(5)), "lo": pa.array([0.0], pa.float32()),
        "hi": pa.array([0.0], pa.float32()), "payload": pa.array([None], pa.string()),
    }, schema=coded_schema(5))),
    "a footer of megabytes": lambda: parquet(rows(3).replace_schema_metadata({"x": "y" * 2_000_000})),
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_part_that_asks_for_more_than_any_part_is_refused_before_it_is_decoded(make):
    content = make()
    before = arrow_bytes()
    with pytest.raises(HostileArchive, match=r"^b\.tar\.gz: part-00000\.parquet: "):
        decode_part(content, 4, "b.tar.gz: part-00000.parquet")
    assert arrow_bytes() - before < 1 << 20


def test_the_hostile_parts_are_hostile_for_one_reason_each():
    assert decode_part(parquet(rows(3)), 4).batch.schema == schema(4)
    assert decode_part(parquet(rows(65_536)), 4).batch.num_rows == 65_536
    assert decode_part(parquet(rows(1, name="x" * (40 << 20))), 4).batch.num_rows == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"x" * 100, b"PAR1" + b"\xff" * 4 + b"PAR1", bytes(8)])
def test_what_is_no_parquet_is_damage(content):
    with pytest.raises(DamagedArchive, match=r"part-00000\.parquet"):
        decode_part(content, 4, "b.tar.gz: part-00000.parquet")


def patched(content: bytes, old: str, new: str) -> bytes:
    """The file with one run of bytes, given in hexadecimal, replaced where it first occurs."""
    assert bytes.fromhex(old) in content
    return content.replace(bytes.fromhex(old), bytes.fromhex(new), 1)


FOOTER_ROWS = "16 06 19 1c"  # num_rows = 3, and the list of one row group that follows
PAGE_VALUES = "2c 15 06 15 00 15 06 15 06"  # a data page header: 3 values, PLAIN, RLE, RLE


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (FOOTER_ROWS, "16 08 19 1c", "its row groups do not hold as many rows as it claims"),
        (PAGE_VALUES, "2c 15 04 15 00 15 06 15 06", "the pages of a column do not hold as much as it claims"),
        (PAGE_VALUES, "2c 15 05 15 00 15 06 15 06", "a number of at least 0 was expected"),
        (PAGE_VALUES, "2c 15 06 15 0e 15 06 15 06", "an encoding that this format does not use"),
        (PAGE_VALUES, "2c 15 06 15 00 15 08 15 06", "an encoding that this format does not use"),
    ],
)
def test_counts_in_footer_and_pages_must_agree(old, new, why):
    honest = parquet(rows(3))
    with pytest.raises((HostileArchive, DamagedArchive), match=why):
        decode_part(patched(honest, old, new), 4)


def file_of(footer: str) -> bytes:
    """Nothing but a footer, given in hexadecimal."""
    data = bytes.fromhex(footer)
    return b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("footer", "why"),
    [
        ("", "it does not end"),
        ("36", "it does not end"),
        ("36 00 06 06 00 00", "a field is there twice"),
        ("36 ff ff ff ff ff ff ff ff ff ff 01 00", "more than 64 bits"),
        ("3d 00", "a value of kind 13"),
        ("1c" * 20 + "00" * 20, "nested too deeply"),
        ("39 f5 ff ff ff 7f 00", "it does not end"),
        ("39 f7 ff ff ff 7f 00", "it does not end"),
        ("38 ff ff ff 7f 00", "it does not end"),
        ("36 00 16 00 00", "a list was expected"),
        ("36 00 19 15 00 00", "a struct was expected"),
        ("36 00 00", "field 4 is missing"),
    ],
)
def test_a_footer_that_makes_no_sense_never_reaches_the_decoder(footer, why):
    with pytest.raises(DamagedArchive, match=rf"part-00000\.parquet: .*cannot be read \(.*{why}"):
        decode_part(file_of(footer), 4, "b.tar.gz: part-00000.parquet")


def honest_parts() -> list[bytes]:
    floats = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    payloads = [None, "{}", '{"a":1}', "1", "[]", "null"]
    return [encode_part(make_batch(list("abcdef"), v, payloads)).content for v in (floats, shown_by_sq8(floats))]


@given(
    st.sampled_from(honest_parts()),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4)), min_size=1, max_size=3),
)
@settings(max_examples=500, deadline=None)
def test_bytes_changed_anywhere_end_in_an_error_of_ours_or_in_a_part_of_bounded_size(content, changes):
    """The decoder is native code: what reaches it must never end the process."""
    data = bytearray(content)
    for place, new in changes:
        at = int(place * len(data))
        data[at : at + 1] = new
    try:
        part = decode_part(bytes(data), 4)
    except BackupError:
        return
    assert part.batch.num_rows == 6


def digests_table(count: int, *, ordered: bool = True) -> pa.Table:
    hashes = [number.to_bytes(16, "big") for number in range(count)]
    column = pa.array(hashes if ordered else hashes[::-1], pa.binary(16))
    fields = [pa.field(name, pa.binary(16), nullable=False) for name in ("id_hash", "digest")]
    return pa.table([column, column], schema=pa.schema(fields))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda: parquet(digests_table(5, ordered=False)), "its rows are not sorted"),
        (lambda: parquet(digests_table(4)), "holds 4 rows; 5 were expected"),
        (lambda: parquet(digests_table(6)), "more rows than the 5"),
        (lambda: parquet(digests_table(5), use_dictionary=True), "a way this format does not use"),
        (lambda: parquet(rows(5)), "does not claim the 5 values that were expected"),
        (
            lambda: patched(parquet(digests_table(5)), "28 b5 2f fd", "28 b5 2f fe"),
            "its Parquet pages cannot be decoded",
        ),
        (lambda: b"x" * 50, "not a Parquet file"),
    ],
)
def test_digests_that_are_not_what_they_should_be_are_refused(content, why):
    reader = rebuild(build(*two_collections()), {DIGESTS: content()}).reader()
    with pytest.raises((HostileArchive, DamagedArchive), match=why):
        list(reader.digests("c0001"))


def test_a_page_of_digests_that_claims_to_unpack_to_more_is_refused_before_it_does():
    content = parquet(digests_table(65_536))
    assert sum(chunk.num_rows for chunk in read_digests(io.BytesIO(content), 65_536, "d")) == 65_536
    lie = patched(content, "15 00 15 80 88 27", "15 00 15 fe ff 7f")
    with pytest.raises(HostileArchive, match="d: a row group is larger than any in such a file"):
        list(read_digests(io.BytesIO(lie), 65_536, "d"))


def test_a_part_that_is_another_collections_is_refused():
    built = build(*two_collections())
    other = built.reader().entry("collections/c0002-codes/part-00000.parquet")
    with pytest.raises(HostileArchive, match=rf"{PART}: its columns are not those"):
        list(rebuild(built, {PART: other}).reader().parts("c0001"))


def test_what_the_writer_makes_is_within_the_limits_of_the_reader():
    """The longest names and the largest parts that can come out."""
    wide = np.zeros((1, 65_536), np.float32)
    built = build(Given("x" * 500, [make_batch(["i" * 70_000], wide, ['"' + "y" * 50_000_000 + '"'])], 65_536))
    [part] = built.reader().parts("c0001")
    assert part.batch.num_rows == 1
    assert isinstance(built.sidecar.manifest, Manifest)
