"""One client's connection, passed on to the server request by request."""

import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from threading import Event

from services.proxying.rules import Answer, Book, Ended, Rule, Seen, through, wait
from services.proxying.wire import Broken, Head, Stream

_IDLE_SECONDS = 600.0
_RESET = struct.pack("ii", 1, 0)


class Passing:
    """A connection of a client and the one to the server that belongs to it.

    :param open_server: connects to the server
    """

    def __init__(self, client: socket.socket, open_server: Callable[[], socket.socket], book: Book) -> None:
        client.settimeout(_IDLE_SECONDS)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = Stream(client)
        self._open_server = open_server
        self._server: Stream | None = None
        self._book = book

    def run(self) -> None:
        """Pass requests and responses on until one side ends."""
        try:
            while head := self._client.head():
                self._exchange(head)
        except Ended as end:
            if end.reset:
                self._end_at_once()
        except (OSError, Broken, ValueError):
            pass  # what one side does to the connection happens to the other, too
        finally:
            self.close()

    def close(self) -> None:
        """End both connections."""
        for stream in (self._client, self._server):
            if stream is not None:
                with suppress(OSError):
                    stream.connection.shutdown(socket.SHUT_RDWR)
                stream.connection.close()

    def _exchange(self, head: Head) -> None:
        seen, rules, cleared = self._book.enter(head.first[0], head.first[1], head.headers)
        asking = [rule for rule in rules if rule.side == "request"]
        for rule in asking:
            if rule.what == "meanwhile":
                rule.action(seen)
        _drop(asking)
        if said := _answer(asking):
            self._refuse(head, said, seen)
            return
        found = self._ask(head, asking, cleared, seen)
        answering = [rule for rule in rules if rule.side == "response"]
        self._give_back(found, answering, cleared, seen)

    def _ask(self, head: Head, rules: list[Rule], cleared: Event, seen: Seen) -> Head:
        """Pass a request on; give the head of the response."""
        server = self._connected()
        stalls = [rule for rule in rules if rule.what == "stall" and not rule.size]
        for rule in stalls:
            wait(rule, cleared)
        _send(server, head.raw, seen, "up")
        if head.expects and (early := self._leave(server, seen)):
            return early
        body = through(self._client.request_body(head), [rule for rule in rules if rule not in stalls], cleared)
        for piece in body:
            try:
                _send(server, piece, seen, "up")
            except (BrokenPipeError, ConnectionResetError):  # it answered before it had read everything
                break
        return self._final(server, seen)

    def _leave(self, server: Stream, seen: Seen) -> Head | None:
        """Wait until the server wants the body or refuses it, or the client has waited long enough."""
        ready, _, _ = select.select([server.connection, self._client.connection], [], [], _IDLE_SECONDS)
        if server.connection not in ready or self._client.holds:
            return None
        found = _next_head(server)
        if found.status != HTTPStatus.CONTINUE:
            return found
        _send(self._client, found.raw, seen, "down")
        return None

    def _final(self, server: Stream, seen: Seen) -> Head:
        found = _next_head(server)
        while found.status < HTTPStatus.OK:
            _send(self._client, found.raw, seen, "down")
            found = _next_head(server)
        return found

    def _give_back(self, found: Head, rules: list[Rule], cleared: Event, seen: Seen) -> None:
        server = self._connected(again=False)
        body = server.response_body(found, seen.method)
        instead = _answer(rules)
        if instead or any(rule.what == "drop" for rule in rules):
            for _ in body:
                pass
        _drop(rules)
        if instead:
            self._say(instead, seen, last=False)
            return
        stalls = [rule for rule in rules if rule.what == "stall" and not rule.size]
        for rule in stalls:
            wait(rule, cleared)
        seen.status = found.status
        self._pass_down(found, through(body, [rule for rule in rules if rule not in stalls], cleared), seen)

    def _pass_down(self, found: Head, body: Iterator[bytes], seen: Seen) -> None:
        _send(self._client, found.raw, seen, "down")
        for piece in body:
            _send(self._client, piece, seen, "down")
        seen.whole = True
        endless = found.length is None and not found.chunked and seen.method != "HEAD"
        if found.headers.get("connection", "").lower() == "close" or (endless and found.status == HTTPStatus.OK):
            raise Broken("the server has ended")

    def _refuse(self, head: Head, answer: Answer, seen: Seen) -> None:
        """Answer in the server's place, which learns nothing."""
        if not head.expects:
            for _ in self._client.request_body(head):
                pass
        self._say(answer, seen, last=head.expects)

    def _say(self, answer: Answer, seen: Seen, *, last: bool) -> None:
        seen.status = answer.status
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Content-Type: {answer.media_type}",
            f"Content-Length: {len(answer.body)}",
            *(["Connection: close"] if last else []),
        ]
        body = b"" if seen.method == "HEAD" else answer.body
        _send(self._client, "\r\n".join([*lines, "", ""]).encode() + body, seen, "down")
        seen.whole = True
        if last:
            raise Broken("the client was refused before it had sent its body")

    def _connected(self, *, again: bool = True) -> Stream:
        """Give the connection to the server; one that it has ended while nothing was asked is made anew."""
        if self._server is not None and again and select.select([self._server.connection], [], [], 0)[0]:
            self._server.connection.close()
            self._server = None
        if self._server is None:
            connection = self._open_server()
            connection.settimeout(_IDLE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._server = Stream(connection)
        return self._server

    def _end_at_once(self) -> None:
        for stream in (self._client, self._server):
            if stream is not None:
                stream.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                stream.connection.close()


def _send(stream: Stream, piece: bytes, seen: Seen, way: str) -> None:
    stream.connection.sendall(piece)
    setattr(seen, way, getattr(seen, way) + len(piece))


def _next_head(server: Stream) -> Head:
    found = server.head()
    if found is None:
        raise Broken("no answer")
    return found


def _drop(rules: list[Rule]) -> None:
    for rule in rules:
        if rule.what == "drop":
            raise Ended(rule)


def _answer(rules: list[Rule]) -> Answer | None:
    return next((rule.answer for rule in rules if rule.what == "answer"), None)
