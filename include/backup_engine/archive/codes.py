"""Recover the codes that the server keeps, from the floats that it shows, bit for bit or not at all.

A collection kept as SQ8 stores per vector one byte a component and two floats. The server quantises in float32 by
``q = trunc(((v - lo) / (hi - lo)) * 255)`` with lo and hi the smallest and largest component (0 everywhere when they
are equal), and shows ``(q / 255) * (hi - lo) + lo``, each operation rounded to float32
(crates/vectorizer/src/models/mod.rs of the server, ``quantize_to_u8`` and ``dequantize_from_u8``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backup_engine.archive.batches import Vectors

_LAST = 255
_LEVELS = np.float32(_LAST)
_FRACTIONS = np.arange(256, dtype=np.float32) / _LEVELS
_MIDDLES = np.concatenate([[0.0], (np.arange(1, 256) + 0.5) / _LAST])
_BLOCK_BYTES = 1 << 18  # rows are worked on in blocks that stay in the processor's cache
_PROBE_ROWS = 16


@dataclass(frozen=True, slots=True)
class Codes:
    """What SQ8 keeps of vectors.

    :param codes: shape (rows, dimension), uint8
    :param lo: shape (rows,), float32, the smallest component of each vector
    :param hi: shape (rows,), float32, its largest component
    """

    codes: npt.NDArray[np.uint8]
    lo: Vectors
    hi: Vectors


def recover(vectors: Vectors) -> Codes | None:
    """Find the codes of vectors of shape (rows, dimension); None unless every row reproduces bit for bit."""
    if _attempt(vectors[:_PROBE_ROWS]) is None:
        return None
    return _attempt(vectors)


def values(codes: Codes) -> Vectors:
    """Calculate what the server shows for these codes, to the bit; shape (rows, dimension)."""
    result = np.empty(codes.codes.shape, np.float32)
    with np.errstate(all="ignore"):
        for rows in _blocks(result.shape):
            _dequantize(codes.codes[rows], codes.lo[rows], codes.hi[rows], out=result[rows])
    return result


def centred(codes: Codes) -> Vectors:
    """Calculate what to send so that the server computes the same codes again; shape (rows, dimension).

    The middle of each code's interval, so that no rounding on the way (the server normalises for Cosine) leads to a
    neighbour; lo and hi themselves at the ends, because the server takes them from the vector. Holds as long as float32
    can tell the intervals apart: hi - lo at least 2^-14 of the larger magnitude of the two.
    """
    result = np.empty(codes.codes.shape, np.float32)
    for rows in _blocks(result.shape):
        q = codes.codes[rows]
        lo, hi = codes.lo[rows, None].astype(np.float64), codes.hi[rows, None].astype(np.float64)
        result[rows] = np.where(q == _LAST, hi, lo + _MIDDLES[q] * (hi - lo))
    return result


def _attempt(vectors: Vectors) -> Codes | None:
    found = Codes(np.empty(vectors.shape, np.uint8), vectors.min(axis=1), vectors.max(axis=1))
    if not (np.isfinite(found.lo).all() and np.isfinite(found.hi).all()):
        return None
    with np.errstate(all="ignore"):
        for rows in _blocks(vectors.shape):
            if not _recover_block(vectors[rows], found.lo[rows], found.hi[rows], out=found.codes[rows]):
                return None
    return found


def _recover_block(vectors: Vectors, lo: Vectors, hi: Vectors, *, out: npt.NDArray[np.uint8]) -> bool:
    """Fill in the codes nearest to the vectors; tell whether they reproduce every bit."""
    spread = hi - lo
    scaled = vectors - lo[:, None]
    scaled /= np.where(spread > 0, spread, np.float32(1))[:, None]
    scaled *= _LEVELS
    np.rint(scaled, out=scaled)
    np.copyto(out, scaled, casting="unsafe")
    _dequantize(out, lo, hi, out=scaled)
    return np.array_equal(scaled.view(np.uint32), vectors.view(np.uint32))


def _dequantize(codes: npt.NDArray[np.uint8], lo: Vectors, hi: Vectors, *, out: Vectors) -> None:
    np.take(_FRACTIONS, codes, out=out, mode="clip")
    out *= (hi - lo)[:, None]
    out += lo[:, None]


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    rows, dimension = shape
    step = max(1, _BLOCK_BYTES // (4 * max(1, dimension)))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
