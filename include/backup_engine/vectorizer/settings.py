"""Where a server is and how patient we are with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from backup_engine.errors import ConfigurationError, InvalidInput
from backup_engine.model import ReadWay


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How to speak to a server. Times are seconds, sizes are bytes.

    :param connect_timeout: until the connection stands
    :param read_timeout: longest silence; a big page is built before its first byte is sent (a GiB takes ~10 s)
    :param deadline: all waiting for one call, repetitions included; a flush may be silent for that long
    :param page_deadline: all waiting for one page of records, our own work on it not counted
    :param attempts: how often a call that may be repeated is made at most
    :param verify: check the server's certificate, or the path of a CA bundle to check it with
    :param client_certificate: path of a PEM file with certificate and key, or paths of both
    :param page_bytes: JSON text of one page at most, which the server builds in its memory
    :param batch_bytes: body of one write at most; halved, and remembered, when the server refuses it
    :param read_with: the way to read records; None: the best that the server offers
    :param batch_records: records of one write at most: the server inserts a few hundred a second
    """

    connect_timeout: float = 10.0
    read_timeout: float = 300.0
    deadline: float = 900.0
    page_deadline: float = 7200.0
    attempts: int = 5
    verify: bool | str = True
    client_certificate: str | tuple[str, str] | None = None
    page_bytes: int = 1 << 30
    batch_bytes: int = 4_000_000
    batch_records: int = 2_000
    read_with: ReadWay | None = None

    def __post_init__(self) -> None:
        """Refuse what would never end or never begin."""
        waits = (self.connect_timeout, self.read_timeout, self.deadline, self.page_deadline)
        sizes = (self.attempts, self.page_bytes, self.batch_bytes, self.batch_records)
        if min(waits) <= 0 or min(sizes) < 1:
            raise ConfigurationError("timeouts, deadlines, attempts and sizes of the client must all be above zero")
        for path in self._certificate_paths():
            if not Path(path).exists():
                raise ConfigurationError(f"the certificate file {path} does not exist on this machine")

    def _certificate_paths(self) -> list[str]:
        bundle = [self.verify] if isinstance(self.verify, str) else []
        client = self.client_certificate or ()
        return [*bundle, client] if isinstance(client, str) else [*bundle, *client]


def checked_url(url: str) -> str:
    """Give a server's base address back without a slash at the end.

    :raises ConfigurationError: it is no http(s) address, or carries credentials, a query or a fragment
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError("the server's address cannot be read: expected http://HOST:PORT") from error
    if "@" in parts.netloc:
        raise ConfigurationError(
            "the server's address carries credentials; give them in the connection, or in VECTORIZER_USERNAME and "
            "VECTORIZER_PASSWORD or VECTORIZER_API_KEY"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{url!r} is no server's address: expected http://HOST:PORT or https://HOST")
    if parts.query or parts.fragment:
        raise ConfigurationError("the server's address has a query or a fragment; expected http://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def path_of(*segments: str) -> str:
    """Build a path of literal or foreign segments, each percent-encoded whole.

    :raises InvalidInput: a segment is empty, "." or "..", which no path can address
    """
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise InvalidInput(f"a collection named {segment!r} cannot be addressed over HTTP; rename it on the server")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)
