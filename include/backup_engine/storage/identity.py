"""Which store this is: told by its store.json, so that an empty mount point is never taken for an empty store."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from pydantic import ValidationError

from backup_engine.errors import (
    InvalidInput,
    ObjectExists,
    ObjectNotFound,
    StoreNotInitialised,
    UnknownFormat,
    WrongStore,
)
from backup_engine.model import Clock, Document, Moment
from backup_engine.storage.contract import Store, read_bytes

IDENTITY_KEY = "store.json"

_DEPLOYMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
_LIMIT = 64 << 10  # bytes; a store.json has about 150


class StoreIdentity(Document):
    """Whose store it is. Written once, never changed."""

    deployment: str
    store_id: str
    created_at: Moment


@runtime_checkable
class _Rooted(Protocol):
    """A store whose root has to be made before anything can lie in it."""

    def create_root(self) -> None:
        """Make it; one that exists is fine."""


def init_store(store: Store, deployment: str, clock: Clock, new_id: Callable[[], str]) -> StoreIdentity:
    """Make the place a store, once; again for the same deployment gives what is there.

    :param new_id: makes an id that no other store has
    :raises InvalidInput: it is another deployment's store, or the name is none
    """
    if not _DEPLOYMENT.match(deployment):
        raise InvalidInput(f"{deployment!r} is no deployment's name: up to 40 of a-z 0-9 - were expected, not - first")
    if isinstance(store, _Rooted):
        store.create_root()
    identity = StoreIdentity(deployment=deployment, store_id=new_id(), created_at=clock())
    try:
        store.create(IDENTITY_KEY, [identity.model_dump_json().encode()])
    except ObjectExists:
        return _same_deployment(store, deployment)
    return identity


def read_identity(store: Store) -> StoreIdentity:
    """Tell whose store it is.

    :raises StoreNotInitialised: there is no store here, as seen from this host
    :raises UnknownFormat: its store.json is not one of this product
    """
    try:
        content = read_bytes(store, IDENTITY_KEY, limit=_LIMIT)
    except ObjectNotFound as error:
        raise StoreNotInitialised(
            f"{socket.gethostname()}: {store.url} holds no {IDENTITY_KEY}, so it is not a store, or not mounted or not "
            "shared on this host: mount it, or make a new one with `store init`"
        ) from error
    try:
        return StoreIdentity.model_validate_json(content)
    except ValidationError as error:
        raise UnknownFormat(
            f"{store.url}/{IDENTITY_KEY} is not this product's ({error.error_count()} of its fields are wrong): "
            "name another root, or bring back the original file"
        ) from error


def identity_for(store: Store, deployment: str) -> StoreIdentity:
    """Tell which store of the deployment it is.

    :raises StoreNotInitialised: there is no store here, as seen from this host
    :raises WrongStore: it is another deployment's
    """
    found = read_identity(store)
    if found.deployment != deployment:
        raise WrongStore(
            f"{store.url} is the store of deployment {found.deployment!r}, not of {deployment!r}; correct `store` or "
            "`copies` in deployments.yaml"
        )
    return found


def check_identity(store: Store, store_id: str) -> StoreIdentity:
    """Make sure that this is the store which a plan names, before anything is read from it or written to it.

    :raises StoreNotInitialised: there is no store here
    :raises WrongStore: it is another one
    """
    found = read_identity(store)
    if found.store_id != store_id:
        raise WrongStore(
            f"{socket.gethostname()}: {store.url} is store {found.store_id} of deployment {found.deployment!r}, "
            f"but the plan was made for store {store_id}: mount that one, or plan again"
        )
    return found


def _same_deployment(store: Store, deployment: str) -> StoreIdentity:
    found = read_identity(store)
    if found.deployment != deployment:
        raise InvalidInput(
            f"{store.url} is the store of deployment {found.deployment!r} since {found.created_at:%Y-%m-%d}; "
            f"give {deployment!r} a root of its own"
        )
    return found
