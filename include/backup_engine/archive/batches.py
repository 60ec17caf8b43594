"""The one thing that flows between source, archive and sink: a ``RecordBatch`` of (id, vector, payload)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.columns import floats, floats_of, texts

Vectors = npt.NDArray[np.float32]

QUIET_NAN = 0x7FC00000
"""The bits that stand for a component the server gave as null."""


def schema(dimension: int) -> pa.Schema:
    """Columns of a batch: ``id``, ``vector`` (``dimension`` float32), ``payload`` (JSON text; null = none)."""
    component = pa.field("element", pa.float32(), nullable=False)
    return pa.schema([
        pa.field("id", pa.string(), nullable=False),
        pa.field("vector", pa.list_(component, dimension), nullable=False),
        pa.field("payload", pa.string()),
    ])


def make_batch(ids: Sequence[str], vectors: Vectors, payloads: Sequence[str | None]) -> pa.RecordBatch:
    """Put records together. Every NaN becomes the quiet NaN here and nowhere else, so that digests are stable.

    :param vectors: shape (rows, dimension), float32, C order; changed in place where it holds other NaNs,
        copied first if it cannot be written to
    :param payloads: canonical JSON text, or None where the record has no payload
    """
    return batch_of(texts(ids), vectors, texts(payloads))


def batch_of(ids: pa.Array, vectors: Vectors, payloads: pa.Array) -> pa.RecordBatch:
    """Put columns together, as ``make_batch`` does, where ids and payloads are Arrow arrays already."""
    rows, dimension = vectors.shape
    components = floats(_with_quiet_nans(vectors).reshape(rows * dimension))
    wanted = schema(dimension)
    column = pa.FixedSizeListArray.from_arrays(components, type=wanted.field("vector").type)
    return pa.RecordBatch.from_arrays([ids, column, payloads], schema=wanted)


def vectors_of(batch: pa.RecordBatch) -> Vectors:
    """Show the vectors of a batch, shape (rows, dimension), without copying them."""
    column = batch.column("vector")
    return floats_of(column.flatten()).reshape(len(column), column.type.list_size)


def batch_bytes(batch: pa.RecordBatch) -> int:
    """Tell how many bytes the batch takes, decoded: what part sizes are measured in."""
    return int(batch.nbytes)


def rows_with_null_components(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Mark the records that hold a component the server gave as null."""
    vectors = vectors_of(batch)
    if len(vectors) == 0:
        return np.zeros(0, np.bool_)
    marked: npt.NDArray[np.bool_] = np.isnan(vectors.min(axis=1))
    return marked


def _with_quiet_nans(vectors: Vectors) -> Vectors:
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.size == 0 or not np.isnan(vectors.min()):
        return vectors
    if not vectors.flags.writeable:
        vectors = vectors.copy()
    vectors.view(np.uint32)[np.isnan(vectors)] = QUIET_NAN
    return vectors
