"""Reading an answer's body: never beyond our patience, never a cut one, never more than expected."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
import urllib3

from backup_engine.errors import ServerUnavailable, UnexpectedAnswer

CHUNK = 256 << 10
MAX_BODY = 256 << 20
"""Bytes of an answer that is held whole. The largest are pages of 1,000 payloads; records are never held so."""
_MAX_ERROR_BODY = 64 << 10
_ADVICE = "try again, and see its log, or that of a proxy before it, if it stays so"


class Patience:
    """Adds up the time we wait for a server, so that an answer that drips has an end too."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._used = 0.0

    @property
    def left(self) -> float:
        """Seconds we still wait."""
        return self.seconds - self._used

    def spend(self, seconds: float) -> None:
        """Count a pause that was made between two attempts."""
        self._used += seconds

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Count the time spent inside.

        :raises ServerUnavailable: there is none left
        """
        if self.left <= 0:
            raise ServerUnavailable(f"{what}: no whole answer within {self.seconds:,.0f} s; the server is too slow")
        start = self._clock()
        try:
            yield
        finally:
            self._used += self._clock() - start


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    :param what: the call, for messages
    """

    what: str
    body: bytes

    def json(self) -> object:
        """Read the body as JSON.

        :raises UnexpectedAnswer: it is something else
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            start = self.body[:80].decode("utf-8", "replace")
            raise UnexpectedAnswer(f"{self.what}: JSON was expected, found {start!r}") from error

    def fields(self) -> dict[str, object]:
        """Read the body as a JSON object.

        :raises UnexpectedAnswer: it is something else
        """
        return as_object(self.json(), self.what)


def as_object(value: object, what: str) -> dict[str, object]:
    """Insist on a JSON object.

    :raises UnexpectedAnswer: it is something else
    """
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{what}: an object was expected, found {str(value)[:80]!r}")
    return value


def as_list(value: object, what: str) -> list[object]:
    """Insist on a JSON array.

    :raises UnexpectedAnswer: it is something else
    """
    if not isinstance(value, list):
        raise UnexpectedAnswer(f"{what}: a list was expected, found {str(value)[:80]!r}")
    return value


def insist_on_an_end(response: requests.Response, what: str) -> None:
    """Refuse a body whose cut nobody would notice: one that only ends with the connection, or a packed one.

    :raises UnexpectedAnswer: it is such a body
    """
    headers = response.headers
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    if response.status_code != 204 and not chunked and "Content-Length" not in headers:  # noqa: PLR2004
        raise UnexpectedAnswer(
            f"{what}: the answer says neither how long it is nor that it comes in chunks, so a cut one would look "
            "whole; let the proxy before the server speak HTTP/1.1"
        )
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnexpectedAnswer(
            f"{what}: the answer is packed although that was not asked for; turn it off in the proxy"
        )


def chunks_of(response: requests.Response, patience: Patience, what: str) -> Iterator[bytes]:
    """Hand over the body as it comes.

    :raises ServerUnavailable: it broke off, fell silent, or took longer than our patience
    """
    while True:
        with patience.waiting(what):
            data = _read_some(response, what)
        if not data:
            return
        yield data


def whole_body(response: requests.Response, patience: Patience, what: str) -> bytes:
    """Read all of a small body.

    :raises UnexpectedAnswer: it is not small
    """
    parts, size = [], 0
    for chunk in chunks_of(response, patience, what):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise UnexpectedAnswer(f"{what}: more than {MAX_BODY:,} bytes came, far more than such an answer has")
    return b"".join(parts)


def error_body(response: requests.Response, patience: Patience, what: str) -> bytes:
    """Read the beginning of an error's body; a broken one is as good as none."""
    body = b""
    try:
        for chunk in chunks_of(response, patience, what):
            body += chunk
            if len(body) >= _MAX_ERROR_BODY:
                break
    except ServerUnavailable:
        return body
    return body[:_MAX_ERROR_BODY]


def _read_some(response: requests.Response, what: str) -> bytes:
    try:
        return bytes(response.raw.read1(CHUNK, decode_content=False) or b"")
    except urllib3.exceptions.ReadTimeoutError as error:
        raise ServerUnavailable(f"{what}: the server fell silent in the middle of its answer; {_ADVICE}") from error
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise ServerUnavailable(f"{what}: the answer broke off ({type(error).__name__}); {_ADVICE}") from error
