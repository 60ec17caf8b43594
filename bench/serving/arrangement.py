"""Which records a collection lists after it was written to, and whose content each has: nothing is rendered anew."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from backup_engine.model import Document
from bench.data import record_id
from bench.rendering import Records
from bench.serving.pieces import Pace, Piece, send_file, spans

Numbers = npt.NDArray[np.int64]

_HEAD = len('{"id":"') + len(record_id(0, 0)) + 1
"""Bytes of a record's text before what follows its id."""


class Change(Document):
    """What somebody writes to the collection. Which records it meets follows from ``seed`` alone.

    :param updates: records that get another content, scattered over the collection
    :param additions: new records, listed last
    :param deletions: records that go, scattered over the collection
    """

    updates: int = 0
    additions: int = 0
    deletions: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The records that are listed.

    :param ids: numbers of their ids, ascending
    :param contents: numbers of the rendered records whose content they have; shape as ``ids``
    """

    ids: Numbers
    contents: Numbers

    @classmethod
    def untouched(cls, records: int) -> Arrangement:
        """Give every record its own content."""
        return cls(np.arange(records), np.arange(records))

    def changed(self, change: Change, spared: int) -> Arrangement:
        """Write to it.

        :param spared: the first so many records are left alone
        """
        source = np.random.default_rng(change.seed)
        met = spared + source.choice(len(self.ids) - spared, change.updates + change.deletions, replace=False)
        contents = self.contents.copy()
        contents[met[: change.updates]] = (contents[met[: change.updates]] + 1 + change.seed) % self._rendered
        stay = np.ones(len(self.ids), np.bool_)
        stay[met[change.updates :]] = False
        added = self.ids[-1] + 1 + np.arange(change.additions)
        return Arrangement(
            np.concatenate([self.ids[stay], added]), np.concatenate([contents[stay], added % self._rendered])
        )

    def key(self, at: int, size: int) -> str:
        """Give the id of the record that is listed there.

        :param size: records that were rendered; further ones repeat them, and what was added follows those
        """
        number = int(self.ids[at])
        return record_id(*divmod(number, size)) if number < self._rendered else record_id(0, number)

    @property
    def _rendered(self) -> int:
        return int(self.contents.max()) + 1

    def place(self, number: int) -> int:
        """Tell where the record of this number is listed, or would be."""
        return int(np.searchsorted(self.ids, number))

    def pieces(self, records: Records, first: int, beyond: int) -> list[Piece]:
        """Lay out the records that are listed from ``first`` to before ``beyond``."""
        pieces: list[Piece] = []
        for start, end in self._runs(first, beyond):
            if pieces:
                pieces.append(b",")
            pieces += self._run(records, start, end)
        return pieces

    def _runs(self, first: int, beyond: int) -> Iterator[tuple[int, int]]:
        """Give stretches of records that lie side by side in the rendering, and single ones that do not."""
        own = self.ids[first:beyond] == self.contents[first:beyond]
        following = np.diff(self.ids[first:beyond]) == 1
        breaks = np.flatnonzero(~(own[1:] & own[:-1] & following)) + 1
        bounds = [0, *breaks.tolist(), beyond - first]
        return ((first + start, first + end) for start, end in pairwise(bounds) if end > start)

    def _run(self, records: Records, start: int, end: int) -> list[Piece]:
        size = len(records.starts) - 1
        number, content = int(self.ids[start]), int(self.contents[start])
        if number == content:
            return spans(records, number, number + end - start)
        return [b'{"id":"%s"' % self.key(start, size).encode(), _Rest(records, content % size)]


@dataclass(frozen=True, slots=True)
class _Rest:
    """What follows the id in a rendered record."""

    records: Records
    number: int

    @property
    def length(self) -> int:
        return self.records.span(self.number, self.number + 1)[1] - _HEAD

    def send(self, connection: socket.socket, pace: Pace) -> None:
        start, length = self.records.span(self.number, self.number + 1)
        with self.records.path.open("rb", buffering=0) as file:
            send_file(connection, file.fileno(), start + _HEAD, length - _HEAD, pace)
