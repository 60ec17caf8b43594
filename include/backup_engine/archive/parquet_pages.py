"""Look at a Parquet file before it is decoded, and refuse what would grow beyond its allowance.

The footer's sizes are claims; what a decoder allocates comes from the header of each page. So footer and page headers
are read here first: only codecs and encodings this product writes (none of which can expand beyond the sizes in the
headers), values that add up, sizes within the allowance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from backup_engine.archive.thrift import Struct, Value, read_struct
from backup_engine.errors import DamagedArchive, HostileArchive
from backup_engine.wording import size

_MAGIC = b"PAR1"
_ENDING = 8  # the footer's length, and the magic
_MOST_PAGES = 256  # of a column in a row group; a writer fills 1 MiB before it begins another
_HEADER_BYTES = 512  # without statistics a page header takes about 30

# Fields of parquet.thrift, by struct.
_FILE_ROWS, _FILE_GROUPS = 3, 4
_GROUP_COLUMNS, _GROUP_ROWS = 1, 3
_CHUNK_FILE, _CHUNK_META = 1, 3
_META_PATH, _META_CODEC, _META_VALUES, _META_COMPRESSED, _META_PAGES, _META_INDEX, _META_DICTIONARY = (
    3,
    4,
    5,
    7,
    9,
    10,
    11,
)
_PAGE_TYPE, _PAGE_PLAIN, _PAGE_COMPRESSED, _PAGE_DATA = 1, 2, 3, 5
_DATA_VALUES, _DATA_ENCODING, _DATA_DEFINITIONS, _DATA_REPETITIONS = 1, 2, 3, 4

_DATA_PAGE = 0
_RLE = 3
_ENCODINGS = {0, 9}  # PLAIN, BYTE_STREAM_SPLIT
_CODECS = {0, 6}  # none, zstd


UNREADABLE = (pa.ArrowException, OSError, ValueError)
"""What pyarrow raises for a file it cannot read."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a file may ask for.

    :param schemas: the columns it may have
    :param footer: bytes of its footer
    :param rows: records in it
    :param group_rows: records in one row group
    :param width: values a record has in a list column
    """

    schemas: tuple[pa.Schema, ...]
    footer: int
    rows: int
    group_rows: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file that may be decoded.

    :param rows: records in each row group
    :param decoded: bytes that decoding each row group takes
    """

    parquet: pq.ParquetFile
    rows: tuple[int, ...]
    decoded: tuple[int, ...]


def inspect_parquet(file: BinaryIO, allowed: Allowance, where: str) -> Inspected:
    """Open a Parquet file that asks for no more than it is allowed.

    :raises HostileArchive: columns, encodings, codecs or counts that this product never writes
    :raises DamagedArchive: it is no Parquet file, or not a whole one
    """
    footer = _read_footer(file, allowed, where)
    try:
        found = list(_groups(file, footer, allowed, where))
    except (TypeError, ValueError) as error:
        raise DamagedArchive(f"{where}: its Parquet footer or a page header cannot be read ({error})") from error
    if sum(rows for rows, _ in found) != footer.get(_FILE_ROWS):
        raise HostileArchive(f"{where}: its row groups do not hold as many rows as it claims")
    try:
        parquet = pq.ParquetFile(file)
        columns = parquet.schema_arrow
    except UNREADABLE as error:
        raise DamagedArchive(f"{where}: its Parquet footer cannot be read ({error})") from error
    if not any(columns.equals(schema) for schema in allowed.schemas):
        raise HostileArchive(f"{where}: its columns are not those of this format: {', '.join(columns.names)[:200]}")
    return Inspected(parquet, tuple(rows for rows, _ in found), tuple(decoded for _, decoded in found))


def _read_footer(file: BinaryIO, allowed: Allowance, where: str) -> Struct:
    length = file.seek(0, 2)
    file.seek(max(0, length - _ENDING))
    ending = file.read(_ENDING)
    footer = int.from_bytes(ending[:4], "little")
    if ending[4:] != _MAGIC or footer + _ENDING > length:
        raise DamagedArchive(f"{where}: not a Parquet file")
    if footer > allowed.footer:
        raise HostileArchive(f"{where}: its footer takes {size(footer)}; at most {size(allowed.footer)} were expected")
    file.seek(length - _ENDING - footer)
    try:
        return read_struct(file.read(footer))[0]
    except ValueError as error:
        raise DamagedArchive(f"{where}: its Parquet footer cannot be read ({error})") from error


def _groups(file: BinaryIO, footer: Struct, allowed: Allowance, where: str) -> Iterator[tuple[int, int]]:
    """Give rows and decoded bytes of every row group, all of whose pages have been looked at."""
    left = allowed.rows
    for group in _list(_field(footer, _FILE_GROUPS)):
        rows = _number(_field(group, _GROUP_ROWS))
        left -= rows
        if rows > allowed.group_rows or left < 0:
            raise HostileArchive(
                f"{where}: more rows than the {allowed.rows:,}, or {allowed.group_rows:,} a group, expected"
            )
        columns = _list(_field(group, _GROUP_COLUMNS))
        yield rows, sum(_decoded_bytes(file, _struct(column), rows, allowed, where) for column in columns)


def _decoded_bytes(file: BinaryIO, chunk: Struct, rows: int, allowed: Allowance, where: str) -> int:
    meta = _struct(_field(chunk, _CHUNK_META))
    odd = _CHUNK_FILE in chunk or _META_DICTIONARY in meta or _META_INDEX in meta
    if odd or _field(meta, _META_CODEC) not in _CODECS:
        raise HostileArchive(f"{where}: a column is stored in a way this format does not use")
    values = rows * (allowed.width if len(_list(_field(meta, _META_PATH))) > 1 else 1)
    if _field(meta, _META_VALUES) != values:
        raise HostileArchive(f"{where}: a column does not claim the {values:,} values that were expected")
    position = _number(_field(meta, _META_PAGES))
    end = position + _number(_field(meta, _META_COMPRESSED))
    total = 0
    for _ in range(_MOST_PAGES):
        if position >= end:
            break
        file.seek(position)
        header, taken = read_struct(file.read(_HEADER_BYTES))
        data = _checked_page(header, where)
        position += taken + _number(_field(header, _PAGE_COMPRESSED))
        total, values = total + _number(_field(header, _PAGE_PLAIN)), values - _number(_field(data, _DATA_VALUES))
    if position != end or values != 0:
        raise HostileArchive(f"{where}: the pages of a column do not hold as much as it claims")
    return total


def _checked_page(header: Struct, where: str) -> Struct:
    if _field(header, _PAGE_TYPE) != _DATA_PAGE:
        raise HostileArchive(f"{where}: a page is of a kind that this format does not use")
    data = _struct(_field(header, _PAGE_DATA))
    levels = {_field(data, _DATA_DEFINITIONS), _field(data, _DATA_REPETITIONS)}
    if _field(data, _DATA_ENCODING) not in _ENCODINGS or levels != {_RLE}:
        raise HostileArchive(f"{where}: a page is in an encoding that this format does not use")
    return data


def _field(struct: Value, number: int) -> Value:
    value = _struct(struct).get(number)
    if value is None:
        raise ValueError(f"field {number} is missing")
    return value


def _number(value: Value) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("a number of at least 0 was expected")
    return value


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def _struct(value: Value) -> Struct:
    if not isinstance(value, dict):
        raise TypeError("a struct was expected")
    return value
