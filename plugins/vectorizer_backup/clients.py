"""Clients of buckets, made from Airflow's connections. The clouds' libraries are imported where they are used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from backup_engine.errors import StoreDenied
from backup_engine.storage.address import Scheme, StoreAddress, parse_address
from vectorizer_backup.dag_defaults import deployments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Connection

    from backup_engine.deployment import Deployment

_TYPES: Mapping[Scheme, str] = {Scheme.S3: "aws", Scheme.GS: "google_cloud_platform"}
_HOW_TO_ADD: Mapping[Scheme, str] = {
    Scheme.S3: '--conn-type aws --conn-login KEY_ID --conn-password SECRET --conn-extra \'{"region_name": "…"}\'',
    Scheme.GS: '--conn-type google_cloud_platform --conn-extra \'{"key_path": "/path/of/key.json"}\'',
}
_ENDPOINTS: Mapping[Scheme, tuple[str, ...]] = {
    Scheme.S3: ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    Scheme.GS: ("STORAGE_EMULATOR_HOST",),
}


def client_of(address: StoreAddress) -> Any | None:
    """Make the client of a bucket with the connection that its address names.

    :return: None for a directory, and for an address without a connection: the worker's own credentials are taken then
    :raises StoreDenied: the connection is missing, or is none for this kind of bucket
    """
    if address.connection is None:
        return None
    connection = _connection(address)
    return _s3(address, connection) if address.scheme is Scheme.S3 else _gcs(address)


def _s3(address: StoreAddress, connection: Connection) -> Any:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    from backup_engine.storage.s3.opening import client_config

    extra = connection.extra_dejson
    try:
        # A hook that is given a configuration no longer looks at the connection's own.
        config = client_config(_own_endpoint(connection)).merge(Config(**(extra.get("config_kwargs") or {})))
        return S3Hook(aws_conn_id=address.connection, config=config).get_conn()
    except (BotoCoreError, AirflowException, ValueError, TypeError) as error:
        raise _unusable(address, f"{type(error).__name__}: {error}") from error


def endpoint_of(address: StoreAddress) -> str | None:
    """Tell where the bucket is served, when neither Amazon nor Google does; None when they do."""
    if address.scheme is Scheme.S3 and address.connection:
        return _own_endpoint(_connection(address))
    return next(filter(None, map(os.environ.get, _ENDPOINTS.get(address.scheme, ()))), None)


def _own_endpoint(connection: Connection) -> str | None:
    extra = connection.extra_dejson
    own = extra.get("service_config", {}).get("s3", {}).get("endpoint_url") or extra.get("endpoint_url")
    return str(own) if own else None


def _gcs(address: StoreAddress) -> Any:
    from airflow.providers.google.cloud.hooks.gcs import GCSHook
    from google.auth.exceptions import GoogleAuthError

    try:
        return GCSHook(gcp_conn_id=str(address.connection)).get_conn()
    except (GoogleAuthError, AirflowException, ValueError, OSError) as error:
        raise _unusable(address, f"{type(error).__name__}: {error}") from error


def _connection(address: StoreAddress) -> Connection:
    """Look it up: S3Hook would go on without one that is missing, with whatever credentials it finds."""
    wanted = _TYPES[address.scheme]
    try:
        found = BaseHook.get_connection(str(address.connection))
    except AirflowNotFoundException as error:
        raise _unusable(address, "Airflow has none of this name") from error
    if found.conn_type and found.conn_type != wanted:
        raise _unusable(address, f"it is of type {found.conn_type!r}, {wanted!r} was expected")
    return found


def _unusable(address: StoreAddress, why: str) -> StoreDenied:
    named = entries_naming(address, deployments().deployments.values())
    where = f", which {' and '.join(named)} in deployments.yaml names," if named else ""
    return StoreDenied(
        f"{address.url}: the connection {address.connection!r}{where} cannot be used: {why}. Add or correct it under "
        f"Admin, Connections, or: airflow connections add {address.connection} {_HOW_TO_ADD[address.scheme]}"
    )


def entries_naming(address: StoreAddress, known: Iterable[Deployment]) -> list[str]:
    """Tell which entries of the configuration name this place."""
    found = []
    for deployment in known:
        for entry, roots in (("store", (deployment.root,)), ("copies", deployment.copy_roots)):
            if any(parse_address(root).url == address.url for root in roots):
                found.append(f"`{entry}` of deployment {deployment.name!r}")
    return found
