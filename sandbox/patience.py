"""Handling a request again when a collection it asked for had to be loaded first."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from sandbox.database import Database
from sandbox.failures import OnDiskOnly
from sandbox.wire import database

Result = TypeVar("Result")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PatientRoute(APIRoute):
    """A route whose handler asks for collections before it changes anything."""

    def get_route_handler(self) -> Handler:
        """Wrap the handler."""
        handler = super().get_route_handler()

        async def patient(request: Request) -> Response:
            while True:
                try:
                    return await handler(request)
                except OnDiskOnly as missing:
                    await database(request).load(missing.name)

        return patient


async def patiently(state: Database, act: Callable[[], Result]) -> Result:
    """Do one of several things of a request, again when a collection it asked for had to be loaded first."""
    while True:
        try:
            return act()
        except OnDiskOnly as missing:
            await state.load(missing.name)
