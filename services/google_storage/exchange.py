"""One request and its answer, apart from how they travel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from services.google_storage.errors import invalid

BLOCK = 1 << 18


class Cut(ConnectionError):
    """The request's body ended before its announced length."""


@dataclass
class Request:
    """What was asked.

    :param headers: names in small letters
    :param segments: the path, split at its slashes and then unquoted: a name keeps its own
    :param receive: gives at most so many bytes of the body; nothing when the connection ended
    """

    method: str
    target: str
    headers: Mapping[str, str]
    receive: Callable[[int], bytes]
    segments: list[str] = field(init=False)
    query: dict[str, str] = field(init=False)
    unread: int = field(init=False)

    def __post_init__(self) -> None:
        """Take the target apart."""
        parts = urlsplit(self.target)
        self.segments = [unquote(segment) for segment in parts.path.split("/")[1:]]
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.unread = int(self.headers.get("content-length", 0))

    @property
    def token(self) -> str:
        """Who asks; "" when nobody in particular."""
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip()

    def number(self, name: str) -> int | None:
        """Give a number of the query."""
        try:
            return int(self.query[name]) if name in self.query else None
        except ValueError as error:
            raise invalid(f"Invalid value for {name}") from error

    def blocks(self) -> Iterator[bytes]:
        """Stream the body.

        :raises Cut: it ends too early
        """
        while self.unread:
            block = self.receive(min(BLOCK, self.unread))
            if not block:
                self.unread = 0
                raise Cut(self.target)
            self.unread -= len(block)
            yield block

    def body(self) -> bytes:
        """Give the whole body."""
        return b"".join(self.blocks())

    def json(self) -> dict[str, Any]:
        """Give the body as an object."""
        try:
            found = json.loads(self.body() or b"{}")
        except ValueError as error:
            raise invalid("Parse Error") from error
        return dict(found)


@dataclass
class Answer:
    """What is answered.

    :param body: streamed; its length is ``size``
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterator[bytes] = field(default_factory=lambda: iter(()))
    size: int = 0


def json_answer(content: object, status: int = 200) -> Answer:
    """Answer with JSON."""
    data = json.dumps(content).encode()
    return Answer(status, {"Content-Type": "application/json; charset=UTF-8"}, iter([data]), len(data))
