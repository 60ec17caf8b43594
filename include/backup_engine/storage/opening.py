"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from backup_engine.errors import InvalidInput
from backup_engine.storage.contract import Store
from backup_engine.storage.local import LocalStore

_SUPPORTED = "supported is file:///absolute/path"


def open_store(url: str, client: object | None = None) -> Store:
    """Give the store that the URL names; nothing is read, made or checked yet.

    :param url: a deployment's own root
    :param client: a ready client, for stores that are reached over a network
    :raises InvalidInput: no store can have this URL; the message says what is supported
    """
    scheme = urlsplit(url).scheme
    if scheme != "file":
        named = f"{scheme}:…" if scheme else "a URL without a scheme"  # the rest may hold credentials
        raise InvalidInput(f"{named} names no store that can be opened; {_SUPPORTED}")
    path = _path(url)
    if client is not None:
        raise InvalidInput(f"{path} is a directory and takes no client; one was given")
    return LocalStore(path)


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise InvalidInput(f"a file URL with a host, a query or a fragment names no directory; {_SUPPORTED}")
    path = unquote(parts.path)
    if not path.startswith("/") or "\0" in path or ".." in path.split("/") or not path.strip("/"):
        raise InvalidInput(f"{path!r} is not the absolute path of one directory below /; {_SUPPORTED}")
    return Path(path)
