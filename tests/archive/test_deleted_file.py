"""deleted.parquet gives back what was written, sorted, in bounded memory, and is refused when it lies."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.deleted_file import ID_BYTES, SCHEMA, deleted_hashes, read_deleted, write_deleted
from backup_engine.archive.limits import content_limit
from backup_engine.errors import DamagedArchive, HostileArchive

IDS = st.text(st.characters(codec="utf-8"), max_size=20)


def hashes_of(ids) -> np.ndarray:
    return np.frombuffer(b"".join(hash_of(text) for text in ids), "S16")


def hash_of(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def written(ids, known=None) -> io.BytesIO:
    file = io.BytesIO()
    write_deleted(hashes_of(ids), ids if known is None else known, file)
    return file


def by_hand(rows, **options) -> io.BytesIO:
    """A file of these rows as somebody else might write it."""
    columns = [pa.array([row[number] for row in rows], SCHEMA.field(number).type) for number in range(2)]
    file = io.BytesIO()
    given = {"use_dictionary": False, "write_statistics": False, "data_page_version": "1.0", "compression": "none"}
    given |= {"column_encoding": dict.fromkeys(SCHEMA.names, "PLAIN")}
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), file, **(given | options))
    return file


def read(file, rows: int) -> list[tuple[bytes, str | None]]:
    return [(row["id_hash"], row["id"]) for batch in read_deleted(file, rows, "the file") for row in batch.to_pylist()]


@settings(max_examples=80, deadline=None)
@given(ids=st.lists(IDS, unique=True, max_size=40), unknown=st.integers(0, 3))
def test_what_was_written_comes_back_sorted_by_hash(ids, unknown):
    known = [None if number < unknown else text for number, text in enumerate(ids)]
    expected = sorted(zip(map(hash_of, ids), known, strict=True))
    assert read(written(ids, known), len(ids)) == expected


def test_hashes_of_a_batch_are_those_of_its_rows():
    [batch] = read_deleted(written(["a", "b", "c"]), 3, "the file")
    assert deleted_hashes(batch).tobytes() == b"".join(sorted(map(hash_of, "abc")))
    assert deleted_hashes(batch.slice(1)).tobytes() == b"".join(sorted(map(hash_of, "abc"))[1:])


def test_an_id_is_written_out_up_to_a_length_and_beyond_it_known_by_its_hash_alone():
    ids = ["ü" * (ID_BYTES // 2), "x" * (ID_BYTES + 1)]
    assert dict(read(written(ids), 2)) == {hash_of(ids[0]): ids[0], hash_of(ids[1]): None}


def test_row_groups_stay_small_however_long_the_ids_and_however_many():
    random = np.random.default_rng(0)
    long = [random.bytes(ID_BYTES // 2).hex() for _ in range(6_000)]
    many = [str(number) for number in range(150_000)]
    for ids in (long, many):
        file = written(ids)
        assert len(file.getvalue()) <= content_limit("/deleted.parquet", 0, len(ids))
        groups = list(read_deleted(file, len(ids), "the file"))
        assert sum(batch.num_rows for batch in groups) == len(ids)
        assert len(groups) >= 3
        assert max(batch.nbytes for batch in groups) < 9 << 20
        assert max(batch.num_rows for batch in groups) <= 65_536


def test_another_number_of_rows_is_found():
    for rows in (2, 4):
        with pytest.raises((DamagedArchive, HostileArchive), match="rows"):
            read(written(["a", "b", "c"]), rows)
    assert read(written([]), 0) == []


def test_rows_that_are_not_sorted_or_come_twice_are_found():
    one, two = sorted([(hash_of("a"), "a"), (hash_of("b"), "b")])
    assert read(by_hand([one, two]), 2) == [one, two]
    for rows in ([two, one], [one, one], [one, two, two]):
        with pytest.raises(DamagedArchive, match="not sorted, or one comes twice"):
            read(by_hand(rows), len(rows))
        with pytest.raises(DamagedArchive, match="not sorted, or one comes twice"):
            read(by_hand(rows, row_group_size=1), len(rows))


def test_an_id_that_is_not_the_hashed_one_is_found():
    with pytest.raises(DamagedArchive, match="another one than was hashed"):
        read(by_hand([(hash_of("a"), "b")]), 1)
    assert read(by_hand([(hash_of("a"), None)]), 1) == [(hash_of("a"), None)]


@pytest.mark.parametrize(
    "options",
    [{"use_dictionary": True, "column_encoding": None}, {"compression": "gzip"}, {"data_page_version": "2.0"}],
)
def test_ways_to_write_that_this_format_does_not_use_are_refused(options):
    with pytest.raises((HostileArchive, DamagedArchive)):
        read(by_hand([(hash_of("a"), "a")], **options), 1)


def test_a_row_group_that_grows_when_it_is_decoded_is_refused():
    rows = sorted((hash_of(str(number)), "x" * (10 << 20)) for number in range(2))
    with pytest.raises(HostileArchive, match="a row group is larger"):
        read(by_hand(rows, compression="zstd", row_group_size=2), 2)


def test_other_columns_and_what_is_no_parquet_are_refused():
    file = io.BytesIO()
    options = {"use_dictionary": False, "write_statistics": False, "compression": "none"}
    pq.write_table(pa.table({"id": ["a"]}), file, **options)
    with pytest.raises((HostileArchive, DamagedArchive)):
        read(file, 1)
    with pytest.raises(DamagedArchive, match="not a Parquet file"):
        read(io.BytesIO(b"PAR1 or so"), 1)
