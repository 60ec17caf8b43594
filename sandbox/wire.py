"""Requests in and answers out, in the manner of the server's own framework."""

import json
import re

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from sandbox.database import Database
from sandbox.failures import InvalidFieldError, TextError
from sandbox.payloads import Json
from sandbox.rendering import BYTES_AT_ONCE, parts

SLASH = "\x00"
_MAYBE_HALF_A_CHARACTER = re.compile(rb"\\u[dD]")


class Refused(ValueError):
    """A constant that Python reads and JSON does not have."""


def answer(value: object, status: int = 200, media_type: str = "application/json") -> Response:
    """Return an answer with a JSON body; `RawJson` anywhere in the value is written as it is."""
    pieces = list(parts(value))
    if sum(map(len, pieces)) > BYTES_AT_ONCE:
        return _InPieces(pieces, status, media_type)
    return Response(b"".join(pieces), status, media_type=media_type)


class _InPieces(Response):
    """An answer of a known length that is never in one piece in memory."""

    def __init__(self, pieces: list[bytes], status: int, media_type: str) -> None:
        super().__init__(None, status, {"content-length": str(sum(map(len, pieces)))}, media_type)
        self._pieces = pieces

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        if self.background is not None:
            await self.background()


def database(request: Request) -> Database:
    """Return the state of the server that answers this request."""
    found = request.app.state.database
    assert isinstance(found, Database)  # noqa: S101
    return found


def segment(request: Request, name: str) -> str:
    """Return one part of the path as the client meant it: a `%2F` in it is a slash, not a border."""
    return str(request.path_params[name]).replace(SLASH, "/")


async def json_body(request: Request) -> Json:
    """Return the parsed body.

    :raises TextError: 415 for another content type, 400 for what is not JSON, both plain text
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise TextError(415, "Expected request with `Content-Type: application/json`")
    body = await request.body()
    try:
        value = json.loads(body, parse_constant=_refuse)
        if _MAYBE_HALF_A_CHARACTER.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise TextError(400, _json_message(error)) from error
    except (ValueError, RecursionError) as error:
        raise TextError(400, f"Failed to parse the request body as JSON: {error}") from error
    return value


def required_text(body: Json, field: str) -> str:
    """Return a string of the body; the server looks for it in anything, an array has none.

    :raises InvalidFieldError: when it is missing or no string
    """
    value = optional(body, field)
    if not isinstance(value, str):
        raise InvalidFieldError(field)
    return value


def optional(body: Json, field: str) -> Json:
    """Return a field of the body, or None when the body has no fields or not this one."""
    return body.get(field) if isinstance(body, dict) else None


def whole_number(value: Json, otherwise: int) -> int:
    """Return a non-negative integer, or the default for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _refuse(constant: str) -> None:
    raise Refused(f"expected value, found {constant}")


def _json_message(error: json.JSONDecodeError) -> str:
    at_end = error.pos >= len(error.doc.rstrip())
    what = "expected value" if not at_end else "EOF while parsing a value"
    if at_end and error.doc.rstrip().endswith(("{", ",", '"')):
        what = "EOF while parsing an object"
    column = max(error.colno - 1, 0) if at_end else error.colno
    return f"Failed to parse the request body as JSON: {what} at line {error.lineno} column {column}"
