"""Bring the changes between two states of one collection to the standby."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from backup_engine.archive.batches import batch_bytes, rows_with_null_components
from backup_engine.archive.parts import Part
from backup_engine.errors import CollectionNotFound, ServerFault
from backup_engine.model import Clock, CollectionConfiguration, Document, Progress, ProgressEvent, Quantization
from backup_engine.ports import Server
from backup_engine.restore.outgoing import outgoing
from backup_engine.standby.differences import Difference, Stored
from backup_engine.standby.sampling import Sample

_AT_ONCE = 2_000
"""Records or ids between two signs of life: about seven seconds at the 300 a second that servers take."""


class Changed(Document):
    """What was brought to one collection.

    :param problem: what a sample of it showed to be wrong; None: it is right
    """

    upserts: int
    deletions: int
    sampled: int
    problem: str | None = None


class Changer:
    """Writes and deletes.

    :param glance: raises when this process must not go on
    """

    def __init__(
        self, server: Server, clock: Clock, progress: Progress, glance: Callable[[], None], temporary: Path | None
    ) -> None:
        self._server = server
        self._clock = clock
        self._progress = progress
        self._glance = glance
        self._temporary = temporary

    def change(self, name: str, before: Stored, after: Stored) -> Changed:
        """Make of one state the other; done a second time, it writes the same again.

        :raises ServerFault: the collection vanished meanwhile
        """
        with tempfile.TemporaryDirectory(prefix="standby-", dir=self._temporary) as made:
            difference, sample = Difference(before, after, Path(made)), Sample()
            try:
                kept = self._server.configuration(name)
                self._delete(name, difference.ids(), sample)
                self._write(name, difference, kept, sample)
                problem = sample.problem(self._server, name, kept, self._temporary)
            except CollectionNotFound as error:
                raise ServerFault(
                    f"{name!r} vanished from the standby in the middle of a change: it restarted, or somebody deleted "
                    "it; apply again when it has loaded"
                ) from error
        return Changed(upserts=difference.upserts, deletions=difference.deletions, sampled=sample.size, problem=problem)

    def _delete(self, name: str, ids: Iterator[list[str]], sample: Sample) -> None:
        for known in ids:
            for start in range(0, len(known), _AT_ONCE):
                self._glance()
                self._server.delete_records(name, known[start : start + _AT_ONCE])
            sample.deleted(known)

    def _write(self, name: str, difference: Difference, kept: CollectionConfiguration, sample: Sample) -> None:
        began, done, size = self._clock(), 0, 0
        parts = self._without_irregular(name, difference.parts(), sample)
        for piece in outgoing(parts, quantized=kept.quantization is Quantization.SQ8):
            for start in range(0, piece.sent.num_rows, _AT_ONCE):
                self._glance()
                self._server.upsert(name, piece.sent.slice(start, _AT_ONCE))
            sample.written(piece.expected)
            done, size = done + piece.sent.num_rows, size + batch_bytes(piece.sent)
            seconds = max(0.0, (self._clock() - began).total_seconds())
            self._progress(
                ProgressEvent(
                    step="apply", subject=name, done=done, total=difference.upserts, bytes=size, seconds=seconds
                )
            )

    def _without_irregular(self, name: str, parts: Iterator[Part], sample: Sample) -> Iterator[Part]:
        """Delete what no request can write (components that came as null): an older version of it must not stay."""
        for part in parts:
            broken = rows_with_null_components(part.batch)
            if broken.any():
                self._delete(name, iter([part.filtered(broken).batch.column("id").to_pylist()]), sample)
            yield part
