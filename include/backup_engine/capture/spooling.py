"""Batches in a file of this machine, until they are read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa


class Spool:
    """Batches of one schema in a file, which is there even when none came."""

    def __init__(self, path: Path) -> None:
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def __enter__(self) -> Spool:
        """Give the file; it is complete when the block is left."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._file, batch.schema)
        self._writer.write_batch(batch)


def spool(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Write batches to a file."""
    with Spool(path) as file:
        for batch in batches:
            file.write(batch)


def spooled(path: Path) -> Iterator[pa.RecordBatch]:
    """Give the batches of a file."""
    if path.stat().st_size == 0:
        return
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
        yield from reader
