"""digests.parquet: the sorted digests of a collection, in row groups that are read one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backup_engine.archive.digests import CHUNK_ROWS, ROW_BYTES, SCHEMA, DigestSet, rows_of
from backup_engine.archive.parquet_pages import UNREADABLE, Allowance, inspect_parquet
from backup_engine.errors import DamagedArchive, HostileArchive

_FOOTER = 64 << 10
_FOOTER_PER_GROUP = 1 << 10
_PAGES_SLACK = 64 << 10


def write_digests(digests: DigestSet, file: BinaryIO) -> None:
    """Write the file; stored plainly, because nothing compresses hashes."""
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False, "data_page_version": "1.0"}
    with pq.ParquetWriter(file, SCHEMA, column_encoding=dict.fromkeys(SCHEMA.names, "PLAIN"), **options) as writer:
        for chunk in digests.chunks():
            writer.write_batch(chunk, row_group_size=CHUNK_ROWS)


def read_digests(file: BinaryIO, rows: int, where: str) -> Iterator[pa.RecordBatch]:
    """Give the rows in batches of at most ``CHUNK_ROWS``.

    :param rows: how many there must be
    :param where: archive and entry, for messages
    :raises HostileArchive: reading it would take more than any such file does
    :raises DamagedArchive: it cannot be read, or its rows are not sorted
    """
    footer = _FOOTER + _FOOTER_PER_GROUP * (rows // CHUNK_ROWS)
    allowed = Allowance((SCHEMA,), footer, rows, CHUNK_ROWS)
    inspected = inspect_parquet(file, allowed, where)
    if sum(inspected.rows) != rows:
        raise DamagedArchive(f"{where} holds {sum(inspected.rows):,} rows; {rows:,} were expected")
    if max(inspected.decoded, default=0) > CHUNK_ROWS * ROW_BYTES + _PAGES_SLACK:
        raise HostileArchive(f"{where}: a row group is larger than any in such a file")
    last = np.empty(0, f"S{ROW_BYTES}")
    for number in range(len(inspected.rows)):
        batch = _read_group(inspected.parquet, number, where)
        found = np.concatenate([last, rows_of(batch)])
        if (found[1:] < found[:-1]).any():
            raise DamagedArchive(f"{where}: its rows are not sorted")
        last = found[-1:]
        yield batch


def _read_group(parquet: pq.ParquetFile, number: int, where: str) -> pa.RecordBatch:
    try:
        table = parquet.read_row_group(number, use_threads=False).combine_chunks()
        table.validate(full=True)
    except UNREADABLE as error:
        raise DamagedArchive(f"{where}: its Parquet pages cannot be decoded ({error})") from error
    return table.to_batches()[0]
