"""Compare what a server holds with what a backup holds, record by record, in bounded memory.

A collection that was loaded from the backup is listed in the backup's order, so both sides are read side by side;
records that do not meet so (after writers, after a resumed load, in a merge) go to disk by id and meet there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backup_engine.archive.batches import vectors_of
from backup_engine.model import CollectionConfiguration, Document
from backup_engine.restore.payload_sameness import same_payload
from backup_engine.restore.sameness import Mask, compare_vectors
from backup_engine.restore.spilling import Spill, pairs, records

_EXAMPLES = 20


class Expected(NamedTuple):
    """Records the server was given.

    :param coded: their floats are what SQ8 shows
    """

    batch: pa.RecordBatch
    coded: bool


class Difference(Document):
    """One record that is not the same, and why."""

    id: str
    reason: str


class Comparison(Document):
    """What a comparison found.

    :param expected: records of the backup
    :param compared: of these, found on the server and looked at
    :param exact: of these, equal to the last bit; the others are the same by the rule of what the server keeps
    :param extra: records the server lists and the backup does not have, or lists a second time
    :param examples: the first differences
    """

    expected: int
    compared: int
    exact: int
    different: int
    missing: int
    extra: int
    examples: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """Every expected record was compared and is the same, and there is no other."""
        return self.compared == self.expected and not (self.different or self.missing or self.extra)


class Told(Protocol):
    """Who is told of every record that is listed, and of every one that is not the same."""

    def listed(self, batch: pa.RecordBatch) -> None:
        """Take note of records as the server lists them."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take note of records of the backup that the server lacks, or has otherwise."""

    def delete(self, batch: pa.RecordBatch) -> None:
        """Take note of records that only the server has."""


class _Deaf:
    """Nobody."""

    def listed(self, batch: pa.RecordBatch) -> None:
        pass

    def write(self, batch: pa.RecordBatch) -> None:
        pass

    def delete(self, batch: pa.RecordBatch) -> None:
        pass


def _nobody(compared: int) -> None:
    """Tell nobody."""


def compare(
    expected: Iterable[Expected],
    actual: Iterable[pa.RecordBatch],
    kept: CollectionConfiguration,
    *,
    others_allowed: bool,
    temporary: Path | None = None,
    noted: Callable[[int], None] = _nobody,
    told: Told | None = None,
) -> Comparison:
    """Compare both sides completely.

    :param kept: how the server keeps the records
    :param others_allowed: records that only the server has are no difference
    :param temporary: where to spill, at most once what both sides hold; None for the system's place
    :param noted: is told how many records were compared so far
    :param told: is told of every record that the server lists, and that differs. One that is listed a second time may
        be told of as one that only the server has
    """
    told = _Deaf() if told is None else told
    actual = _telling(actual, told)
    with tempfile.TemporaryDirectory(prefix="comparison-", dir=temporary) as made:
        directory = Path(made)
        found = _Findings(kept, others_allowed, noted, told)
        sides = Spill(directory / "expected"), Spill(directory / "actual")
        try:
            for piece in _apart(expected, actual) if others_allowed else _side_by_side(expected, actual):
                _meet(piece, found, sides)
        finally:
            for side in sides:
                side.close()
        for left, right in pairs(*sides, directory):
            found.match(_read(left), _read(right))
        return found.result()


def _telling(batches: Iterable[pa.RecordBatch], told: Told) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        told.listed(batch)
        yield batch


class _Piece(NamedTuple):
    """As many records of both sides as came together; either is None when that side has ended."""

    expected: Expected | None
    actual: pa.RecordBatch | None


def _side_by_side(expected: Iterable[Expected], actual: Iterable[pa.RecordBatch]) -> Iterator[_Piece]:
    lefts, rights = iter(expected), iter(actual)
    left, right = next(lefts, None), next(rights, None)
    while left is not None and right is not None:
        rows = min(left.batch.num_rows, right.num_rows)
        yield _Piece(Expected(left.batch.slice(0, rows), left.coded), right.slice(0, rows))
        left = Expected(left.batch.slice(rows), left.coded)
        right = right.slice(rows)
        left = left if left.batch.num_rows else next(lefts, None)
        right = right if right.num_rows else next(rights, None)
    for rest in [left] if left else []:
        yield _Piece(rest, None)
    yield from (_Piece(rest, None) for rest in lefts)
    for rest in [right] if right is not None else []:
        yield _Piece(None, rest)
    yield from (_Piece(None, rest) for rest in rights)


def _apart(expected: Iterable[Expected], actual: Iterable[pa.RecordBatch]) -> Iterator[_Piece]:
    """Both sides one after the other: beside other records, order says nothing and an id may hide a second time."""
    yield from (_Piece(batch, None) for batch in expected)
    yield from (_Piece(None, batch) for batch in actual)


def _meet(piece: _Piece, found: _Findings, sides: tuple[Spill, Spill]) -> None:
    """Compare the records that meet in order; put the others aside."""
    if piece.expected is None or piece.actual is None:
        if piece.expected is not None:
            sides[0].add(_with_coded(*piece.expected))
        if piece.actual is not None:
            sides[1].add(piece.actual)
        return
    batch, coded = piece.expected
    together = pc.equal(batch.column("id"), piece.actual.column("id"))
    flags = np.full(batch.num_rows, coded)
    if pc.all(together).as_py():
        found.judge(batch, piece.actual, flags)
        return
    apart = pc.invert(together)
    found.judge(batch.filter(together), piece.actual.filter(together), flags[together.to_numpy(zero_copy_only=False)])
    sides[0].add(_with_coded(batch.filter(apart), coded))
    sides[1].add(piece.actual.filter(apart))


def _with_coded(batch: pa.RecordBatch, coded: bool) -> pa.RecordBatch:
    return batch.append_column("coded", pa.array(np.full(batch.num_rows, coded)))


def _read(path: Path) -> pa.RecordBatch | None:
    batches = list(records(path))
    return pa.concat_batches(batches) if batches else None


class _Findings:
    """Counts, and the first differences."""

    def __init__(
        self, kept: CollectionConfiguration, others_allowed: bool, noted: Callable[[int], None], told: Told
    ) -> None:
        self._told = told
        self._kept = kept
        self._others_allowed = others_allowed
        self._noted = noted
        self._examples: list[Difference] = []
        self._compared = self._exact = self._different = self._missing = self._extra = 0

    def judge(self, expected: pa.RecordBatch, actual: pa.RecordBatch, coded: Mask) -> None:
        """Compare records that belong together row by row."""
        if not expected.num_rows:
            return
        vectors, exact = compare_vectors(vectors_of(expected), vectors_of(actual), coded, self._kept)
        self._exact += exact
        payloads = _same_payloads(expected.column("payload"), actual.column("payload"))
        self._compared += expected.num_rows
        self._note_different(expected, ~vectors, "vector")
        self._note_different(expected, vectors & ~payloads, "payload")
        self._noted(self._compared)

    def match(self, expected: pa.RecordBatch | None, actual: pa.RecordBatch | None) -> None:
        """Bring together by id what did not meet in order, and compare it."""
        if expected is None or actual is None:
            self._note_missing(expected)
            self._note_extra(actual)
            return
        at = pc.index_in(expected.column("id"), value_set=actual.column("id"))
        there = pc.is_valid(at)
        taken = at.drop_null()
        matched = expected.filter(there)
        flags = matched.column("coded").to_numpy(zero_copy_only=False)
        self.judge(matched, actual.take(taken), flags)
        self._note_missing(expected.filter(pc.invert(there)))
        others = np.ones(actual.num_rows, np.bool_)
        others[taken.to_numpy()] = False
        listed_twice = pc.is_in(actual.column("id"), value_set=expected.column("id")).to_numpy(zero_copy_only=False)
        self._note_extra(actual.filter(pa.array(others & ~listed_twice)))
        self._note_twice(actual.filter(pa.array(others & listed_twice)))

    def result(self) -> Comparison:
        """Add it up."""
        return Comparison(
            expected=self._compared + self._missing,
            compared=self._compared,
            exact=self._exact,
            different=self._different,
            missing=self._missing,
            extra=self._extra,
            examples=tuple(self._examples),
        )

    def _note_different(self, batch: pa.RecordBatch, wrong: Mask, what: str) -> None:
        differ = batch.filter(pa.array(wrong))
        self._different += differ.num_rows
        self._told.write(differ)
        self._note(differ, f"another {what} than in the backup")

    def _note_missing(self, batch: pa.RecordBatch | None) -> None:
        if batch is None:
            return
        self._missing += batch.num_rows
        self._told.write(batch)
        self._note(batch, "in the backup, not on the server")

    def _note_extra(self, batch: pa.RecordBatch | None) -> None:
        if self._others_allowed or batch is None:
            return
        self._extra += batch.num_rows
        self._told.delete(batch)
        self._note(batch, "on the server, not in the backup")

    def _note_twice(self, batch: pa.RecordBatch) -> None:
        self._extra += batch.num_rows
        self._note(batch, "listed more than once by the server")

    def _note(self, batch: pa.RecordBatch, reason: str) -> None:
        room = _EXAMPLES - len(self._examples)
        if room > 0:
            ids = batch.column("id").slice(0, room).to_pylist()
            self._examples.extend(Difference(id=key, reason=reason) for key in ids)


def _same_payloads(expected: pa.Array, actual: pa.Array) -> Mask:
    """Mark the rows whose payloads are the same, or that have none on both sides."""
    equal = pc.fill_null(pc.equal(expected, actual), False)
    neither = pc.and_(pc.is_null(expected), pc.is_null(actual))
    same: Mask = np.array(pc.or_(equal, neither))
    for row in np.flatnonzero(~same & np.asarray(pc.and_(pc.is_valid(expected), pc.is_valid(actual)))):
        same[row] = same_payload(expected[int(row)].as_py(), actual[int(row)].as_py())
    return same
