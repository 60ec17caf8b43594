"""How long the server takes to have what is on disk: at its start, and for a name that somebody asks for."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.database import Database
from sandbox.failures import StorageError

# Vectors a second, or steps that somebody drives; None is at once.
Loading = float | Literal["steps"] | None


class Held:
    """Something to wait for, until it is let go; not held at first."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def __bool__(self) -> bool:
        """Whether it is held."""
        return not self._free.is_set()

    def hold(self, held: bool) -> None:
        """Hold, or let go everybody who waits."""
        if held:
            self._free.clear()
        else:
            self._free.set()

    async def wait(self) -> None:
        """Return when it is not held."""
        await self._free.wait()


class Lifecycle:
    """The start and the end of what the server has in memory, once for the process and for every restart.

    A start goes through two states for every collection on disk: it says nothing, whoever asks; then it answers,
    with the collections loaded so far, one more that is listed with nothing in it, and the others absent.
    Before the first it answers with an empty list.
    """

    def __init__(self, app: FastAPI, data_dir: Path, loading: Loading) -> None:
        self._app = app
        self._data_dir = data_dir
        self._loading = loading
        self._silent = Held()
        self._loads = Held()
        self._task: asyncio.Task[None] | None = None
        self._open(in_steps=loading is not None)

    @property
    def database(self) -> Database:
        """What the server has now."""
        database: Database = self._app.state.database
        return database

    async def answering(self) -> None:
        """Return when the server answers."""
        await self._silent.wait()

    def begin(self) -> None:
        """Begin to load at the pace that was asked for; needs a running event loop."""
        if isinstance(self._loading, float) and self.database.coming:
            self._task = asyncio.create_task(self._load(self._loading))

    def restart(self, *, orderly: bool, in_steps: bool) -> None:
        """Do to memory what a restart of the process does; without `orderly`, what one after a kill does."""
        if orderly:
            self.save()
        if self._task is not None:
            self._task.cancel()
        self._silent.hold(False)
        self._open(in_steps=in_steps or self._loading is not None)
        self.begin()

    def save(self) -> None:
        """Flush; the server, too, ends without a word when there is nothing it would save."""
        with suppress(StorageError):
            self.database.flush()

    def hold_loads(self, held: bool) -> None:
        """Keep every load that somebody asked for from ending, or let all end."""
        self._loads.hold(held)

    def step(self) -> None:
        """Go on with the start: from answering to silence, from silence to one collection more."""
        if self._silent:
            self.database.advance()
            self._silent.hold(False)
        elif self.database.coming:
            self._silent.hold(True)

    def view(self) -> dict[str, Any]:
        """Tell where the start is."""
        return {"answers": not self._silent, "coming": [name for name, _ in self.database.coming]}

    def _open(self, *, in_steps: bool) -> None:
        database = Database(self._data_dir, self._delay)
        while database.coming and not in_steps:
            database.advance()
        self._app.state.database = database
        if "doorkeeper" in self._app.state:
            self._app.state.doorkeeper.forget()

    async def _delay(self, vectors: int) -> None:
        if isinstance(self._loading, float):
            await asyncio.sleep(vectors / self._loading)
        await self._loads.wait()

    async def _load(self, pace: float) -> None:
        while self.database.coming:
            half = self.database.coming[0][1] / pace / 2
            await asyncio.sleep(half)
            self.step()
            await asyncio.sleep(half)
            self.step()


class Silence:
    """Let requests wait while the server says nothing."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self._app = app
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            await self._lifecycle.answering()
        await self._app(scope, receive, send)
