"""From an address to a store in Google Cloud Storage."""

from __future__ import annotations

import os

from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Client
from requests.adapters import HTTPAdapter

from backup_engine.errors import StoreDenied
from backup_engine.storage.address import StoreAddress
from backup_engine.storage.gcs.refusals import NO_CREDENTIALS
from backup_engine.storage.gcs.store import GcsStore

CONNECTIONS = 16
"""Kept open at once by one client."""


def default_client() -> Client:
    """Make a client of what the environment says.

    Application default credentials; with STORAGE_EMULATOR_HOST that server, and nobody's credentials.

    :raises StoreDenied: it does not say enough
    """
    try:
        client = Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
    except (GoogleAuthError, OSError, ValueError) as error:  # OSError: the file it names; ValueError: what is in it
        raise StoreDenied(f"Google Cloud Storage: {NO_CREDENTIALS.format(reason=type(error).__name__)}") from error
    # The library asks its users to reach in here for more connections.
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return client


def open_gcs(address: StoreAddress, client: Client | None) -> GcsStore:
    """Give the store at the address; nothing is asked of the server yet.

    :param client: None: one with default credentials
    """
    options = address.options
    return GcsStore(
        client or default_client(),
        address.bucket,
        address.path,
        staging=options.get("staging"),
        kms_key=options.get("kms_key"),
    )
