"""From an address to a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backup_engine.errors import InvalidInput
from backup_engine.storage.address import Scheme, StoreAddress, parse_address
from backup_engine.storage.contract import Store
from backup_engine.storage.local import LocalStore


def open_store(url: str, client: Any = None) -> Store:  # noqa: ANN401 - boto3's and Google's have nothing in common
    """Give the store at the address; nothing is read, made or checked yet.

    :param url: a deployment's own root, as ``parse_address`` reads it
    :param client: a ready S3 client or Google Cloud Storage client; None: one with default credentials, whatever
        connection the address names
    :raises InvalidInput: no store can have this address; the message says what is supported
    """
    address = parse_address(url)
    if address.scheme is not Scheme.FILE:
        return _open_bucket(address, client)
    if client is not None:
        raise InvalidInput(f"{address.url} is a directory and takes no client; one was given")
    return LocalStore(Path(address.path))


def _open_bucket(address: StoreAddress, client: Any) -> Store:  # noqa: ANN401
    """Import a cloud's libraries where that cloud is used: each takes some tenths of a second and tens of MiB."""
    if address.scheme is Scheme.S3:
        from backup_engine.storage.s3.opening import open_s3

        return open_s3(address, client)
    from backup_engine.storage.gcs.opening import open_gcs

    return open_gcs(address, client)
