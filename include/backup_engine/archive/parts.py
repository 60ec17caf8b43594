"""Parts: the Parquet files that hold the records, small enough to be built, checked and sent in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from backup_engine.archive.batches import batch_of, schema, vectors_of
from backup_engine.archive.canonical import is_json
from backup_engine.archive.codes import Codes, centred, recover, values
from backup_engine.archive.columns import floats, floats_of, lengths_of
from backup_engine.archive.limits import PART_ROWS, RECORD_BYTES, part_limit
from backup_engine.archive.parquet_pages import UNREADABLE, Allowance, inspect_parquet
from backup_engine.errors import CaptureRefused, DamagedArchive, HostileArchive
from backup_engine.wording import count, size

WRITTEN_BYTES = 8 << 20
"""Decoded bytes of the parts that are written: a quarter of what the format allows. Whoever writes, reads or sends one
holds it three or four times; larger ones gain nothing, and miss the processor's cache.
"""

_COMPONENTS = "vector.list.element"
_FOOTER = 64 << 10
_SMALLEST_CODED = 3  # below this dimension, a byte a component and two floats are more than the floats themselves
_OFFSETS = 9  # bytes a record costs in an Arrow batch beside its values


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """The Parquet file of a part.

    :param pieces: its content, in pieces that never have to lie in one place
    :param coded: it holds SQ8 codes instead of floats
    """

    pieces: tuple[bytes, ...]
    coded: bool

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return sum(map(len, self.pieces))

    @property
    def content(self) -> bytes:
        """The file, whole."""
        return b"".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Part:
    """The records of a part, with the exact floats; the codes too if it was stored as codes.

    :param where: archive and entry, for messages
    """

    batch: pa.RecordBatch
    codes: Codes | None
    where: str = "the part"

    def filtered(self, wanted: npt.NDArray[np.bool_]) -> Part:
        """Give some of the records, marked with True; shape (rows,)."""
        if wanted.all():
            return self
        codes = self.codes and Codes(self.codes.codes[wanted], self.codes.lo[wanted], self.codes.hi[wanted])
        return Part(self.batch.filter(pa.array(wanted)), codes, self.where)

    def for_sending(self, *, quantized: bool) -> pa.RecordBatch:
        """Give the records as they must be sent to be the same again.

        :param quantized: the target keeps SQ8, so it is sent what makes it compute the same codes
        :raises HostileArchive: a payload is no JSON, and could be anything once it is part of a request
        """
        self._check_payloads()
        if self.codes is None or not quantized:
            return self.batch
        return batch_of(self.batch.column("id"), centred(self.codes), self.batch.column("payload"))

    def _check_payloads(self) -> None:
        for row, payload in enumerate(self.batch.column("payload").to_pylist()):
            if payload is not None and not is_json(payload):
                name = self.batch.column("id")[row].as_py()[:200]
                raise HostileArchive(f"{self.where}: the payload of record {name!r} is no JSON")


def regroup(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut and join batches, in order, to parts of ``WRITTEN_BYTES``; a record larger than a part stands alone.

    :raises CaptureRefused: a record is larger than a reader accepts
    """
    group = _Group()
    for batch in batches:
        ends = np.cumsum(_row_bytes(batch))
        start = 0
        while start < batch.num_rows:
            stop = group.room(ends, start)
            if stop == start and group.rows:
                yield group.take()
                continue
            stop = max(stop, start + 1)
            group.add(batch.slice(start, stop - start), _between(ends, start, stop))
            start = stop
    if group.rows:
        yield group.take()


def encode_part(batch: pa.RecordBatch) -> EncodedPart:
    """Write a batch as Parquet: codes where every row reproduces bit for bit, else floats."""
    vectors = vectors_of(batch)
    codes = recover(vectors) if len(vectors) and vectors.shape[1] >= _SMALLEST_CODED else None
    table = pa.Table.from_batches([batch if codes is None else _coded(batch, codes)])
    columns = [_COMPONENTS if name == "vector" else name for name in table.column_names]
    sink = _Pieces()
    with _plain_memory():
        pq.write_table(
            table,
            sink,
            row_group_size=PART_ROWS,
            compression="zstd",
            compression_level={column: 3 if column == "payload" else 1 for column in columns},
            use_dictionary=False,
            write_statistics=False,
            column_encoding={column: "BYTE_STREAM_SPLIT" if column == _COMPONENTS else "PLAIN" for column in columns},
        )
    return EncodedPart(tuple(sink.pieces), codes is not None)


def decode_part(content: bytes, dimension: int, where: str = "the part") -> Part:
    """Read what ``encode_part`` wrote.

    :param where: archive and entry, for messages
    :raises HostileArchive: decoding it would take more than any part does, or it is no part at all
    :raises DamagedArchive: it cannot be decoded
    """
    with _plain_memory():
        batch = _read_checked(content, dimension, where)
    if "codes" not in batch.schema.names:
        return Part(batch, None, where)
    codes = _codes_of(batch, dimension)
    return Part(batch_of(batch.column("id"), values(codes), batch.column("payload")), codes, where)


@contextmanager
def _plain_memory() -> Iterator[None]:
    """Let Arrow take memory from malloc for a while: its own pool gives what a part took back to the kernel at once,
    and to ask for it again was a tenth of a verification.
    """
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _read_checked(content: bytes, dimension: int, where: str) -> pa.RecordBatch:
    allowed = Allowance((schema(dimension), coded_schema(dimension)), _FOOTER, PART_ROWS, PART_ROWS, dimension)
    found = inspect_parquet(io.BytesIO(content), allowed, where)
    if len(found.rows) != 1 or found.rows[0] == 0:
        raise HostileArchive(f"{where}: one row group with records was expected")
    rows, decoded = found.rows[0], found.decoded[0]
    if "codes" in found.parquet.schema_arrow.names:
        decoded += rows * dimension * 4
    if decoded > part_limit(rows):
        raise HostileArchive(f"{where}: {count(rows, 'record')} take {size(decoded)}, decoded: more than a part may")
    try:
        batch = found.parquet.read(use_threads=False).combine_chunks().to_batches()[0]
        batch.validate(full=True)
    except UNREADABLE as error:
        raise DamagedArchive(f"{where}: its Parquet pages cannot be decoded ({error})") from error
    return batch


def coded_schema(dimension: int) -> pa.Schema:
    """Columns of a part that holds codes."""
    fields = schema(dimension)
    return pa.schema([
        fields.field("id"),
        pa.field("codes", pa.binary(dimension), nullable=False),
        pa.field("lo", pa.float32(), nullable=False),
        pa.field("hi", pa.float32(), nullable=False),
        fields.field("payload"),
    ])


def _coded(batch: pa.RecordBatch, codes: Codes) -> pa.RecordBatch:
    rows, dimension = codes.codes.shape
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(dimension), rows, [None, pa.py_buffer(codes.codes)])
    columns = [batch.column("id"), column, floats(codes.lo), floats(codes.hi), batch.column("payload")]
    return pa.RecordBatch.from_arrays(columns, schema=coded_schema(dimension))


def _codes_of(batch: pa.RecordBatch, dimension: int) -> Codes:
    column = batch.column("codes")
    first = column.offset * dimension
    stored = np.frombuffer(column.buffers()[1], np.uint8)[first : first + len(column) * dimension]
    lo, hi = (floats_of(batch.column(name)) for name in ("lo", "hi"))
    return Codes(stored.reshape(len(column), dimension), lo, hi)


def _row_bytes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    fixed = 4 * batch.schema.field("vector").type.list_size + _OFFSETS
    sizes: npt.NDArray[np.int64] = lengths_of(batch.column("id")) + lengths_of(batch.column("payload")) + fixed
    return sizes


def _between(ends: npt.NDArray[np.int64], start: int, stop: int) -> int:
    return int(ends[stop - 1]) - (int(ends[start - 1]) if start else 0)


class _Pieces:
    """A file that is only written to; memory for it never has to be found in one place."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def tell(self) -> int:
        return sum(map(len, self.pieces))

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        self.closed = True


class _Group:
    """Pieces of batches that will be one part."""

    def __init__(self) -> None:
        self._pieces: list[pa.RecordBatch] = []
        self._bytes = 0
        self.rows = 0

    def room(self, ends: npt.NDArray[np.int64], start: int) -> int:
        """Tell up to which row of a batch, from ``start``, there is room; ``ends`` are its cumulated sizes."""
        before = _between(ends, 0, start) if start else 0
        by_bytes = int(np.searchsorted(ends, before + WRITTEN_BYTES - self._bytes, side="right"))
        return max(start, min(by_bytes, start + PART_ROWS - self.rows))

    def add(self, piece: pa.RecordBatch, piece_bytes: int) -> None:
        if piece_bytes > RECORD_BYTES:
            raise CaptureRefused(
                f"record {piece.column('id')[0].as_py()[:200]!r} takes {size(piece_bytes)}; "
                f"a backup holds records of up to {size(RECORD_BYTES)}"
            )
        self._pieces.append(piece)
        self._bytes += piece_bytes
        self.rows += piece.num_rows

    def take(self) -> pa.RecordBatch:
        batch = self._pieces[0] if len(self._pieces) == 1 else pa.concat_batches(self._pieces)
        self._pieces, self._bytes, self.rows = [], 0, 0
        return batch
