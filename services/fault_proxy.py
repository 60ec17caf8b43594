"""Bad luck on the way to a real server: a proxy that passes every byte on unchanged, until a rule says otherwise.

Requests arrive with the head the client wrote, so what is signed (the host's name too) stays valid.
"""

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Self
from urllib.parse import urlsplit

from services.proxying.passing import Passing
from services.proxying.rules import Book, Rule, Seen

_CONNECT_SECONDS = 10.0


class FaultProxy:
    """Listens on loopback while inside its ``with`` block; each connection has a thread of its own.

    :param url: of the server behind it, plain HTTP
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (str(parts.hostname), int(parts.port or 80))
        self._book = Book()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[Passing] = set()
        self._lock = Lock()
        self._closing = Event()
        self._thread = Thread(target=self._accept, name="fault proxy", daemon=True)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End every connection."""
        self._closing.set()
        self._book.clear()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self._thread.join(_CONNECT_SECONDS)

    def place(self, *rules: Rule) -> None:
        """Let something go wrong from now on."""
        self._book.place(rules)

    def clear(self) -> None:
        """Forget rules and requests, and end the connections that a rule holds up."""
        self._book.clear()

    def requests(self) -> list[Seen]:
        """Give the requests since the last clearing."""
        return self._book.seen()

    def applied(self) -> list[int]:
        """Tell how often each rule was applied, in the order they were placed."""
        return self._book.applied()

    def bytes_up(self) -> int:
        """Sum up what was passed on to the server since the last clearing, heads included."""
        return sum(seen.up for seen in self.requests())

    def bytes_down(self) -> int:
        """Sum up what was passed on to clients since the last clearing, heads included."""
        return sum(seen.down for seen in self.requests())

    def hang_up(self) -> None:
        """End every connection there is; new ones are welcome."""
        with self._lock:
            for passing in self._open:
                passing.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, connection: socket.socket) -> None:
        passing = Passing(connection, lambda: socket.create_connection(self._server, _CONNECT_SECONDS), self._book)
        with self._lock:
            self._open.add(passing)
        if self._closing.is_set():  # it came while everybody was hung up on
            passing.close()
        try:
            passing.run()
        finally:
            with self._lock:
                self._open.discard(passing)
