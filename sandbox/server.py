"""The sandbox as an ASGI application."""

from asyncio import BaseTransport
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import auth
from sandbox.database import Database
from sandbox.failures import ConnectionDropped, ServerError, StorageError, TextError
from sandbox.routes import backups, collections, graphql, qdrant, snapshots, status, vectors
from sandbox.wire import SLASH, answer

TRANSPORT = "sandbox.transport"
ROUTERS = (status, snapshots, collections, vectors, qdrant, graphql, backups)


def create_app(data_dir: Path | str, password: str | None = None) -> FastAPI:
    """Build the server over one data directory.

    :param data_dir: read at once, written by a flush and when the application shuts down
    :param password: of the user `admin`; None leaves every route open
    :return: an application with `state.database`; more middleware may be added to it
    """
    state = Database(Path(data_dir))
    app = FastAPI(lifespan=_saving(state), openapi_url=None, redirect_slashes=False)
    app.state.database = state
    for family in ROUTERS:
        app.include_router(family.router)
    if password is not None:
        auth.protect(app, password, Path(data_dir))
    app.add_middleware(_Paths)
    app.add_exception_handler(HTTPException, _empty)
    app.add_exception_handler(ServerError, _refusal)
    app.add_exception_handler(TextError, _text)
    app.add_exception_handler(ConnectionDropped, _drop)
    return app


def _saving(state: Database) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        try:
            state.flush()
        except StorageError:
            return  # the server, too, ends without a word when there is nothing it would save

    return lifespan


class _Paths:
    """Keep an encoded slash inside its part of the path, and know the connection for handlers that drop it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts = scope["raw_path"].decode("ascii").partition("?")[0].split("/")
        path = "/".join(unquote(part).replace("/", SLASH) for part in parts)
        extensions = {**scope.get("extensions", {}), TRANSPORT: _transport(receive)}
        await self._app({**scope, "path": path, "extensions": extensions}, receive, send)


async def _empty(_request: Request, error: Exception) -> Response:
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    return Response(status_code=status_code)


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServerError)  # noqa: S101
    return answer(error.body(), error.status)


async def _text(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TextError)  # noqa: S101
    return Response(error.message, error.status, media_type="text/plain")


async def _drop(_request: Request, _error: Exception) -> Response:
    return _Dropped()


class _Dropped(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        scope["extensions"][TRANSPORT].close()
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await receive()


def _transport(receive: Receive) -> BaseTransport | None:
    """Return the connection behind a request; uvicorn hands out `receive` as a method of what holds it."""
    return getattr(getattr(receive, "__self__", None), "transport", None)
