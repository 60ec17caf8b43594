"""From an Airflow connection to a Vectorizer."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from backup_engine.errors import BackupError, ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from backup_engine.model import ReadWay
    from backup_engine.vectorizer.credentials import Credentials
    from backup_engine.vectorizer.server import VectorizerServer
    from backup_engine.vectorizer.settings import ClientSettings

DEFAULT_PORT = 15002

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 300.0
"""Seconds; the server builds a whole page, up to a GiB of JSON, before it sends the first byte."""

HASTE = 30.0
"""Seconds; a loading server is silent for longer, so asking again later beats holding on."""


class VectorizerHook(BaseHook):
    """A Vectorizer, reached with the address, credentials and limits of a connection.

    The engine's client is imported when it is needed, so that the connection form and DAG files load without it.

    :param vectorizer_conn_id: the connection
    """

    conn_name_attr = "vectorizer_conn_id"
    default_conn_name = "vectorizer_default"
    conn_type = "vectorizer"
    hook_name = "Vectorizer"

    def __init__(self, vectorizer_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.vectorizer_conn_id = vectorizer_conn_id

    @cached_property
    def connection(self) -> Connection:
        """The connection, its secrets masked in every log from now on."""
        connection = self.get_connection(self.vectorizer_conn_id)
        for secret in (connection.password, connection.extra_dejson.get("api_key")):
            if secret:
                mask_secret(secret)
        return connection

    @property
    def url(self) -> str:
        """The server's address, as the connection's URL field or its host, port and schema say.

        :raises ConfigurationError: the connection names no host
        """
        host = (self.connection.host or "").strip().rstrip("/")
        if not host:
            raise ConfigurationError(
                f"connection {self.vectorizer_conn_id!r} has no URL; put one like http://HOST:{DEFAULT_PORT} there"
            )
        if "://" in host:
            return host
        scheme = self.connection.schema if self.connection.schema in {"http", "https"} else "http"
        return f"{scheme}://{host}:{self.connection.port or DEFAULT_PORT}"

    def get_conn(self, read_with: ReadWay | None = None) -> VectorizerServer:
        """Give the server; nothing is asked of it yet.

        :param read_with: the way to read records; None: the best that the server offers
        """
        from backup_engine.vectorizer.server import connect

        return connect(self.url, self._credentials(), replace(self._settings(), read_with=read_with))

    def get_hasty_conn(self) -> VectorizerServer:
        """Give the server for a single look that somebody waits for: one try, half a minute."""
        from backup_engine.vectorizer.server import connect

        usual = self._settings()
        limits = replace(usual, read_timeout=min(usual.read_timeout, HASTE), deadline=HASTE, attempts=1)
        return connect(self.url, self._credentials(), limits)

    def test_connection(self) -> tuple[bool, str]:
        """Ask the server for its version and its collections, as the form's test button does."""
        try:
            server = self.get_hasty_conn()
            facts, states = server.facts(), server.collections()
        except BackupError as error:
            return False, f"{type(error).__name__}: {error}"
        vectors = sum(state.vectors for state in states)
        return True, f"Vectorizer {facts.version} at {facts.url} lists {len(states)} collections, {vectors:,} vectors"

    def _credentials(self) -> Credentials:
        from backup_engine.vectorizer.credentials import Credentials

        connection = self.connection
        key = connection.extra_dejson.get("api_key") or None
        return Credentials(connection.login or None, connection.password or None, key)

    def _settings(self) -> ClientSettings:
        from backup_engine.vectorizer.settings import ClientSettings

        extra: dict[str, Any] = self.connection.extra_dejson
        verify = extra.get("verify_tls", True)
        if not isinstance(verify, bool):
            raise ConfigurationError(
                f"connection {self.vectorizer_conn_id!r}: verify_tls is {verify!r}; true or false was expected"
            )
        return ClientSettings(
            connect_timeout=self._seconds("connect_timeout", CONNECT_TIMEOUT),
            read_timeout=self._seconds("read_timeout", READ_TIMEOUT),
            verify=(extra.get("ca_bundle") or True) if verify else False,
        )

    def _seconds(self, name: str, default: float) -> float:
        value = self.connection.extra_dejson.get(name)
        try:
            return default if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"connection {self.vectorizer_conn_id!r}: {name} is {value!r}; a number of seconds was expected"
            ) from error
