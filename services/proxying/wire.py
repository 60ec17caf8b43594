"""HTTP/1.1 as bytes: heads and bodies told apart, and nothing else understood or changed."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

_PIECE = 256 << 10
_MOST_HEAD = 1 << 20
_NO_CONTENT = (204, 304)


class Broken(Exception):
    """The other side ended in the middle, or speaks no HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's or a response's first line and headers.

    :param raw: the bytes as they came, with the empty line
    :param headers: names in lower case; of one that comes twice the last
    """

    raw: bytes
    first: tuple[str, str, str]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Read one."""
        line, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        one, two, three = [*line.split(" ", 2), "", ""][:3]
        pairs = (text.partition(":") for text in lines)
        return cls(raw, (one, two, three), {name.strip().lower(): value.strip() for name, _, value in pairs})

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.first[1])

    @property
    def expects(self) -> bool:
        """Whether the client waits to be told that it may send the body."""
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def chunked(self) -> bool:
        """Whether the body says itself where it ends."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def length(self) -> int | None:
        """How long the body is, if that is said."""
        return int(self.headers["content-length"]) if "content-length" in self.headers else None


class Stream:
    """One end of a connection, read through a buffer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._kept = b""

    @property
    def holds(self) -> bool:
        """Whether bytes were read that nobody took yet."""
        return bool(self._kept)

    def head(self) -> Head | None:
        """Read the next head; None when the other side has ended.

        :raises Broken: it ended within one
        """
        while b"\r\n\r\n" not in self._kept:
            got = self.connection.recv(_PIECE)
            if not got and not self._kept:
                return None
            if not got or len(self._kept) > _MOST_HEAD:
                raise Broken("no head")
            self._kept += got
        raw, _, self._kept = self._kept.partition(b"\r\n\r\n")
        return Head.of(raw + b"\r\n\r\n")

    def request_body(self, head: Head) -> Iterator[bytes]:
        """Give the body of a request in the pieces it comes in."""
        return self._chunks() if head.chunked else self._counted(head.length or 0)

    def response_body(self, head: Head, method: str) -> Iterator[bytes]:
        """Give the body of a response in the pieces it comes in."""
        if method == "HEAD" or head.status in _NO_CONTENT:
            return iter(())
        if head.chunked:
            return self._chunks()
        return self._counted(head.length) if head.length is not None else self._rest()

    def _some(self, most: int = _PIECE) -> bytes:
        """Take bytes; none when the other side has ended."""
        if not self._kept:
            return self.connection.recv(min(most, _PIECE))
        taken, self._kept = self._kept[:most], self._kept[most:]
        return taken

    def _counted(self, length: int) -> Iterator[bytes]:
        while length:
            got = self._some(length)
            if not got:
                raise Broken("a body that ends early")
            length -= len(got)
            yield got

    def _rest(self) -> Iterator[bytes]:
        while got := self._some():
            yield got

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            yield line
            size = int(line.partition(b";")[0], 16)
            if not size:
                break
            yield from self._counted(size + 2)
        while (line := self._line()) != b"\r\n":
            yield line
        yield line

    def _line(self) -> bytes:
        while b"\n" not in self._kept:
            got = self.connection.recv(_PIECE)
            if not got:
                raise Broken("a chunk that ends early")
            self._kept += got
        line, _, self._kept = self._kept.partition(b"\n")
        return line + b"\n"
