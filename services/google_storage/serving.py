"""The server itself: HTTP/1.1 on loopback, a thread a connection."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services.google_storage.api import Api
from services.google_storage.buckets import Buckets
from services.google_storage.control import Control, Fault, Seen
from services.google_storage.errors import ApiError, invalid
from services.google_storage.exchange import Answer, Cut, Request, json_answer

CONTROL = "/_control/"
STALL_SECONDS = 30.0


class GoogleStorageServer(ThreadingHTTPServer):
    """One server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, api: Api, buckets: Buckets, control: Control) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.api = api
        self.buckets = buckets
        self.control = control

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away; everything else is a bug of this server."""


class Connection(BaseHTTPRequestHandler):
    """What comes on one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: GoogleStorageServer

    def log_message(self, *_: object) -> None:
        """Write no access log."""

    def _answer(self) -> None:
        request = Request(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, self.rfile.read
        )
        if self.path.startswith(CONTROL):
            self._send(self._control(request), None)
            return
        control = self.server.control
        seen = control.see(self.command, self.path, request.token)
        fault = control.fault(self.command, self.path)
        try:
            answer = self._done(request, seen, fault)
            for _ in request.blocks():
                pass
        except Cut:
            self.close_connection = True
            return
        self._send(answer, fault)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _done(self, request: Request, seen: Seen, fault: Fault | None) -> Answer:
        try:
            if fault is not None and fault.kind == "status":
                raise fault.error()
            return self.server.api.answer(request, seen)
        except ApiError as error:
            return json_answer(error.body(), error.status)

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        if kind == "lost":
            self._hang_up()
            return
        if kind == "checksum":
            answer = _misreported(answer)
        if kind == "short" and fault:
            answer.size = min(answer.size, fault.size)
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(answer.size)}.items():
            self.send_header(name, value)
        self.end_headers()
        limit = fault.size if fault and kind in {"cut", "stall"} else answer.size
        for block in _first(answer.body, limit):
            self.wfile.write(block)
        self.wfile.flush()
        if kind == "stall":
            self._wait_for_hang_up()
        if limit < answer.size:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _wait_for_hang_up(self) -> None:
        end = time.monotonic() + STALL_SECONDS
        self.connection.settimeout(STALL_SECONDS)
        with suppress(OSError):
            while time.monotonic() < end and self.connection.recv(1):
                pass

    def _control(self, request: Request) -> Answer:
        control, body = self.server.control, request.json()
        match request.segments[1]:
            case "fault":
                control.order(body)
            case "grant":
                control.grants[body["token"]] = [(permission, prefix) for permission, prefix in body["granted"]]
            case "hold":
                self.server.buckets.hold(body["bucket"], body["name"])
            case "reset":
                control.reset()
            case "requests":
                return json_answer([asdict(seen) for seen in control.seen])
            case "sessions":
                return json_answer(self.server.api.uploads.open_sessions())
            case _:
                raise invalid(request.target)
        return json_answer({})


def _first(blocks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for block in blocks:
        if limit <= 0:
            return
        yield block[:limit]
        limit -= len(block)


def _misreported(answer: Answer) -> Answer:
    return json_answer({**json.loads(b"".join(answer.body)), "crc32c": "AAAAAA=="}, answer.status)
