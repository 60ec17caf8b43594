"""States for tests of differences: what a collection holds, its digests, and how a difference is applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from backup_engine.archive.batches import make_batch
from backup_engine.archive.digests import DigestSet, id_hashes, record_digests
from backup_engine.diff.states import ChangedRows, changed_rows

DIMENSION = 4

Records = Mapping[str, tuple[tuple[float, ...], str | None]]
"""By id: vector and payload."""


def batch_of_records(records: Records):
    """A batch of these."""
    width = len(next(iter(records.values()))[0]) if records else DIMENSION
    vectors = np.array([vector for vector, _ in records.values()], np.float32).reshape(len(records), width)
    return make_batch([*records], vectors, [payload for _, payload in records.values()])


def chunks(records: Records, rows: int = 3):
    """The digests of a state, in chunks of so many rows."""
    with DigestSet() as digests:
        if records:
            digests.add(batch_of_records(records))
        for chunk in [*digests.chunks()]:
            for start in range(0, chunk.num_rows, rows):
                yield chunk.slice(start, rows)


def difference(a: Records, b: Records, rows: int = 3) -> list[ChangedRows]:
    """The pieces in which two states differ."""
    return [*changed_rows(chunks(a, rows), chunks(b, rows + 1))]


def digests_of(records: Records) -> dict[bytes, bytes]:
    """By id hash the digest."""
    if not records:
        return {}
    batch = batch_of_records(records)
    return dict(zip(split(id_hashes(batch)), split(record_digests(batch)), strict=True))


def split(hashes) -> list[bytes]:
    """Each hash by itself, with its trailing zeros."""
    raw = np.ascontiguousarray(hashes).tobytes()
    size = hashes.dtype.itemsize
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def apply(state: Mapping[bytes, bytes], pieces: Iterable[ChangedRows], wanted: Mapping[bytes, bytes]):
    """Make another state of a state, taking from ``wanted`` only what a difference says is to be written."""
    made = dict(state)
    for piece in pieces:
        for gone in split(piece.gone):
            del made[gone]
        made |= {one: wanted[one] for one in split(piece.upserts)}
    return made


def names(records: Records, kind) -> list[str]:
    """The ids that stand behind hashes."""
    batch = batch_of_records(records)
    known = dict(zip(split(id_hashes(batch)), records, strict=True))
    return sorted(known[one] for one in split(kind))
