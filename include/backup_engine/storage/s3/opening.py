"""From an address to a store in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from backup_engine.errors import StoreDenied
from backup_engine.storage.address import Scheme, StoreAddress
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.store import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONNECT_SECONDS = 10
"""How long a connection may take to come about."""
READ_SECONDS = 60
"""How long the server may be silent in the middle of an answer."""
ATTEMPTS = 6
"""How often a request is made before it counts as failed. Between two lies a random time of at most 20 s, so a
storm of 503 is waited out for up to some minute and a half."""
CONNECTIONS = 16
"""Kept open at once by one client."""


def client_config(endpoint_url: str | None = None) -> Config:
    """Give what every client of a store needs: timeouts, bounded retries, and no checksums but our own.

    boto3's own checksums would go in a trailer, which many servers do not take; every write here brings its own.

    :param endpoint_url: of a server that is not Amazon's: it is then asked for ``/bucket/key``, for a name
        ``bucket.host`` seldom resolves there
    """
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint_url and not _of_amazon(endpoint_url) else None,
    )


def default_client() -> S3Client:
    """Make a client of what the environment says: AWS_PROFILE or AWS_ACCESS_KEY_ID or a role, AWS_ENDPOINT_URL_S3.

    :raises StoreDenied: it does not say enough
    """
    try:
        session = boto3.session.Session()
        client: S3Client = session.client("s3", config=client_config())
        endpoint = client.meta.endpoint_url
        return client if _of_amazon(endpoint) else session.client("s3", config=client_config(endpoint))
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise StoreDenied(
            f"no S3 client can be made ({type(error).__name__}): check AWS_PROFILE, AWS_DEFAULT_REGION and "
            "AWS_ENDPOINT_URL_S3 and ~/.aws/config"
        ) from error


def open_s3(address: StoreAddress, client: S3Client | None) -> S3Store:
    """Give the store at the address; nothing is asked of the server yet.

    :param client: None: one with default credentials
    """
    options = address.options
    layout = Layout(Scheme.S3, address.bucket, address.path, options.get("staging"))
    return S3Store(client or default_client(), layout, sse=options.get("sse"), kms_key=options.get("kms_key"))


def _of_amazon(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
