"""One call to an address outside, which raises the alarm itself when no call comes."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.sdk import BaseHook

from backup_engine.errors import ConfigurationError, ServerUnavailable

if TYPE_CHECKING:
    from airflow.sdk import Connection

TRIES = 3
_PAUSE = 2.0  # seconds
_CONNECT, _READ = 5.0, 10.0  # seconds


def send_heartbeat(connection: str, pause: Callable[[float], object] = sleep) -> str:
    """Call the address that a connection holds: its host, then its password, which is the secret part of it.

    :return: whose address it is, without anything secret
    :raises ConfigurationError: the connection holds no address
    :raises ServerUnavailable: there was no good answer, after some tries
    """
    url = _address(BaseHook.get_connection(connection))
    host = urlsplit(url).hostname or ""
    problem = ""
    for number in range(TRIES):
        if number:
            pause(_PAUSE * number)
        problem = _tried(url)
        if not problem:
            return host
    raise ServerUnavailable(f"the heartbeat did not reach {host} (connection {connection!r}): {problem}")


def _tried(url: str) -> str:
    import requests

    try:
        answer = requests.get(url, timeout=(_CONNECT, _READ), allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__  # its words hold the address, and that is a secret
    return "" if answer.ok and not answer.is_redirect else f"it answered {answer.status_code}"


def _address(connection: Connection) -> str:
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        raise ConfigurationError(
            f"connection {connection.conn_id!r} has no host; put the heartbeat's address there, like "
            "https://hc-ping.com, and what follows in it, which is a secret, into the password"
        )
    if "://" not in host:
        scheme = connection.schema if connection.schema in {"http", "https"} else "https"
        host = f"{scheme}://{host}"
    port = f":{connection.port}" if connection.port else ""
    secret = (connection.password or "").strip().strip("/")
    return f"{host}{port}/{secret}" if secret else f"{host}{port}"
