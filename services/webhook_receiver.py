"""Somebody who is called over HTTP and keeps what was said: what chats, duty services and dead-man switches are."""

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from services.keeping import Kept
from services.process import Startable

_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Call:
    """One request.

    :param path: without the query
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        """What was said, if it was JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What a caller is told.

    :param silent: nothing is said until the receiver stops
    """

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False


SILENCE = Answer(silent=True)


class WebhookReceiver(Startable):
    """One HTTP server on loopback, in a thread."""

    def __init__(self) -> None:
        self._kept: Kept[Call] = Kept()
        self._answers: list[tuple[str, Answer, int]] = []
        self._lock = Lock()
        self._stopping = Event()
        self._server: _Server | None = None
        self._port = 0

    def start(self) -> None:
        """Listen; the address stays the same when it was stopped before."""
        self._stopping.clear()
        self._server = _Server(self, self._port)
        self._port = self._server.server_port
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Listen no more, and leave nobody waiting for an answer."""
        if self._server is not None:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def port(self) -> int:
        """Where it listens, once it was started."""
        return self._port

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[Call]:
        """What was received since the last clearing, in order."""
        return self._kept.all()

    def said(self, path: str) -> list[Any]:
        """Give the JSON that was said at this path, in order."""
        return [call.json for call in self.requests if call.path == path]

    def wait_for(self, wanted: int | Callable[[Sequence[Call]], bool], deadline_seconds: float) -> list[Call]:
        """Wait for so many calls, or until what has come is what was wanted."""
        return self._kept.wait_for(wanted, deadline_seconds)

    def clear(self) -> None:
        """Forget the calls, and answer well."""
        self._kept.clear()
        with self._lock:
            self._answers.clear()

    def answer(self, answer: Answer, path: str = "", times: int = 1) -> None:
        """Answer this to the next calls, after what was said before is used up.

        :param path: only at this one; empty: at any
        """
        with self._lock:
            self._answers.append((path, answer, times))

    def answer_to(self, call: Call) -> Answer:
        """Keep a call and tell what is answered; waits where that is silence."""
        self._kept.put(call)
        answer = self._next(call.path)
        if answer.silent:
            self._stopping.wait()
        return answer

    def _next(self, path: str) -> Answer:
        with self._lock:
            for at, (where, answer, left) in enumerate(self._answers):
                if where in {"", path}:
                    self._answers[at : at + 1] = [(where, answer, left - 1)] if left > 1 else []
                    return answer
        return Answer()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, receiver: WebhookReceiver, port: int) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _STOP_SECONDS

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.receiver.answer_to(Call(self.command, parts.path, parts.query, headers, body))
        with suppress(OSError):
            self._say(answer)

    def _say(self, answer: Answer) -> None:
        if answer.silent:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = _any  # noqa: N815 - http.server looks for these names

    def log_message(self, *_: object) -> None:
        """Say nothing."""
