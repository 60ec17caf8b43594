"""Stores and servers as a task reaches them. Imported when a task runs, never when a DAG is parsed."""

from __future__ import annotations

import socket
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk import conf

from backup_engine.copies.reaching import GONE
from backup_engine.storage.address import parse_address
from backup_engine.storage.identity import check_identity, identity_for, read_identity
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.settings import checked_url
from vectorizer_backup.clients import client_of
from vectorizer_backup.hooks.vectorizer import VectorizerHook
from vectorizer_backup.sharing import executor_names, require_shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow.sdk import Context

    from backup_engine.deployment import Deployment
    from backup_engine.model import ReadWay
    from backup_engine.storage.contract import Store
    from backup_engine.storage.identity import StoreIdentity
    from backup_engine.vectorizer.server import VectorizerServer


class Place(NamedTuple):
    """A store that answers.

    :param root: its address, with connection and options
    :param copy_of_it: whether it is not the primary one
    """

    root: str
    store: Store
    identity: StoreIdentity
    copy_of_it: bool = False


def open_root(url: str) -> Store:
    """Give the store at a root, with the credentials of the connection it names; nothing is read or checked yet.

    :raises ConfigurationError: it is a directory of one machine, and tasks run on several
    :raises StoreDenied: the connection is missing, or cannot be used
    """
    address = parse_address(url)
    require_shared(address, executors())
    return open_store(url, client_of(address))


def executors() -> tuple[str, ...]:
    """Tell what runs the tasks of this Airflow."""
    return executor_names(conf.get("core", "executor", fallback="LocalExecutor"))


def store_of_deployment(deployment: Deployment) -> tuple[Store, StoreIdentity]:
    """Open a deployment's primary store.

    :raises StoreNotInitialised: it was never made, or this worker does not see it
    :raises WrongStore: it is another deployment's
    """
    place = place_of(deployment.root, deployment.name)
    return place.store, place.identity


def place_of(root: str, deployment: str) -> Place:
    """Open one of a deployment's stores.

    :raises StoreNotInitialised: it was never made, or this worker does not see it
    :raises WrongStore: it is another deployment's
    """
    store = open_root(root)
    return Place(root, store, identity_for(store, deployment))


def places_of(roots: Iterable[str], deployment: Deployment) -> tuple[list[Place], list[str]]:
    """Open those of a deployment's stores that answer.

    :return: those, and a sentence for each of the others
    """
    found: list[Place] = []
    gone: list[str] = []
    for root in roots:
        try:
            place = place_of(root, deployment.name)
        except GONE as error:
            gone.append(f"{parse_address(root).url} cannot be used now: {type(error).__name__}: {error}")
        else:
            found.append(place._replace(copy_of_it=root != deployment.root))
    return found, gone


def answering(root: str, otherwise: str, say: Callable[..., object]) -> str:
    """Give the root if there is a store that answers, else the other one.

    :param say: is told why, as a logger takes it
    """
    if root == otherwise:
        return root
    try:
        read_identity(open_root(root))
    except GONE as error:
        say("The lease is kept in %s, because %s", parse_address(otherwise).url, error)
        return otherwise
    return root


def store_of_ticket(url: str, store_id: str) -> Store:
    """Open the store that a run works on.

    :raises StoreNotInitialised: this worker does not see it
    :raises WrongStore: it is another one than the run began with
    """
    store = open_root(url)
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
