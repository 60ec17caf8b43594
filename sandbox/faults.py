"""A layer around the server that makes it fail on demand, steered over HTTP at `/sandbox/faults`."""

import asyncio
import json
import os
import signal
from asyncio import BaseTransport
from typing import Any, Protocol

from fastapi import Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.connection import drop, transport
from sandbox.exchange import another_client, answer_of, in_pieces, messages_of, read
from sandbox.failures import PlainError
from sandbox.rules import Book, Rule
from sandbox.wire import answer

CONTROL = "/sandbox/faults"
STEPS = "/sandbox/steps"

ANSWERS = {
    "429": (429, "queue_full", "Too many requests in the queue"),
    "500": (500, "internal_error", "Internal error"),
    "503": (503, "service_unavailable", "Service unavailable"),
}
_RULES: TypeAdapter[list[Rule]] = TypeAdapter(list[Rule])


class Steered(Protocol):
    """What the layer does to the server behind it."""

    def restart(self, *, orderly: bool, in_steps: bool) -> None:
        """Do to memory what a restart of the process does."""

    def hold_loads(self, held: bool) -> None:
        """Keep every load that somebody asked for from ending, or let all end."""

    def step(self) -> None:
        """Go on with a start in steps."""

    def view(self) -> dict[str, Any]:
        """Tell where the start is."""


class Faults:
    """Count requests, and apply the rules that are due."""

    def __init__(self, app: ASGIApp, server: Steered, rules: tuple[Rule, ...] = (), *, steerable: bool) -> None:
        self._app = app
        self._server = server
        self._book = Book()
        self._steerable = steerable
        self._cleared = asyncio.Event()
        self._connections: set[BaseTransport] = set()
        self._down = 0
        self._background: set[asyncio.Task[None]] = set()
        self._place(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._steerable and scope["path"] in {CONTROL, STEPS}:
            await (await self._steer(Request(scope, receive)))(scope, receive, send)
        else:
            self._remember(transport(receive))
            await self._exchange(scope, receive, send)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("ascii")
        target = scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
        seen = self._book.enter(scope["method"], target)
        if self._down:
            self._down -= 1
            await drop(receive)
            return
        body = b""
        if self._book.reads_bodies:
            body, receive = await read(receive)
        due = self._book.due(scope["method"], target, body)
        for rule in (rule for rule in due if not rule.after):
            if await self._ends_before(rule, scope, receive, send):
                return

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            await send(message)

        afterwards = [rule for rule in due if rule.after]
        if not afterwards:
            await self._app(scope, receive, note)
            return
        await self._after(afterwards, await answer_of(self._app, scope, receive), scope, receive, note)

    async def _ends_before(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> bool:
        """Apply a rule before the server handles the request; True when it never will."""
        if rule.what == "slow":
            await self._pause(rule.seconds)
            return False
        instead = _instead(rule)
        if instead is not None:
            await instead(scope, receive, send)
            return True
        return await self._act(rule, scope, receive)

    async def _after(
        self, rules: list[Rule], messages: list[Message], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Apply rules to an answer that is there, then send what is left of it."""
        for rule in rules:
            instead = _instead(rule)
            if instead is not None:
                messages = messages_of(instead)
            elif rule.what == "slow":
                messages = list(in_pieces(messages, rule.size))
            elif rule.what == "cut":
                await self._send_beginning(messages, rule.size, send)
                await drop(receive)
                return
            elif await self._act(rule, scope, receive):
                return
        pause = max((rule.seconds for rule in rules if rule.what == "slow"), default=0.0)
        for message in messages:
            if message["type"] == "http.response.body":
                await self._pause(pause)
            await send(message)

    async def _act(self, rule: Rule, scope: Scope, receive: Receive) -> bool:
        """Do what has the same effect before and after; True when the connection is gone."""
        if rule.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if rule.what == "write":
            await self._write(rule, scope)
            return False
        if rule.what == "load":
            self._server.hold_loads(self._book.holds_loads())
            return False
        if rule.what == "restart":
            self._restart(rule)
        await drop(receive)
        return True

    def _restart(self, rule: Rule) -> None:
        self._server.restart(orderly=rule.orderly, in_steps=rule.loading)
        self._down = rule.down
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def _write(self, rule: Rule, beside: Scope) -> None:
        async def write() -> None:
            for sent in rule.send:
                await answer_of(self._app, *another_client(sent, beside))

        if rule.wait:
            await write()
            return
        task = asyncio.create_task(write())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        await asyncio.sleep(0)

    async def _send_beginning(self, messages: list[Message], size: int, send: Send) -> None:
        for message in messages:
            if message["type"] == "http.response.start":
                await send(message)
                continue
            body = message.get("body", b"")
            await send({**message, "body": body[:size], "more_body": True})
            size = max(0, size - len(body))

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the moment when the rules are cleared."""
        if seconds:
            try:
                await asyncio.wait_for(self._cleared.wait(), seconds)
            except TimeoutError:
                return

    def _remember(self, connection: BaseTransport | None) -> None:
        self._connections = {each for each in self._connections if not each.is_closing()}
        if connection is not None:
            self._connections.add(connection)

    def _place(self, rules: tuple[Rule, ...]) -> None:
        self._book.place(rules)
        self._server.hold_loads(self._book.holds_loads())

    async def _steer(self, request: Request) -> Response:
        """Answer the control route: GET tells, PUT and POST place, DELETE clears."""
        if request.url.path == STEPS:
            if request.method == "POST":
                self._server.step()
            return answer(self._server.view())
        if request.method in {"PUT", "POST"}:
            try:
                rules = _RULES.validate_json(await request.body())
            except ValidationError as error:
                return answer(json.loads(error.json(include_url=False)), 422)
            if request.method == "PUT":
                self._clear(requests=False)
            self._place(tuple(rules))
        if request.method == "DELETE":
            self._clear(requests=True)
        return answer(self._book.view())

    def _clear(self, *, requests: bool) -> None:
        self._book.placed = []
        if requests:
            self._book.seen = []
        self._down = 0
        self._server.hold_loads(False)
        self._cleared.set()
        self._cleared = asyncio.Event()


def _instead(rule: Rule) -> Response | None:
    """Give what is answered instead of the server's answer, for the rules that do that."""
    if rule.what == "missing":
        return Response(status_code=404)
    if rule.what not in ANSWERS:
        return None
    response = answer(PlainError(*ANSWERS[rule.what]).body(), int(rule.what))
    if rule.retry_after is not None:
        response.headers["retry-after"] = str(rule.retry_after)
    return response
