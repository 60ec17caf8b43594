"""What proves who we are on each request: a token from a login, an API key, or nothing."""

from __future__ import annotations

from backup_engine.errors import AuthenticationFailed, BackupError, UnexpectedAnswer
from backup_engine.vectorizer.answers import Answer
from backup_engine.vectorizer.credentials import HIDDEN, Credentials
from backup_engine.vectorizer.refusals import Throttled

KEY_PAUSE = 60.0
"""Seconds until an API key works again: the server allows about 100 requests a minute, then says 401."""


class Authorization:
    """Keeps the token; a password is sent once per login, and only a login's refusal means that it is wrong."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token: str | None = None
        self._key_worked = False

    @property
    def login_needed(self) -> bool:
        """Whether a token must be fetched first."""
        return self._credentials.password is not None and self._token is None

    @property
    def renewable(self) -> bool:
        """Whether a 401 may mean only that the token has expired (they live an hour)."""
        return self._token is not None

    def forget(self) -> None:
        """Drop the token."""
        self._token = None

    def login_form(self) -> dict[str, str | None]:
        """Give the body of a login."""
        return {"username": self._credentials.username, "password": self._credentials.password}

    def take_token(self, answer: Answer) -> None:
        """Keep the token of a login.

        :raises UnexpectedAnswer: there is none in it
        """
        token = answer.fields().get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise UnexpectedAnswer(f"{answer.what}: the login succeeded, but its answer holds no access_token")
        self._token = token

    def accepted(self) -> None:
        """Note that the credentials worked."""
        self._key_worked = self._credentials.api_key is not None

    def headers(self) -> dict[str, str]:
        """Give the headers for one request."""
        if self._token is not None:
            return {"Authorization": f"Bearer {self._token}"}
        if self._credentials.api_key is not None:
            return {"X-API-Key": self._credentials.api_key}
        return {}

    def explained(self, error: BackupError) -> BackupError:
        """Tell a key that asked too often from one that was never good; say what is missing where nothing was given.

        A key that was revoked in the middle of a run looks like one that asked too often; trying again ends anyway.
        """
        if not isinstance(error, AuthenticationFailed):
            return error
        if self._key_worked:
            return Throttled(
                f"{error} (this key worked before: the server answers so after about 100 requests in a minute; "
                "a user and password have no such limit)",
                retry_after=KEY_PAUSE,
            )
        if self._credentials.kind == "API key":
            return AuthenticationFailed(f"{error} (keys do not survive a restart of the server: make a new one)")
        if self._credentials.kind == "none":
            return AuthenticationFailed(
                f"{error} (none were given: fill in the connection, or set VECTORIZER_USERNAME and "
                "VECTORIZER_PASSWORD, or VECTORIZER_API_KEY)"
            )
        return error

    def hidden(self, body: bytes) -> bytes:
        """Take our secrets out of what a server or proxy echoes."""
        text = self._credentials.hide(body.decode("utf-8", "replace"))
        return (text.replace(self._token, HIDDEN) if self._token else text).encode()
