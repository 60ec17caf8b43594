"""Somebody who listens to StatsD's datagrams and keeps what they say."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from services.keeping import Kept
from services.process import Startable

_LARGEST = 65_535
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Figure:
    """One thing that was said.

    :param kind: ``g``, ``c``, ``ms``, …
    :param tags: as Datadog writes them behind ``|#``, or as InfluxDB writes them in the name
    """

    name: str
    value: float
    kind: str
    tags: Mapping[str, str] = field(default_factory=dict)


class StatsdSink(Startable):
    """One UDP socket on loopback, read by a thread."""

    def __init__(self) -> None:
        self._kept: Kept[Figure] = Kept()
        self._stopping = Event()
        self._socket: socket.socket | None = None
        self._thread: Thread | None = None
        self._port = 0

    def start(self) -> None:
        """Listen; the port stays the same when it was stopped before."""
        self._stopping.clear()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self._port))
        self._socket.settimeout(0.1)
        self._port = self._socket.getsockname()[1]
        self._thread = Thread(target=self._listen, args=(self._socket,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._socket is not None and self._thread is not None:
            self._stopping.set()
            self._thread.join(_STOP_SECONDS)
            self._socket.close()
            self._socket = None

    @property
    def port(self) -> int:
        """Where it listens, once it was started."""
        return self._port

    @property
    def figures(self) -> list[Figure]:
        """What was said since the last clearing, in order."""
        return self._kept.all()

    def latest(self, name: str, **tags: str) -> float | None:
        """Give the last value under this name with at least these tags."""
        found = [one for one in self.figures if one.name == name and tags.items() <= one.tags.items()]
        return found[-1].value if found else None

    def wait_for(self, wanted: int | Callable[[Sequence[Figure]], bool], deadline_seconds: float) -> list[Figure]:
        """Wait for so many figures, or until what has come is what was wanted."""
        return self._kept.wait_for(wanted, deadline_seconds)

    def clear(self) -> None:
        """Forget what was said."""
        self._kept.clear()

    def _listen(self, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                for figure in parsed(listening.recv(_LARGEST)):
                    self._kept.put(figure)


def parsed(datagram: bytes) -> Iterator[Figure]:
    """Read a datagram: a line for each figure, ``name:value|type|#tag:value,…``; what is none is passed over."""
    for line in datagram.decode("utf-8", "replace").splitlines():
        name, _, rest = line.partition(":")
        value, *more = rest.split("|")
        with suppress(ValueError):
            name, _, inside = name.partition(",")
            written = next((part[1:] for part in more[1:] if part.startswith("#")), "")
            tags = _tags(written, ":") | _tags(inside, "=")
            yield Figure(name, float(value), more[0] if more else "", tags)


def _tags(text: str, between: str) -> dict[str, str]:
    pairs = (part.partition(between) for part in text.split(",") if part)
    return {name: value for name, _, value in pairs}
