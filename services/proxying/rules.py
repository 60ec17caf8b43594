"""What shall go wrong, at which request: rules for the fault proxy."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Literal

What = Literal["cut", "drop", "stall", "drip", "flip", "answer", "meanwhile"]
Side = Literal["request", "response"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the proxy says by itself."""

    status: int
    body: bytes = b""
    media_type: str = "application/xml"


def s3_error(status: int, code: str, message: str = "made by the fault proxy") -> Answer:
    """Refuse as an S3 server does."""
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, text.encode())


SLOW_DOWN = s3_error(503, "SlowDown", "Please reduce your request rate.")
ACCESS_DENIED = s3_error(403, "AccessDenied", "Access Denied")


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault.

    :param what: `cut` ends the connection after `size` bytes of the body; `drop` ends it before anything of that side
        was passed on; `stall` waits after `size` bytes; `drip` passes `size` bytes at once and waits before each
        piece; `flip` changes one bit of byte number `size`; `answer` says something else than the server would;
        `meanwhile` does `action`, which is given the request, before it is passed on
    :param side: of the request: the server sees the fault, or nothing at all; of the response: it has done what was
        asked, and the client does not learn it
    :param method: of the request; any when empty
    :param path: regular expression searched for in path and query, percent-encoded as they were sent
    :param header: regular expression searched for in the request's headers, a line each, names in lower case
    :param nth: which of the matching requests, the first after the placing is 1
    :param times: from the nth on, how many
    :param of: and again after so many from there; 0 is never
    :param size: bytes of the body as it is on the wire
    :param seconds: of `stall` and `drip`
    :param reset: whether a connection ends with a reset (RST) instead of a goodbye (FIN)
    """

    what: What
    side: Side = "request"
    method: str = ""
    path: str = ""
    header: str = ""
    nth: int = 1
    times: int = 1
    of: int = 0
    size: int = 0
    seconds: float = 0
    reset: bool = False
    answer: Answer = SLOW_DOWN
    action: Callable[["Seen"], object] = lambda _: None

    def matches(self, seen: "Seen") -> bool:
        """Say whether a request is one of those that are counted."""
        lines = "\n".join(f"{name}: {value}" for name, value in seen.headers.items())
        return (
            self.method in {"", seen.method}
            and re.search(self.path, seen.target) is not None
            and re.search(self.header, lines) is not None
        )

    def due(self, matched: int) -> bool:
        """Say whether the matching request of this number is one that it happens to."""
        after = matched - self.nth
        return 0 <= (after % self.of if self.of and after > 0 else after) < self.times


@dataclass
class Seen:
    """One request, in the order of arrival; the first is 1.

    :param target: path and query as they were sent
    :param headers: names in lower case
    :param status: what the client was answered; None while, or if, it was not
    :param up: bytes passed on to the server for it, head and body
    :param down: bytes passed on to the client
    :param whole: whether all of the answer was passed on
    """

    number: int
    method: str
    target: str
    headers: Mapping[str, str]
    status: int | None = None
    up: int = 0
    down: int = 0
    whole: bool = False


@dataclass
class _Placed:
    rule: Rule
    matched: int = 0
    applied: int = 0

    def applies(self, seen: Seen) -> bool:
        if not self.rule.matches(seen):
            return False
        self.matched += 1
        due = self.rule.due(self.matched)
        self.applied += due
        return due


@dataclass
class Book:
    """Rules that are placed and requests that were seen. Safe to use from several threads."""

    _placed: list[_Placed] = field(default_factory=list)
    _seen: list[Seen] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _cleared: Event = field(default_factory=Event)

    def place(self, rules: Iterable[Rule]) -> None:
        """Add rules; each counts from now."""
        with self._lock:
            self._placed += [_Placed(rule) for rule in rules]

    def enter(self, method: str, target: str, headers: Mapping[str, str]) -> tuple[Seen, list[Rule], Event]:
        """Write down a request; give the rules for it and what tells that they were cleared."""
        with self._lock:
            seen = Seen(len(self._seen) + 1, method, target, headers)
            self._seen.append(seen)
            return seen, [placed.rule for placed in self._placed if placed.applies(seen)], self._cleared

    def clear(self) -> None:
        """Forget rules and requests; what waits ends."""
        with self._lock:
            self._placed, self._seen = [], []
            self._cleared.set()
            self._cleared = Event()

    def seen(self) -> list[Seen]:
        """Give the requests so far."""
        with self._lock:
            return [*self._seen]

    def applied(self) -> list[int]:
        """Tell how often each rule was applied, in the order they were placed."""
        with self._lock:
            return [placed.applied for placed in self._placed]


class Ended(Exception):
    """A rule ends the connection here."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.what)
        self.reset = rule.reset


def through(pieces: Iterator[bytes], rules: Iterable[Rule], cleared: Event) -> Iterator[bytes]:
    """Pass a body on as its rules say.

    :raises Ended: where a rule cuts it
    """
    for rule in rules:
        if rule.what in _WAYS:
            pieces = _WAYS[rule.what](pieces, rule, cleared)
    return pieces


def wait(rule: Rule, cleared: Event) -> None:
    """Hold a connection up.

    :raises Ended: the rules were cleared meanwhile: nothing is to happen late, when nobody thinks of it any more
    """
    if cleared.wait(rule.seconds):
        raise Ended(rule)


def _cut(pieces: Iterator[bytes], rule: Rule, _: Event) -> Iterator[bytes]:
    yield from _until(rule.size, pieces)
    raise Ended(rule)


def _stall(pieces: Iterator[bytes], rule: Rule, cleared: Event) -> Iterator[bytes]:
    pieces = iter(_split(rule.size, pieces))
    passed = 0
    for piece in pieces:
        if passed == rule.size:
            wait(rule, cleared)
        passed += len(piece)
        yield piece


def _drip(pieces: Iterator[bytes], rule: Rule, cleared: Event) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), rule.size):
            wait(rule, cleared)
            yield piece[start : start + rule.size]


def _flip(pieces: Iterator[bytes], rule: Rule, _: Event) -> Iterator[bytes]:
    passed = 0
    for piece in pieces:
        at = rule.size - passed
        passed += len(piece)
        yield piece if not 0 <= at < len(piece) else piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]


def _until(size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    passed = 0
    for piece in _split(size, pieces):
        if passed == size:
            return
        passed += len(piece)
        yield piece


def _split(size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Let a piece begin exactly after so many bytes."""
    passed = 0
    for piece in pieces:
        at = size - passed
        passed += len(piece)
        yield from (part for part in ((piece[:at], piece[at:]) if 0 < at < len(piece) else (piece,)) if part)


_WAYS = {"cut": _cut, "stall": _stall, "drip": _drip, "flip": _flip}
