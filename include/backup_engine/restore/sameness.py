"""Whether what a server gives back is what it was given, by the rule of what it keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backup_engine.archive.batches import Vectors
from backup_engine.model import CollectionConfiguration, Metric, Quantization

Mask = npt.NDArray[np.bool_]

NORMALISED = 1e-6
"""How far a component may be off after both vectors were brought to unit length in double precision. The server
normalises in float32: one rounding of a component of at most 1, 2**-24 = 6e-8, and another for the scale it multiplies
with; the length itself cancels out."""

_ROUNDING = 2**-22  # what those roundings come to, and a bit; no two codes that are closer can be told apart

_LEVELS = 255
_BLOCK_BYTES = 2 << 20  # of floats worked on at once; in double precision, and several times over, that is 30 MiB


def compare_vectors(expected: Vectors, actual: Vectors, coded: Mask, kept: CollectionConfiguration) -> tuple[Mask, int]:
    """Mark the rows that are the same, and count those that are equal to the bit; see ``equivalent``."""
    if expected.shape != actual.shape:
        return np.zeros(len(expected), np.bool_), 0
    same = identical(expected, actual)
    exact = int(same.sum())
    rest = np.flatnonzero(~same)
    rows = max(1, _BLOCK_BYTES // (4 * expected.shape[1]))
    for start in range(0, len(rest), rows):
        block = rest[start : start + rows]
        same[block] = equivalent(expected[block], actual[block], coded[block], kept)
    return same, exact


def identical(expected: Vectors, actual: Vectors) -> Mask:
    """Mark the rows that are equal to the bit; both of shape (rows, dimension)."""
    same: Mask = np.all(expected.view(np.uint32) == actual.view(np.uint32), axis=1)
    return same


def equivalent(expected: Vectors, actual: Vectors, coded: Mask, kept: CollectionConfiguration) -> Mask:
    """Mark the rows that are the same to a server that keeps them so.

    * SQ8, and the backup knows the codes: the same codes, lo and hi, which is the same values to the bit, or after
      normalising within a quarter of the step between two codes
    * SQ8 made of floats: within one step of the 255 between smallest and largest component
    * otherwise: the same floats
    * Cosine: all of it after bringing to unit length, as the server does before it keeps anything

    :param coded: shape (rows,); the backup's floats are what SQ8 shows
    """
    cosine = kept.metric is Metric.COSINE
    wanted, found = (_unit(side) if cosine else side.astype(np.float64) for side in (expected, actual))
    allowed = np.full((len(expected), 1), NORMALISED if cosine else 0.0)
    if kept.quantization is Quantization.SQ8:
        steps = (wanted.max(axis=1, keepdims=True) - wanted.min(axis=1, keepdims=True)) / _LEVELS
        same_codes = np.clip(steps / 4, _ROUNDING, NORMALISED) if cosine else allowed
        one_step = steps + NORMALISED * np.abs(wanted).max(axis=1, keepdims=True)
        allowed = np.where(coded[:, None], same_codes, one_step)
        found = np.where(coded[:, None], found, actual)  # codes made now are truncated: a little shorter than unit
    near: Mask = np.all(np.abs(wanted - found) <= allowed, axis=1)
    return near


def _unit(vectors: Vectors) -> npt.NDArray[np.float64]:
    """Bring to unit length; zero stays zero, as on the server."""
    wide = vectors.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    unit: npt.NDArray[np.float64] = wide / np.where(lengths > 0, lengths, 1.0)[:, None]
    return unit
