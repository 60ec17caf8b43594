"""Answers of many pieces, sent without being put together."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bench.data import record_id
from bench.rendering import Records

_COPIED = 8 << 20
_SENT = 1 << 20
_DIGIT = len('{"id":"') + record_id(0, 0).index("0")
"""Where in a record's text the digit of its repetition stands."""


class Pace:
    """How fast one answer goes.

    :param rate: bytes a second; None is no bound
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._began = time.monotonic()
        self._sent = 0

    def keep(self, sent: int) -> None:
        """Wait until so many more bytes may have gone."""
        self._sent += sent
        if self._rate:
            time.sleep(max(0.0, self._began + self._sent / self._rate - time.monotonic()))


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

    def send(self, connection: socket.socket, pace: Pace) -> None:
        """Send the file's own bytes, or copies with another digit in every id."""
        with self.records.path.open("rb", buffering=0) as file:
            if self.repetition == 0:
                send_file(connection, file.fileno(), *self.records.span(self.first, self.beyond), pace)
                return
            for first, beyond in self._parts():
                copied = self._renamed(file.fileno(), first, beyond)
                connection.sendall(copied)
                pace.keep(len(copied))

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


class Sendable(Protocol):
    """A piece that is not in memory."""

    @property
    def length(self) -> int:
        """Bytes."""

    def send(self, connection: socket.socket, pace: Pace) -> None:
        """Send it."""


Piece = bytes | Sendable


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


def send(connection: socket.socket, pieces: Sequence[Piece], pace: float | None = None) -> None:
    """Send them one after the other.

    :param pace: bytes a second; None is as fast as the client takes them
    """
    paced = Pace(pace)
    for piece in pieces:
        if isinstance(piece, bytes):
            connection.sendall(piece)
            paced.keep(len(piece))
        else:
            piece.send(connection, paced)


def send_file(connection: socket.socket, file: int, start: int, length: int, pace: Pace) -> None:
    """Send a range of an open file."""
    while length:
        sent = os.sendfile(connection.fileno(), file, start, min(length, _SENT))
        start, length = start + sent, length - sent
        pace.keep(sent)
