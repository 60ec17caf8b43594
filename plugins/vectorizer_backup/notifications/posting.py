"""A message over HTTP: to a chat, to a duty service, or as our own JSON."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import requests
from airflow.providers.http.hooks.http import HttpHook

from backup_engine.alerts import rendering
from backup_engine.errors import ChannelRefused, ChannelUnavailable
from vectorizer_backup.notifications.redaction import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow.sdk import Connection

    from backup_engine.alerts.alert import Alert
    from backup_engine.alerts.settings import WebhookChannel
    from vectorizer_backup.notifications.channels import Step

_CONNECT, _READ = 5.0, 10.0  # seconds
_BODY = 4096
"""Bytes that are read of an answer that says no."""

_TOO_MANY, _SERVER_FAULT, _MULTIPLE = 429, 500, 300

_WHY: Mapping[str, str] = {
    "NameResolutionError": "its name is not known",
    "NewConnectionError": "nobody answers there",
    "ConnectTimeoutError": "nobody answers there",
}

_COMPOSERS: Mapping[str, Callable[[Alert], Mapping[str, Any]]] = {
    "slack": rendering.slack,
    "teams": rendering.teams,
    "webhook": rendering.document,
}


class Caller(HttpHook):
    """The provider's hook, with a connection that was looked up before."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("POST", str(connection.conn_id))
        self._found = copy(connection)
        # Where a connection was written as a URI, this is no scheme, and the hook would take it for one.
        self._found.schema = None

    def get_connection(self, conn_id: str) -> Connection:  # type: ignore[override]
        """Give the connection."""
        return self._found


def posting(alert: Alert, channel: WebhookChannel, connection: Connection) -> tuple[Step, ...]:
    """Give the requests that tell it, each as a step.

    A connection with a login signs in with its password; else the password is a secret: PagerDuty's routing key, or
    what the address ends with. The address is called as it stands: a redirection is not followed.

    :raises ChannelRefused: the connection holds no address, or not what is needed
    """
    payloads = _payloads(alert, channel, connection)
    url = address_of(connection, with_secret=channel.kind != "pagerduty" and not connection.login)
    session: requests.Session = Caller(connection).get_conn()
    if channel.kind == "pagerduty":
        session.auth = None
    secrets = _secrets(connection, url)
    return tuple(partial(_post, session, url, payload, secrets) for payload in payloads)


def address_of(connection: Connection, *, with_secret: bool) -> str:
    """Put the address together: host, port, what a URI has behind it, and the password as its end.

    Without a scheme it is https, unless the connection says otherwise: a secret does not travel in clear by mistake.

    :raises ChannelRefused: there is none
    """
    host, schema = (connection.host or "").strip(), (connection.schema or "").strip()
    if not host:
        raise ChannelRefused(f"the connection {connection.conn_id!r} has no host; its address belongs there")
    is_scheme = schema in {"", "http", "https"}
    if "://" not in host:
        # Written as a URI, what stands behind the host arrives as schema, and the scheme as type.
        scheme = schema if is_scheme else connection.conn_type
        host = f"{scheme if scheme in {'http', 'https'} else 'https'}://{host}"
    url = _with_port(host, connection)
    secret = (connection.password or "").strip() if with_secret else ""
    for more in ("" if is_scheme else schema, secret):
        if more:
            url = url + more if more.startswith("?") else f"{url}/{more.lstrip('/')}"
    return url


def _with_port(host: str, connection: Connection) -> str:
    try:
        parts = urlsplit(host.rstrip("/"))
        there = parts.port
    except ValueError as error:
        raise ChannelRefused(f"the host of the connection {connection.conn_id!r} is no address") from error
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ChannelRefused(
            f"the host of the connection {connection.conn_id!r} is no address that begins with https://"
        )
    add = connection.port and not there
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{connection.port}") if add else parts)


def _payloads(alert: Alert, channel: WebhookChannel, connection: Connection) -> tuple[Mapping[str, Any], ...]:
    if channel.kind != "pagerduty":
        return (_COMPOSERS[channel.kind](alert),)
    key = (connection.password or "").strip()
    if not key:
        raise ChannelRefused(f"the connection {channel.connection!r} has no password; the routing key belongs there")
    return rendering.pagerduty(alert, key)


def _secrets(connection: Connection, url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    extra = (str(one) for one in connection.extra_dejson.values())
    return tuple(one for one in (connection.password, connection.login, parts.path, parts.query, *extra) if one)


def _post(session: requests.Session, url: str, payload: Mapping[str, Any], secrets: Iterable[str]) -> None:
    host = urlsplit(url).hostname
    try:
        answer = session.post(url, json=payload, timeout=(_CONNECT, _READ), allow_redirects=False, stream=True)
        with answer:
            _judge(answer, f"{host} answered {answer.status_code}", secrets)
    except requests.exceptions.SSLError as error:
        why = "is its certificate one that this worker trusts, and does it speak https"
        raise ChannelRefused(f"no encrypted connection to {host}: {why}?") from error
    except requests.Timeout as error:
        raise ChannelUnavailable(f"{host} did not answer in time") from error
    except requests.ConnectionError as error:
        raise ChannelUnavailable(f"{host} could not be reached: {_why(error)}") from error
    except requests.RequestException as error:
        raise ChannelRefused(f"{host} could not be called ({type(error).__name__})") from error


def _judge(answer: requests.Response, words: str, secrets: Iterable[str]) -> None:
    if answer.status_code < _MULTIPLE:
        return
    if answer.is_redirect:
        raise ChannelRefused(f"{words}: it wants to be called elsewhere; put the right address into the connection")
    body = next(answer.iter_content(_BODY), b"")
    reason = said(body.decode("utf-8", errors="replace"), secrets)
    message = f"{words}: {reason}" if reason else words
    if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_FAULT:
        raise ChannelUnavailable(message, retry_after=_asked_to_wait(answer))
    raise ChannelRefused(message)


def _asked_to_wait(answer: requests.Response) -> float | None:
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else None


def _why(error: requests.ConnectionError) -> str:
    """Say it without the error's own words, which hold the address."""
    cause = getattr(error.args[0] if error.args else None, "reason", None)
    return _WHY.get(type(cause).__name__, "the connection broke")
