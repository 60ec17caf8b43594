"""A server that sends bytes no honest one sends: cut, endless, one at a time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class RawServer:
    """Answers every request with the same bytes, then closes the connection.

    :param between: called before each byte when the answer is to drip
    """

    def __init__(self, answer: bytes, between: Callable[[], object] | None = None) -> None:
        self._answer = answer
        self._between = between
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._answer_one(connection)

    def _answer_one(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), b"0"
        )
        while len(body) < int(length):
            body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        if self._between is None:
            connection.sendall(self._answer)
            return
        for byte in self._answer:
            self._between()
            connection.sendall(bytes([byte]))


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Put an answer together as text; no length is added."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
