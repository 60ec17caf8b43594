"""From a part of the archive to what the server is sent, and what it must give back afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from backup_engine.archive.batches import rows_with_null_components, vectors_of
from backup_engine.archive.codes import recover
from backup_engine.archive.parts import Part
from backup_engine.restore.comparison import Expected


class Outgoing(NamedTuple):
    """The records of a part that can be put back.

    :param sent: what to send, in the backup's order
    :param expected: what the server then holds
    """

    sent: pa.RecordBatch
    expected: Expected


def outgoing(parts: Iterable[Part], *, quantized: bool) -> Iterator[Outgoing]:
    """Prepare parts for sending. Records with components that came as null are left out: no request can carry them.

    :param quantized: the target keeps SQ8
    """
    for part in parts:
        regular = _regular(part)
        coded = regular.codes is not None
        yield Outgoing(regular.for_sending(quantized=quantized), Expected(regular.batch, coded))


def _regular(part: Part) -> Part:
    """One irregular record makes a whole part be stored as floats; without it the rest may have codes again."""
    if part.codes is not None:
        return part
    broken = rows_with_null_components(part.batch)
    batch = part.batch.filter(pc.invert(pa.array(broken))) if broken.any() else part.batch
    return Part(batch, recover(vectors_of(batch)) if batch.num_rows else None)
