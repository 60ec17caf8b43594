"""A look at some of what was just written or deleted: whether the standby has it so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backup_engine.archive.batches import batch_of, vectors_of
from backup_engine.model import CollectionConfiguration
from backup_engine.ports import Source
from backup_engine.restore.comparison import Expected, compare

SAMPLE = 64
"""Records that are looked at, of those that were written and of those that were deleted; at most twice as many."""

_OF_ONE_PART = 16


class Sample:
    """Records spread over all that is written, and ids of some that are deleted."""

    def __init__(self) -> None:
        self._pieces: list[Expected] = []
        self._gone: list[str] = []

    @property
    def size(self) -> int:
        """How many records and ids it holds."""
        rows: int = sum(piece.batch.num_rows for piece in self._pieces)
        return rows + len(self._gone)

    def written(self, piece: Expected) -> None:
        """Take in some of what is written; what it holds becomes sparser as more comes."""
        rows = piece.batch.num_rows
        if not rows:
            return
        chosen = np.unique(np.linspace(0, rows - 1, min(rows, _OF_ONE_PART)).astype(np.int64))
        self._pieces.append(Expected(piece.batch.take(pa.array(chosen)), piece.coded))
        if len(self._pieces) > 2 * SAMPLE // _OF_ONE_PART:
            self._pieces = self._pieces[::2]

    def deleted(self, ids: list[str]) -> None:
        """Take in the ends of what is deleted."""
        self._gone = [*self._gone[: SAMPLE // 2], *ids][-SAMPLE:]

    def problem(self, server: Source, name: str, kept: CollectionConfiguration, temporary: Path | None) -> str | None:
        """Ask the standby for them; None if it has what it should, and nothing of what it should not."""
        return next(self._problems(server, name, kept, temporary), None)

    def _problems(
        self, server: Source, name: str, kept: CollectionConfiguration, temporary: Path | None
    ) -> Iterator[str]:
        if self._pieces:
            ids = [text for piece in self._pieces for text in piece.batch.column("id").to_pylist()]
            expected = (Expected(_marked(piece.batch), piece.coded) for piece in self._pieces)
            there = [_marked(server.retrieve(name, ids))]
            found = compare(expected, there, kept, others_allowed=True, temporary=temporary)
            if not found.passed:
                example = found.examples[0]
                yield f"of {len(ids)} records just written, {example.id!r} has {example.reason}"
        if self._gone:
            still = server.retrieve(name, self._gone).column("id").to_pylist()
            if still:
                yield f"{still[0]!r} was just deleted and is still there"


def _marked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Keep of a payload only whether there is one: asked for by id, the server trims the text in it."""
    there = pc.if_else(pc.is_valid(batch.column("payload")), pa.scalar("{}"), pa.scalar(None, pa.string()))
    return batch_of(batch.column("id"), vectors_of(batch), there)
