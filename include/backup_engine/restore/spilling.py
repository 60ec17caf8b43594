"""Records that did not meet their counterpart in order, put on disk by id so that each pair meets in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, id_hashes

FAN = 32
"""Files a side is spread over: 32 open at once, and 32 times more data than fits one file's limit."""
LIMIT_BYTES = 32 << 20
"""A file larger than this is spread again before it is read: what is in memory at once is two of them."""

_DEEPEST = HASH_BYTES  # levels; each uses one byte of the id's hash


class Spill:
    """One side of a comparison: batches spread over files by a byte of the id's hash.

    :param level: which byte
    """

    def __init__(self, directory: Path, level: int = 0) -> None:
        self._directory = directory
        self._level = level
        self._files: dict[int, pa.OSFile] = {}
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        directory.mkdir(parents=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Spread a batch."""
        if not batch.num_rows:
            return
        hashes = id_hashes(batch).view(np.uint8).reshape(-1, HASH_BYTES)
        places = hashes[:, self._level] % FAN
        order = np.argsort(places, kind="stable")
        ends = np.cumsum(np.bincount(places, minlength=FAN))
        ordered = batch.take(pa.array(order))
        for place in np.unique(places):
            start = int(ends[place - 1]) if place else 0
            self._writer(int(place), batch.schema).write_batch(ordered.slice(start, int(ends[place]) - start))

    def close(self) -> None:
        """Finish all files."""
        for writer in self._writers.values():
            writer.close()
        for file in self._files.values():
            file.close()

    def path(self, place: int) -> Path:
        """Where the records of this place lie; there is no such file when there are none."""
        return self._directory / f"{place:02x}"

    def _writer(self, place: int, schema: pa.Schema) -> pa.RecordBatchStreamWriter:
        if place not in self._writers:
            self._files[place] = pa.OSFile(str(self.path(place)), "wb")
            self._writers[place] = pa.ipc.new_stream(self._files[place], schema)
        return self._writers[place]


def pairs(left: Spill, right: Spill, directory: Path, level: int = 0) -> Iterator[tuple[Path, Path]]:
    """Give the files of two closed spills that belong together, each pair small enough for memory; spread again
    what is not.
    """
    for place in range(FAN):
        both = left.path(place), right.path(place)
        if max(_size(path) for path in both) <= LIMIT_BYTES or level + 1 == _DEEPEST:
            yield both
            continue
        deeper = directory / f"{level}-{place:02x}"
        spread = [_respread(path, deeper / path.parent.name, level + 1) for path in both]
        yield from pairs(spread[0], spread[1], deeper, level + 1)


def records(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a file back, and remove it."""
    if not path.exists():
        return
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
        yield from reader
    path.unlink()


def _respread(path: Path, directory: Path, level: int) -> Spill:
    spill = Spill(directory, level)
    _fill(spill, records(path))
    return spill


def _fill(spill: Spill, batches: Iterable[pa.RecordBatch]) -> None:
    try:
        for batch in batches:
            spill.add(batch)
    finally:
        spill.close()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
