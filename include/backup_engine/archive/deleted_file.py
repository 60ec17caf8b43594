"""deleted.parquet: which records of its base a delta takes away, sorted by the hash of the id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backup_engine.archive.columns import texts
from backup_engine.archive.digests import CHUNK_ROWS, HASH_BYTES, Hashes, id_hashes
from backup_engine.archive.parquet_pages import UNREADABLE, Allowance, inspect_parquet
from backup_engine.errors import DamagedArchive, HostileArchive

ID_BYTES = 4 << 10
"""The longest id that is written out: longer ones are null, so that their list stays small."""

SCHEMA = pa.schema([pa.field("id_hash", pa.binary(HASH_BYTES), nullable=False), pa.field("id", pa.string())])
"""Columns: the hash of the id, and the id; null where it is not known or too long."""

_COMPRESSION = {"id_hash": "none", "id": "zstd"}
_GROUP_BYTES = 8 << 20
_ROW_BYTES = ID_BYTES + 32  # the hash, and Parquet's lengths and levels
_FOOTER = 64 << 10
_FOOTER_PER_GROUP = 1 << 10
_SLACK = 64 << 10


def write_deleted(hashes: Hashes, ids: Sequence[str | None], file: BinaryIO) -> None:
    """Write the file.

    :param hashes: each once, in any order
    :param ids: as long as ``hashes``, in the same order; None where an id is not known
    """
    order = np.argsort(hashes)
    known = [_short(ids[row]) for row in order.tolist()]
    options = {"use_dictionary": False, "write_statistics": False, "data_page_version": "1.0"}
    options |= {"column_encoding": dict.fromkeys(SCHEMA.names, "PLAIN"), "compression": _COMPRESSION}
    with pq.ParquetWriter(file, SCHEMA, **options) as writer:
        for rows in _groups(known):
            column = np.ascontiguousarray(hashes[order[rows]])
            binary = pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(HASH_BYTES), len(column), [None, pa.py_buffer(column)]
            )
            batch = pa.RecordBatch.from_arrays([binary, texts(known[rows])], schema=SCHEMA)
            writer.write_batch(batch, row_group_size=CHUNK_ROWS)


def read_deleted(file: BinaryIO, rows: int, where: str) -> Iterator[pa.RecordBatch]:
    """Give the rows of (id_hash, id) in batches of at most ``CHUNK_ROWS``, sorted; every hash comes once.

    :param rows: how many there must be
    :param where: archive and entry, for messages
    :raises HostileArchive: reading it would take more than any such file does
    :raises DamagedArchive: it cannot be read, its rows are not as many or not sorted, or an id is not the hashed one
    """
    footer = _FOOTER + _FOOTER_PER_GROUP * (rows * _ROW_BYTES // _GROUP_BYTES)
    inspected = inspect_parquet(file, Allowance((SCHEMA,), footer, rows, CHUNK_ROWS), where)
    if sum(inspected.rows) != rows:
        raise DamagedArchive(f"{where} holds {sum(inspected.rows):,} rows; {rows:,} were expected")
    if max(inspected.decoded, default=0) > _GROUP_BYTES + _ROW_BYTES + _SLACK:
        raise HostileArchive(f"{where}: a row group is larger than any in such a file")
    last = np.empty(0, f"S{HASH_BYTES}")
    for number in range(len(inspected.rows)):
        for batch in _read_group(inspected.parquet, number, where):
            hashes = np.concatenate([last, deleted_hashes(batch)])
            if (hashes[1:] <= hashes[:-1]).any():
                raise DamagedArchive(f"{where}: its rows are not sorted, or one comes twice")
            _check_ids(batch, where)
            last = hashes[-1:]
            yield batch


def deleted_hashes(batch: pa.RecordBatch) -> Hashes:
    """Give the id hashes of rows of the file, dtype S16."""
    column = batch.column("id_hash")
    return np.frombuffer(column.buffers()[1], f"S{HASH_BYTES}", len(column), column.offset * HASH_BYTES)


def _short(text: str | None) -> str | None:
    return None if text is None or len(text.encode("utf-8", "surrogatepass")) > ID_BYTES else text


def _groups(ids: Sequence[str | None]) -> Iterator[slice]:
    """Cut into row groups that are small once decoded, however long the ids."""
    start, size = 0, 0
    for row, text in enumerate(ids):
        taken = 32 + len((text or "").encode())
        if row - start == CHUNK_ROWS or size + taken > _GROUP_BYTES:
            yield slice(start, row)
            start, size = row, 0
        size += taken
    if start < len(ids):
        yield slice(start, len(ids))


def _read_group(parquet: pq.ParquetFile, number: int, where: str) -> list[pa.RecordBatch]:
    try:
        table = parquet.read_row_group(number, use_threads=False).combine_chunks()
        table.validate(full=True)
    except UNREADABLE as error:
        raise DamagedArchive(f"{where}: its Parquet pages cannot be decoded ({error})") from error
    batches: list[pa.RecordBatch] = table.to_batches()
    return batches


def _check_ids(batch: pa.RecordBatch, where: str) -> None:
    """Make sure that an id is the hashed one: by it, somebody may delete."""
    known = batch.filter(batch.column("id").is_valid())
    if (id_hashes(known) != deleted_hashes(known)).any():
        raise DamagedArchive(f"{where}: an id in it is another one than was hashed")
