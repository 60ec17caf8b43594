"""A server that keeps what it is given, for whatever stands in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Keeper(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kept: dict[str, bytes] = {}
        self.hosts: list[str] = []
        self.connections = 0

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that end in the middle are what it is for."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Keeper

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_PUT(self) -> None:
        length = self.headers.get("Content-Length")
        body = b"".join(self._chunks()) if length is None else self.rfile.read(int(length))
        if length is None or len(body) == int(length):
            self.server.kept[self.path] = body
            self.server.hosts.append(self.headers["Host"])
            self._say(200, b"kept")

    def do_GET(self) -> None:
        if self.path not in self.server.kept:
            self._say(404, b"nothing")
        elif "chunked" in self.path:
            self._chunked(self.server.kept[self.path])
        elif "endless" in self.path:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.kept[self.path])
            self.close_connection = True
        else:
            self._say(200, self.server.kept[self.path])

    def do_HEAD(self) -> None:
        self.do_GET()

    def handle_expect_100(self) -> bool:
        if "refused" in self.path:
            self._say(403, b"no")
            self.close_connection = True
            return False
        return super().handle_expect_100()

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunked(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(body), 1000):
            piece = body[start : start + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def keeper() -> Iterator[Keeper]:
    server = Keeper()
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
