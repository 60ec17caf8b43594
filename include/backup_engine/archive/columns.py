"""Arrow columns from what Python and numpy hold, and back, without ``pa.array`` and ``to_numpy``.

Those import pandas wherever it is installed, to see whether it is what they were given: 50 MiB of every worker, and a
third of a second or more of its start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_LONGEST = np.iinfo(np.int32).max
_OFFSET_BYTES = 4


def texts(values: Sequence[str | None]) -> pa.Array:
    """Make a column of text; None is null.

    :raises ValueError: together they take 2 GiB or more, or one holds half a surrogate pair
    """
    given = ["" if value is None else value for value in values]
    joined = "".join(given)
    pieces: Sequence[str | bytes] = given if joined.isascii() else [value.encode() for value in given]
    ends = np.zeros(len(given) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, pieces), np.int64, len(given)), out=ends[1:])
    if ends[-1] > _LONGEST:
        raise ValueError(f"{len(given):,} texts of {ends[-1]:,} bytes were given; a column holds {_LONGEST:,}")
    buffers = [_validity(values), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(joined.encode())]
    return pa.Array.from_buffers(pa.string(), len(given), buffers)


def floats(values: npt.NDArray[np.float32]) -> pa.Array:
    """Make a column of one-dimensional float32, without copying them."""
    return pa.Array.from_buffers(pa.float32(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def floats_of(column: pa.Array) -> npt.NDArray[np.float32]:
    """Show a column of float32 without nulls, without copying it."""
    if not len(column):
        return np.empty(0, np.float32)
    values = np.frombuffer(column.buffers()[1], np.float32)
    return values[column.offset : column.offset + len(column)]


def lengths_of(column: pa.Array) -> npt.NDArray[np.int64]:
    """Tell how many bytes each text of a column takes; a null takes none."""
    if not len(column):
        return np.empty(0, np.int64)
    ends = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * _OFFSET_BYTES)
    return np.diff(ends).astype(np.int64)


def _validity(values: Sequence[str | None]) -> pa.Buffer | None:
    if None not in values:
        return None
    present = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return pa.py_buffer(np.packbits(present, bitorder="little"))
