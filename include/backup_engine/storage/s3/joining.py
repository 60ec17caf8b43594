"""Planning how one object is made of several inside S3.

S3 copies pieces of objects into an upload, but every part except the last must have at least 5 MiB, and an upload
has at most 10,000 parts. What is smaller passes through memory, together with as much of its neighbour as it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from backup_engine.errors import StoreFull

_MIB = 1 << 20

SMALLEST_PART = 5 * _MIB
"""Bytes: EntityTooSmall otherwise, except of the last part (Amazon S3, multipart upload limits)."""
MOST_PARTS = 10_000
"""Parts of one upload (the same page)."""
LARGEST_COPY = 512 * _MIB
"""Bytes copied by one request. S3 takes 5 GiB; this ends well within a read timeout, and 10,000 of them are 5 TiB,
which is the largest object."""
WAYS = (
    (SMALLEST_PART, 64 * _MIB),
    (SMALLEST_PART, LARGEST_COPY),
    (8 * _MIB, LARGEST_COPY),
    (16 * _MIB, LARGEST_COPY),
    (24 * _MIB, LARGEST_COPY),
)
"""Bytes: from what size on a piece is copied, and how much of it by one request: small requests run side by side. The
first way that leads to few enough parts is taken."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of one source.

    :param source: its number in the order of the join; the tail's is the count of the sources
    """

    source: int
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Copied:
    """A part that S3 copies."""

    piece: Piece


@dataclass(frozen=True, slots=True)
class Gathered:
    """A part that is read into memory and sent."""

    pieces: tuple[Piece, ...]


Part = Copied | Gathered


@dataclass(slots=True)
class _Planning:
    threshold: int
    largest: int
    tail: int
    parts: list[Part] = field(default_factory=list)
    pending: list[Piece] = field(default_factory=list)
    pending_bytes: int = 0

    def add(self, number: int, size: int) -> None:
        """Take one source: fill up what is pending, copy the rest where it is large enough."""
        start = 0
        while start < size:
            if not self.pending and size - start >= self.threshold and number != self.tail:
                self._copy(Piece(number, start, size))
                return
            end = min(size, start + self.threshold - self.pending_bytes)
            self._gather(Piece(number, start, end))
            start = end

    def flush(self) -> None:
        """End the part that is being gathered."""
        if self.pending:
            self.parts.append(Gathered(tuple(self.pending)))
        self.pending, self.pending_bytes = [], 0

    def _gather(self, piece: Piece) -> None:
        self.pending.append(piece)
        self.pending_bytes += piece.size
        if self.pending_bytes == self.threshold:
            self.flush()

    def _copy(self, piece: Piece) -> None:
        count = -(-piece.size // self.largest)
        cuts = [piece.start + piece.size * number // count for number in range(count + 1)]
        self.parts.extend(Copied(Piece(piece.source, start, end)) for start, end in pairwise(cuts))


def plan_join(sizes: Sequence[int], tail: int) -> list[Part]:
    """Cut the sources and the tail into parts, in their order.

    :param sizes: bytes of each source
    :param tail: bytes of what comes last and is in memory already
    :raises StoreFull: there is no way with so few parts
    """
    for threshold, largest in WAYS:
        planning = _Planning(threshold, largest, len(sizes))
        for number, size in enumerate((*sizes, tail)):
            planning.add(number, size)
        planning.flush()
        if len(planning.parts) <= MOST_PARTS:
            return planning.parts
    raise StoreFull(
        f"{len(sizes):,} objects of {sum(sizes):,} bytes cannot become one object of at most {MOST_PARTS:,} parts: "
        "back up fewer collections in one deployment"
    )
