"""Several reads of one collection that would not keep still, made one: what each saw, united by id.

Disk holds the records of each read that keeps them (where they are compared: those that differ), and the id and 17
bytes for each record of each read; memory holds a quarter of a million rows of that log at a time, and three bytes for
each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, Hashes, id_hashes
from backup_engine.capture.spooling import Spool, spool, spooled

_ROW = np.dtype([("first", "<u8"), ("second", "<u8"), ("read", "u1")])
_HASH = np.dtype(f"S{HASH_BYTES}")
_SHARE = 1 << 18  # rows of the log looked at together

Rows = npt.NDArray[np.int64]
Log = npt.NDArray[np.void]
Mask = npt.NDArray[np.bool_]
Batches = Callable[[], Iterator[pa.RecordBatch]]


class Tally(NamedTuple):
    """How many different records are kept.

    :param present: those that the last read saw, or that were found by id after it
    :param gone: those that neither did
    """

    present: int
    gone: int


@dataclass(slots=True)
class _Source:
    """Some rows of the log, one after the other: their ids, and their records if these are kept.

    :param differs: which of the rows ``records`` gives; the others are known elsewhere. None: all of them
    """

    rows: int
    ids: Batches
    records: Batches | None
    differs: Mask | None = None

    @property
    def known(self) -> Mask:
        """Rows that are kept because they are known, not as records."""
        return np.zeros(self.rows, np.bool_) if self.differs is None else ~self.differs


class _Groups(NamedTuple):
    """A share of the log by id, an element for each: the last read that saw it, rows of it (-1: none was kept)."""

    last_read: npt.NDArray[np.uint8]
    any_row: Rows
    kept_row: Rows


class SeveralReads:
    """What several reads of a collection saw.

    :param directory: an empty one, on a disk with room for the collection; whoever made it removes it
    :param differs: tells of a batch which records to keep; the others are known, and ``known`` tells which they were
    """

    def __init__(self, directory: Path, differs: Callable[[pa.RecordBatch], Mask] | None = None) -> None:
        self._directory = directory
        self._differs = differs
        self._log = directory / "log"
        self._log.touch()
        self._sources: list[_Source] = []
        self.reads = 0

    def note(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass a read through, remembering only which ids it saw."""
        self.reads += 1
        yield from (batch for batch, _ in self._remember(batches, None))

    def lies_in(self, records: Batches) -> None:
        """Say where the records of the read that was noted last, those that differ, can be read again, in the order
        they came.
        """
        self._sources[-1].records = records

    def take(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Keep all records of another read; of one that breaks off, those that came."""
        self.reads += 1
        self.found(batches)

    def found(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Keep records that were there when they were asked for by id."""
        path = self._directory / f"records-{len(self._sources)}"
        spool(path, (_of(batch, differs) for batch, differs in self._remember(batches, partial(spooled, path))))

    def confirmed(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Note that records are there still, and keep them as they were read."""
        for _ in self._remember(batches, None):
            pass

    def missing(self, size: int, *, kept: bool) -> Iterator[list[str]]:
        """Give the ids that an earlier read saw and the last one did not, ``size`` at a time.

        What is found between two of these answers changes none of them.

        :param kept: those of which a record is kept, or those of which none is
        """
        rows = (
            groups.any_row[(groups.last_read < self.reads) & ((groups.kept_row >= 0) == kept)]
            for groups in self._groups()
        )
        yield from self._ids_of([*rows], size)

    def unkept(self, size: int, most: int) -> Iterator[list[str]]:
        """Give the ids that the last read saw and of which no record is kept, ``size`` at a time.

        :param most: how many at most, the first that were listed: what is new on the server comes last
        """
        rows = [groups.any_row[(groups.last_read == self.reads) & (groups.kept_row < 0)] for groups in self._groups()]
        yield from self._ids_of([_sorted(rows)[:most]], size)

    def tally(self) -> Tally:
        """Count what there is."""
        present = gone = 0
        for groups in self._groups():
            kept, there = groups.kept_row >= 0, groups.last_read == self.reads
            present += int((kept & there).sum())
            gone += int((kept & ~there).sum())
        return Tally(present, gone)

    def records(self, gone: int = 0) -> Iterator[pa.RecordBatch]:
        """Give every record once, as it was read last, in the order of reading; not those that are known.

        :param gone: how many of those that are gone to give too, those read last first
        """
        mask, start = self._union(gone), 0
        for source in [*self._sources]:
            chosen = mask[start : start + source.rows]
            start += source.rows
            given = chosen if source.differs is None else chosen[source.differs]
            if source.records is not None and given.any():
                yield from (_of(batch, wanted) for batch, wanted in _pieces(source.records(), given))

    def known(self, gone: int = 0) -> Iterator[Hashes]:
        """Give the id hashes of the records that ``records`` leaves out because they are as they are known."""
        if not self._sources:
            return
        mask = self._union(gone) & np.concatenate([source.known for source in self._sources])
        for start in range(0, len(mask), _SHARE):
            log = self._logged(start, len(mask))[mask[start : start + _SHARE]]
            yield np.stack([log["first"], log["second"]], axis=1).reshape(-1).view(_HASH)

    def _union(self, gone: int) -> Mask:
        """Choose the row of every record as it was read last."""
        present, away = [], []
        for groups in self._groups():
            kept, there = groups.kept_row >= 0, groups.last_read == self.reads
            present.append(groups.kept_row[kept & there])
            away.append(groups.kept_row[kept & ~there])
        extra = _sorted(away)
        return self._mask([*present, extra[len(extra) - gone :]])

    def _remember(
        self, batches: Iterable[pa.RecordBatch], records: Batches | None
    ) -> Iterator[tuple[pa.RecordBatch, Mask | None]]:
        path = self._directory / f"ids-{len(self._sources)}"
        rows, masks = 0, [np.empty(0, np.bool_)]
        try:
            with Spool(path) as ids, self._log.open("ab") as log:
                for batch in batches:
                    differs = self._differs(batch) if self._differs is not None else None
                    log.write(_log_rows(batch, self.reads).tobytes())
                    ids.write(batch.select(["id"]))
                    rows += batch.num_rows
                    masks += [] if differs is None else [differs]
                    yield batch, differs
        finally:
            every = None if self._differs is None else np.concatenate(masks)
            self._sources.append(_Source(rows, partial(spooled, path), records, every))

    @property
    def _rows(self) -> int:
        return sum(source.rows for source in self._sources)

    def _groups(self) -> Iterator[_Groups]:
        rows = self._rows
        if not rows:
            return
        kept = np.repeat([source.records is not None for source in self._sources], [s.rows for s in self._sources])
        shares = 1 + rows // _SHARE
        for share in range(shares):
            yield _grouped(*self._share(share, shares, rows), kept)

    def _share(self, share: int, shares: int, rows: int) -> tuple[Rows, Log]:
        """Give the rows of a share, and what the log says in them: all rows of one id are in one share."""
        numbers, found = [np.empty(0, np.int64)], [np.empty(0, _ROW)]
        for start in range(0, rows, _SHARE):
            log = self._logged(start, rows)
            chosen = np.flatnonzero(log["first"] % shares == share)
            numbers.append(chosen + start)
            found.append(log[chosen])
        return np.concatenate(numbers), np.concatenate(found)

    def _logged(self, start: int, rows: int) -> Log:
        """Give a share of the log from a row on; there are so many rows."""
        return np.fromfile(self._log, _ROW, min(_SHARE, rows - start), offset=start * _ROW.itemsize)

    def _ids_of(self, rows: Iterable[Rows], size: int) -> Iterator[list[str]]:
        ids: list[str] = []
        for batch, chosen in self._batches_of_ids(self._mask(rows)):
            ids += batch.filter(pa.array(chosen)).column("id").to_pylist()
            while len(ids) >= size:
                yield ids[:size]
                ids = ids[size:]
        if ids:
            yield ids

    def _mask(self, rows: Iterable[Rows]) -> Mask:
        mask = np.zeros(self._rows, np.bool_)
        for some in rows:
            mask[some] = True
        return mask

    def _batches_of_ids(self, mask: Mask) -> Iterator[tuple[pa.RecordBatch, Mask]]:
        """Give the batches in which something is chosen, each with its piece of the mask."""
        start = 0
        for source in [*self._sources]:
            chosen = mask[start : start + source.rows]
            start += source.rows
            if chosen.any():
                yield from _pieces(source.ids(), chosen)


def _pieces(batches: Iterable[pa.RecordBatch], mask: Mask) -> Iterator[tuple[pa.RecordBatch, Mask]]:
    start = 0
    for batch in batches:
        piece = mask[start : start + batch.num_rows]
        start += batch.num_rows
        if piece.any():
            yield batch, piece


def _of(batch: pa.RecordBatch, wanted: Mask | None) -> pa.RecordBatch:
    return batch if wanted is None or wanted.all() else batch.filter(pa.array(wanted))


def _log_rows(batch: pa.RecordBatch, read: int) -> Log:
    halves = id_hashes(batch).view("<u8").reshape(-1, 2)
    rows = np.empty(batch.num_rows, _ROW)
    rows["first"], rows["second"], rows["read"] = halves[:, 0], halves[:, 1], read
    return rows


def _grouped(rows: Rows, log: Log, kept: Mask) -> _Groups:
    if not len(rows):
        return _Groups(np.empty(0, np.uint8), rows, rows)
    order = np.lexsort((log["second"], log["first"]))  # stable: rows of one id stay in the order of reading
    log, rows = log[order], rows[order]
    new = (np.diff(log["first"]) != 0) | (np.diff(log["second"]) != 0)
    starts = np.concatenate([[0], np.flatnonzero(new) + 1])
    kept_rows = np.where(kept[rows], rows, -1)
    return _Groups(np.maximum.reduceat(log["read"], starts), rows[starts], np.maximum.reduceat(kept_rows, starts))


def _sorted(rows: Iterable[Rows]) -> Rows:
    return np.sort(np.concatenate([np.empty(0, np.int64), *rows]))
