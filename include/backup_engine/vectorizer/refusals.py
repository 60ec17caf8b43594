"""From what a server answered to an error that says whether trying again can help. Pure.

Bodies come in five kinds: JSON with ``error_type``, JSON with ``error``, text, nothing, and GraphQL errors under 200.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from backup_engine.errors import (
    AccessDenied,
    AuthenticationFailed,
    BackupError,
    CollectionExists,
    CollectionNotFound,
    RequestRefused,
    ServerBusy,
    ServerFault,
    ServerUnavailable,
    TooLarge,
    Unsupported,
)

MESSAGE_LENGTH = 300
_SECONDS = re.compile(r"in (\d{1,6}) seconds")


class Throttled(ServerBusy):
    """Refused before anything was done, so that even a call that must not be made twice may be repeated."""


class RouteMissing(RequestRefused):
    """404 or 405 without a word: this server, or a proxy before it, does not have the route."""


class FieldMissing(RequestRefused):
    """GraphQL does not know a field, argument or type: another version."""


def refusal(what: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> BackupError:
    """Make the error for an answer that is no success.

    :param what: the call, for the message
    :param now: for a ``Retry-After`` that is a date
    """
    kind, message = _read(body)
    text = f"{what}: the server answered {status}: {message or 'nothing else'}"
    if kind == "BACKUP_DISABLED":
        return Unsupported(f"{text}; use backups of this product, which need nothing of a hub")
    if status in {429, 503}:
        wait = _retry_after(headers, now)
        wait = _seconds_named(message) if wait is None else wait
        busy = f"{text}; it is busy: try again later, or keep other clients away for a while"
        return (Throttled if status == 429 else ServerBusy)(busy, retry_after=wait)  # noqa: PLR2004
    if status >= 500 or status == 408:  # noqa: PLR2004
        return _fault(text, status)
    return _client_error(text, status, kind, message)


def graphql_refusal(what: str, errors: object) -> BackupError:
    """Make the error for a GraphQL answer that holds errors; its HTTP status is 200."""
    first = errors[0] if isinstance(errors, list) and errors else errors
    message = clean(str(first.get("message", first) if isinstance(first, dict) else first))
    text = f"{what}: GraphQL answered: {message}"
    if message.startswith("Unknown ") or "is not defined by type" in message:
        return FieldMissing(text, status=200)
    if "ollection not found" in message:
        return CollectionNotFound(text, status=200)
    if "already exists" in message:
        return CollectionExists(text, status=200)
    return RequestRefused(text, status=200)


def clean(text: str) -> str:
    """Make foreign text fit for one line of a message."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"


def _client_error(text: str, status: int, kind: str, message: str) -> BackupError:
    if status == 401:  # noqa: PLR2004
        return AuthenticationFailed(f"{text}; check the user and password, or the API key")
    if status == 403:  # noqa: PLR2004
        return AccessDenied(f"{text}; use a user with the rights for it (API keys are never administrators)")
    if status in {404, 405} and not message:
        return RouteMissing(
            f"{text}; this server, or a proxy before it, does not offer that: let the proxy pass it, or name the "
            "server's own address",
            status=status,
        )
    if status == 413:  # noqa: PLR2004
        return TooLarge(text, status=status)
    refused = {"collection_not_found": CollectionNotFound, "collection_already_exists": CollectionExists}
    return refused.get(kind, RequestRefused)(text, status=status)


def _fault(text: str, status: int) -> BackupError:
    if status in {408, 502, 504}:
        return ServerUnavailable(
            f"{text}; a proxy before the server gave up waiting: is the server up, and not loading?"
        )
    return ServerFault(f"{text}; try again, and see the server's log if it stays so")


def _read(body: bytes) -> tuple[str, str]:
    """Take the server's word for the kind, and its message, out of whatever came."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return "", clean(text)
    if not isinstance(value, dict):
        return "", clean(str(value))
    kind = value.get("error_type") or value.get("error") or ""
    return str(kind), clean(str(value.get("message") or kind or text))


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def _seconds_named(message: str) -> float | None:
    found = _SECONDS.search(message)
    return float(found.group(1)) if found else None
