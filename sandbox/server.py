"""The sandbox as an ASGI application."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import auth
from sandbox.connection import drop
from sandbox.failures import ConnectionDropped, ServerError, TextError
from sandbox.faults import Faults
from sandbox.routes import backups, collections, graphql, guide, qdrant, snapshots, status, vectors
from sandbox.rules import Rule
from sandbox.starting import Lifecycle, Loading, Silence
from sandbox.wire import SLASH, answer

RECEIVE = "sandbox.receive"
Dialect = Literal["bare", "guide"]
ROUTERS = (status, snapshots, collections, vectors, qdrant, graphql, backups)


def create_app(
    data_dir: Path | str,
    password: str | None = None,
    *,
    dialect: Dialect = "bare",
    loading: Loading = None,
    rules: Sequence[Rule] = (),
    steerable: bool = False,
) -> FastAPI:
    """Build the server over one data directory.

    :param data_dir: read at once, written by a flush and when the application shuts down
    :param password: of the user `admin`; None leaves every route open
    :param dialect: `bare` is the server people run, `guide` the one its backup guide describes
    :param loading: pace of a start and of every load, in vectors a second; `steps` lets the control route drive it
    :param rules: faults that are placed from the beginning
    :param steerable: whether there is a control route for faults and steps
    :return: an application with `state.database`; more middleware may be added to it
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    lifecycle = Lifecycle(app, Path(data_dir), loading)
    app.router.lifespan_context = _lifespan(lifecycle)
    app.state.dialect = dialect
    for router in guide.routers() if dialect == "guide" else (family.router for family in ROUTERS):
        app.include_router(router)
    if password is not None:
        auth.protect(app, password, Path(data_dir))
    app.add_middleware(_Paths)
    app.add_middleware(Silence, lifecycle=lifecycle)
    if steerable or rules:
        app.add_middleware(Faults, server=lifecycle, rules=tuple(rules), steerable=steerable)
    app.add_exception_handler(HTTPException, _empty)
    app.add_exception_handler(ServerError, _refusal)
    app.add_exception_handler(TextError, _text)
    app.add_exception_handler(ConnectionDropped, _drop)
    return app


def _lifespan(lifecycle: Lifecycle) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        lifecycle.begin()
        yield
        lifecycle.save()

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
        extensions = {**scope.get("extensions", {}), RECEIVE: receive}
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

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        await drop(scope["extensions"][RECEIVE])
