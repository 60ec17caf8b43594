"""Who we are to a Vectorizer. Secrets live here and in request headers, nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backup_engine.errors import ConfigurationError

HIDDEN = "***"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user with a password, an API key, or nothing (a server without authentication).

    API keys are never administrators and are limited to about 100 requests a minute; a user's token is not.
    """

    username: str | None = None
    password: str | None = field(default=None)
    api_key: str | None = field(default=None)

    def __post_init__(self) -> None:
        """Refuse half of a pair, and both ways at once."""
        if self.api_key is not None and (self.username is not None or self.password is not None):
            raise ConfigurationError("both an API key and a user were given for the server; give one of them")
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "user name"
            raise ConfigurationError(
                f"the {missing} for the server is missing; give user name and password, or neither"
            )
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise ConfigurationError("the API key for the server is empty or holds characters no key can have")

    def __repr__(self) -> str:
        """Tell the kind only."""
        return f"Credentials({self.kind})"

    @property
    def kind(self) -> str:
        """Name what these are: "password", "API key" or "none"."""
        if self.password is not None:
            return "password"
        return "none" if self.api_key is None else "API key"

    def hide(self, text: str) -> str:
        """Take our secrets out of a text that came from outside (a server may echo what it was sent)."""
        for secret in (self.password, self.api_key):
            if secret:
                text = text.replace(secret, HIDDEN)
        return text


def from_environment(environment: Mapping[str, str]) -> Credentials:
    """Take VECTORIZER_USERNAME with VECTORIZER_PASSWORD, or VECTORIZER_API_KEY, or VECTORIZER_API_KEY_FILE.

    :raises ConfigurationError: they contradict each other, or the key file cannot be read
    """
    key = environment.get("VECTORIZER_API_KEY") or None
    key_file = environment.get("VECTORIZER_API_KEY_FILE") or None
    if key and key_file:
        raise ConfigurationError("both VECTORIZER_API_KEY and VECTORIZER_API_KEY_FILE are set; set one of them")
    return Credentials(
        username=environment.get("VECTORIZER_USERNAME") or None,
        password=environment.get("VECTORIZER_PASSWORD") or None,
        api_key=key.strip() if key else _read_key(key_file) if key_file else None,
    )


def _read_key(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"VECTORIZER_API_KEY_FILE names {path}, which cannot be read: {reason}") from error
