"""Answers of many pieces, sent without being put together."""

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.data import record_id
from bench.rendering import Records

_COPIED = 8 << 20
_DIGIT = len('{"id":"') + record_id(0, 0).index("0")
"""Where in a record's text the digit of its repetition stands."""


@dataclass(frozen=True, slots=True)
class Span:
    """Records of one repetition that lie side by side.

    :param first: number of the first one
    :param beyond: number of the one after the last
    """

    records: Records
    repetition: int
    first: int
    beyond: int

    @property
    def length(self) -> int:
        """Bytes."""
        return self.records.span(self.first, self.beyond)[1]

    def send(self, connection: socket.socket) -> None:
        """Send the file's own bytes, or copies with another digit in every id."""
        with self.records.path.open("rb", buffering=0) as file:
            if self.repetition == 0:
                _send_file(connection, file.fileno(), *self.records.span(self.first, self.beyond))
                return
            for first, beyond in self._parts():
                connection.sendall(self._renamed(file.fileno(), first, beyond))

    def _parts(self) -> Iterator[tuple[int, int]]:
        at = self.first
        while at < self.beyond:
            limit = int(self.records.starts[at]) + _COPIED
            beyond = max(at + 1, int(np.searchsorted(self.records.starts[: self.beyond + 1], limit, "right")) - 1)
            yield at, beyond
            at = beyond

    def _renamed(self, file: int, first: int, beyond: int) -> memoryview:
        """Copy records, with the comma after each but the last one of the span."""
        start, length = self.records.span(first, beyond)
        text = np.frombuffer(bytearray(os.pread(file, length + (beyond < self.beyond), start)), np.uint8)
        text[self.records.starts[first:beyond] - start + _DIGIT] = ord(str(self.repetition))
        return text.data


Piece = bytes | Span


def spans(records: Records, first: int, beyond: int) -> list[Piece]:
    """Lay out records ``first`` to before ``beyond`` of a collection that repeats ``records``."""
    size = len(records.starts) - 1
    pieces: list[Piece] = []
    while first < beyond:
        repetition, start = divmod(first, size)
        end = min(size, start + beyond - first)
        pieces += [b",", Span(records, repetition, start, end)] if pieces else [Span(records, repetition, start, end)]
        first += end - start
    return pieces


def length_of(pieces: Sequence[Piece]) -> int:
    """Sum up the bytes."""
    return sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)


def send(connection: socket.socket, pieces: Sequence[Piece]) -> None:
    """Send them one after the other."""
    for piece in pieces:
        if isinstance(piece, bytes):
            connection.sendall(piece)
        else:
            piece.send(connection)


def _send_file(connection: socket.socket, file: int, start: int, length: int) -> None:
    while length:
        sent = os.sendfile(connection.fileno(), file, start, length)
        start, length = start + sent, length - sent
