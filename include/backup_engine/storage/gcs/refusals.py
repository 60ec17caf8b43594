"""What an answer of Google Cloud Storage, or none, means to somebody who waits for a backup.

No message holds a credential or the address of an upload session, which is one: of what the libraries raise, only the
server's own sentence is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from backup_engine.errors import (
    BackupError,
    ObjectChanged,
    ObjectNotFound,
    StoreDenied,
    StoreNotInitialised,
    StoreUnavailable,
)

_LONGEST = 300  # characters of a server's own words

NETWORK = (RequestException, HTTPError, HTTPException, ConnectionError, TimeoutError)
"""How an exchange ends without an answer."""

ANY = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, *NETWORK)
"""All that the libraries raise when a request fails."""

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""

NO_CREDENTIALS = (
    "there are no usable Google credentials ({reason}): run `gcloud auth application-default login`, set "
    "GOOGLE_APPLICATION_CREDENTIALS, run where a service account is attached, or name an Airflow connection in the "
    "store's address"
)
_CLOCK = (
    "Google does not accept the token ({reason}): this host's clock is probably off by minutes; synchronise it "
    "(chrony, NTP)"
)
_BAD_LOGIN = (
    "Google does not accept these credentials ({reason}): renew the key or the login, and check that the service "
    "account exists and is enabled"
)
_NO_KEY = (
    "the encryption key cannot be used ({reason}): enable it, in the bucket's location, and grant Cloud Storage's "
    "service agent roles/cloudkms.cryptoKeyEncrypterDecrypter on it"
)
_RETAINED = (
    "a retention policy forbids it until its time is over ({reason}): that is what it is for; let what is deleted and "
    "replaced lie elsewhere (staging=BUCKET), or wait"
)
_PERIMETER = (
    "an organisation policy or a service perimeter forbids it from here ({reason}): ask who keeps the perimeter"
)
_NO_RIGHT = (
    "these credentials may not do this ({reason}): grant the permission it names; without storage.objects.list Google "
    "also denies what does not exist"
)
_NO_BUCKET = "there is no such bucket ({reason}): check its name, or make it and begin with `store init`"

_FORBIDDEN: Sequence[tuple[str, str]] = (
    (r"retention polic|object retention", _RETAINED),
    (r"hold and cannot|ActiveHold|[Ee]vent-based [Hh]old", "a hold forbids it ({reason}): release the hold first"),
    (r"KMS|kms|cryptoKey", _NO_KEY),
    (r"billing|accountDisabled", "the project's billing is off ({reason}): switch it on again"),
    (r"organization.s policy|VPC Service Controls", _PERIMETER),
    (r"userProjectMissing|requester pays", "the bucket lets requesters pay ({reason}): switch that off for it"),
)

_BUSY = "the server could not answer ({reason}), and still could not after every retry"
_ANSWERS: Mapping[int, tuple[type[BackupError], str]] = {
    401: (StoreDenied, _BAD_LOGIN),
    404: (ObjectNotFound, "does not exist"),
    408: (StoreUnavailable, _BUSY),
    412: (ObjectChanged, "is not what it was when it was looked at"),
    429: (StoreUnavailable, "the server asks for fewer requests ({reason}), and still did after every retry"),
    **dict.fromkeys((500, 502, 503, 504), (StoreUnavailable, _BUSY)),
}


@contextmanager
def told(place: str) -> Iterator[None]:
    """Turn what the client raises inside the block into an error of the store contract.

    :param place: the object or bucket, for the message
    """
    try:
        yield
    except ANY as error:
        raise meaning(error, place) from error


def meaning(error: Exception, place: str) -> BackupError:
    """Give the error that says what is wrong and what to do."""
    if isinstance(error, RetryError) and isinstance(error.cause, ANY):
        return meaning(error.cause, place)
    if isinstance(error, GoogleAPICallError):
        return refusal(int(error.code or 0), said_in(error), place)
    if isinstance(error, GoogleAuthError):
        return _unauthenticated(error, place)
    if isinstance(error, DataCorruption):
        return StoreUnavailable(f"{place}: what arrived is not what was sent: run again")
    if isinstance(error, InvalidResponse):
        return refusal(error.response.status_code, _sentence(error.response), place)
    return StoreUnavailable(
        f"{place}: Google Cloud Storage did not answer, or stopped in the middle ({type(error).__name__}), and still "
        "did after every retry: check the network"
    )


def refusal(status: int, said: str, place: str) -> BackupError:
    """Give the error for an answer.

    :param said: the server's sentence
    """
    reason = f"{status}, {said}" if said else str(status)
    kind, words = _ANSWERS.get(status) or _named(said)
    if status == HTTPStatus.NOT_FOUND and "bucket does not exist" in said:
        kind, words = StoreNotInitialised, _NO_BUCKET
    elif status == HTTPStatus.FORBIDDEN:
        kind, words = StoreDenied, next((words for pattern, words in _FORBIDDEN if re.search(pattern, said)), _NO_RIGHT)
    return kind(f"{place}: {words.format(reason=reason)}")


def said_in(error: GoogleAPICallError) -> str:
    """Give the server's own sentence."""
    found = _sentence(error.response) if error.response is not None else ""
    return found or plain(str(error.message).rpartition(": ")[2])


def plain(text: str) -> str:
    """Make a server's words fit for one line of a log."""
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:_LONGEST].strip()


def _sentence(response: Any) -> str:  # noqa: ANN401
    try:
        return plain(str(response.json()["error"]["message"]))
    except (ValueError, LookupError, TypeError, AttributeError):
        return plain(str(getattr(response, "text", "")))


def _named(said: str) -> tuple[type[BackupError], str]:
    if "doesn't match calculated" in said:
        return StoreUnavailable, "what arrived is not what was sent ({reason}); nothing was kept of it: run again"
    if re.search("KMS|kms|cryptoKey", said):
        return StoreDenied, _NO_KEY
    return StoreDenied, "the server refuses the request ({reason})"


def _unauthenticated(error: GoogleAuthError, place: str) -> BackupError:
    if isinstance(error, TransportError):
        return StoreUnavailable(
            f"{place}: the service that gives tokens did not answer ({type(error).__name__}), and still did not after "
            "every retry: check the network and the metadata server"
        )
    said = plain(str(error.args[0]) if error.args else "")
    if isinstance(error, DefaultCredentialsError):
        return StoreDenied(f"{place}: {NO_CREDENTIALS.format(reason=type(error).__name__)}")
    if re.search(r"iat and exp|reasonable timeframe|clock", said):
        return StoreDenied(f"{place}: {_CLOCK.format(reason=said)}")
    return StoreDenied(f"{place}: {_BAD_LOGIN.format(reason=said or type(error).__name__)}")
