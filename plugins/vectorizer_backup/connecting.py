"""Stores and servers as a task reaches them. Imported when a task runs, never when a DAG is parsed."""

from __future__ import annotations

import socket
from secrets import token_hex
from typing import TYPE_CHECKING

from backup_engine.errors import WrongStore
from backup_engine.storage.identity import check_identity, read_identity
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.settings import checked_url
from vectorizer_backup.hooks.vectorizer import VectorizerHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from backup_engine.deployment import Deployment
    from backup_engine.model import ReadWay
    from backup_engine.storage.contract import Store
    from backup_engine.storage.identity import StoreIdentity
    from backup_engine.vectorizer.server import VectorizerServer


def store_of_deployment(deployment: Deployment) -> tuple[Store, StoreIdentity]:
    """Open the store that the configuration names.

    :raises StoreNotInitialised: it was never made, or this worker does not see it
    :raises WrongStore: it is another deployment's
    """
    store = open_store(deployment.root)
    identity = read_identity(store)
    if identity.deployment != deployment.name:
        raise WrongStore(
            f"{store.url} is the store of deployment {identity.deployment!r}, not of {deployment.name!r}; correct "
            "`store` in deployments.yaml"
        )
    return store, identity


def store_of_ticket(url: str, store_id: str) -> Store:
    """Open the store that a run works on.

    :raises StoreNotInitialised: this worker does not see it
    :raises WrongStore: it is another one than the run began with
    """
    store = open_store(url)
    check_identity(store, store_id)
    return store


def server_of(connection: str, read_with: ReadWay | None = None) -> VectorizerServer:
    """Give the server behind a connection; nothing is asked of it yet.

    :param read_with: the way to read records; None: the best that the server offers
    """
    return VectorizerHook(connection).get_conn(read_with)


def address_of(connection: str) -> str:
    """Tell the address behind a connection, written as plans have it."""
    return checked_url(VectorizerHook(connection).url)


def new_token() -> str:
    """Make a name that no other attempt has."""
    return token_hex(6)


def owner(context: Context) -> str:
    """Name this task to whoever finds its lease."""
    run = context["dag_run"]
    return f"{run.dag_id} {run.run_id} on {socket.gethostname()}"
