"""Requests and answers as the messages they are made of, for the layer that spoils them."""

import json
from collections.abc import Awaitable, Callable, Iterator

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope

from sandbox.connection import transport
from sandbox.rules import Sent


def messages_of(response: Response) -> list[Message]:
    """Write a response as messages."""
    start = {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    return [start, {"type": "http.response.body", "body": response.body}]


def in_pieces(messages: list[Message], size: int) -> Iterator[Message]:
    """Cut bodies to pieces of at most `size` bytes; 0 leaves them whole."""
    for message in messages:
        body = message.get("body", b"")
        if not size or len(body) <= size:
            yield message
            continue
        for start in range(0, len(body), size):
            more = message.get("more_body", False) or start + size < len(body)
            yield {**message, "body": body[start : start + size], "more_body": more}


async def answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> list[Message]:
    """Let the application handle a request, and keep what it would send."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, collect)
    return messages


async def read(receive: Receive) -> tuple[bytes, Receive]:
    """Read the whole body; give it, and a way to read it again that knows the connection as the first did."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return b"".join(message.get("body", b"") for message in messages), _Again(messages, receive)


class _Again:
    """Messages that were received, then what comes."""

    def __init__(self, messages: list[Message], receive: Receive) -> None:
        self._messages = messages
        self._receive = receive
        self.transport = transport(receive)

    async def __call__(self) -> Message:
        return self._messages.pop(0) if self._messages else await self._receive()


def another_client(sent: Sent, beside: Scope) -> tuple[Scope, Receive]:
    """Give a request as if it came over a connection of its own, to the application of the request beside it."""
    return _scope(sent, beside), _receiving(b"" if sent.body is None else json.dumps(sent.body).encode())


def _receiving(body: bytes) -> Callable[[], Awaitable[Message]]:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


def _scope(sent: Sent, beside: Scope) -> Scope:
    path, _, query = sent.path.partition("?")
    headers = {"content-type": "application/json", "host": "another-client", **sent.headers}
    return {
        **beside,
        "method": sent.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
