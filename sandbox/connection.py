"""The connection behind a request, for answers that are none."""

from asyncio import BaseTransport

from starlette.types import Message, Receive


def transport(receive: Receive) -> BaseTransport | None:
    """Return the connection behind a request; uvicorn hands out `receive` as a method of what holds it."""
    holder = getattr(receive, "__self__", receive)
    return getattr(holder, "transport", None)


async def drop(receive: Receive) -> None:
    """Close the connection, what was written first, and return when it is closed."""
    connection = transport(receive)
    if connection is not None:
        connection.close()
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
