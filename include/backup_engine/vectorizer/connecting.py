"""What a failed connection means."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests

from backup_engine.errors import BackupError, ConfigurationError, InvalidInput, ServerUnavailable

_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL"}


def transport_error(what: str, error: requests.RequestException) -> BackupError:
    """Turn a failure without an answer into one of ours; the foreign text is left out (it may hold a proxy's password).

    :param what: the call, for the message
    """
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return InvalidInput(f"{what}: this address cannot be used")
    trouble = _certificate_trouble(error)
    if trouble:
        return ConfigurationError(f"{what}: {trouble}")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return ServerUnavailable(f"{what}: no connection in time; is the server up, and the address right?")
    if isinstance(error, requests.exceptions.ReadTimeout):
        return ServerUnavailable(f"{what}: connected, but no answer in time; is the server loading or overloaded?")
    return ServerUnavailable(f"{what}: {_reason(error)}; is the server up, and the address right?")


def _certificate_trouble(error: BaseException) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); name the CA bundle that signed it"
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            return "it does not speak TLS there; the Vectorizer itself is http://, a proxy before it may be https://"
    return None


def _reason(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return "the connection was closed without an answer"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Everything this error was made of, also what urllib3 hides in ``args`` and ``reason``."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        hidden = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [item for item in hidden if isinstance(item, BaseException)]
