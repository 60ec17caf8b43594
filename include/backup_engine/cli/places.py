"""From options to stores: exactly the one that is named, or those of a deployment, the primary first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import typer

from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.cli.context import find_deployment
from backup_engine.cli.output import say, say_once
from backup_engine.copies.reaching import GONE, find_backup, reach
from backup_engine.model import system_clock
from backup_engine.restore.guard import LeasePlace
from backup_engine.restore.journal import stored_plan
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity
from backup_engine.storage.opening import open_store


def open_root(url: str) -> Store:
    """Open an address with the credentials of this environment, whatever connection it names."""
    connection = parse_address(url).connection
    if connection is not None:
        say_once(
            f"{connection}@ in an address is a connection of Airflow and ignored here: the credentials are those of "
            "this environment"
        )
    return open_store(url)


def primary_of(store: str | None, deployment: str | None) -> Store:
    """Open the root that is written to: the one that is named, or the deployment's primary."""
    return open_root(_roots(store, deployment)[0])


def store_to_read(store: str | None, deployment: str | None) -> Store:
    """Open the root that is named, or the first of the deployment's places that answers."""
    roots = _roots(store, deployment)
    if deployment is None:
        return open_root(roots[0])
    reached = reach(roots, open_root, deployment=deployment)
    _say_passed_over(reached.passed_over, reached.store)
    return reached.store


def backup_to_read(
    store: str | None,
    deployment: str | None,
    point: str,
    *,
    whole: bool = True,
    collections: Collection[str] | None = None,
) -> tuple[Store, Backup]:
    """Find a backup in the root that is named, or in the first of the deployment's places that has it.

    :param whole: pass a place over that has it damaged
    :param collections: names of those that will be read; None: all
    """
    roots = _roots(store, deployment)
    if deployment is None:
        opened = open_root(roots[0])
        return opened, Catalog(opened, system_clock).find(point)
    found = find_backup(
        roots, open_root, point, system_clock, deployment=deployment, whole=whole, collections=collections
    )
    _say_passed_over(found.passed_over, found.store)
    return found.store, found.backup


def stores_that_answer(store: str | None, deployment: str | None) -> Iterator[Store]:
    """Open the root that is named, or every one of the deployment's places that answers.

    :raises StoreUnavailable: none of them does
    """
    first = store_to_read(store, deployment)
    yield first
    for root in _roots(store, deployment):
        opened = open_root(root)
        if opened.url != first.url and _answers(opened):
            yield opened


def store_of_restore(store: str | None, deployment: str | None, restore_id: str) -> Store:
    """Give the place that remembers the restore; where none does, the first that answers, which says so itself."""
    places = [*stores_that_answer(store, deployment)]
    return next((place for place in places if stored_plan(place, restore_id) is not None), places[0])


def lease_of(opened: Store, deployment: str | None) -> LeasePlace:
    """Tell where the server's lease lies: where its captures look for it, in the first place that answers."""
    if deployment is None:
        return LeasePlace(opened)
    return LeasePlace(reach(_roots(None, deployment), open_root, deployment=deployment).store)


def shown(url: str) -> str:
    """Write an address for people, without connection and options."""
    return parse_address(url).url


def _roots(store: str | None, deployment: str | None) -> Sequence[str]:
    if (store is None) == (deployment is None):
        raise typer.BadParameter("give either --store URL or --deployment NAME", param_hint="--store")
    return [store] if store is not None else find_deployment(str(deployment)).roots


def _answers(store: Store) -> bool:
    try:
        read_identity(store)
    except GONE as error:
        say(f"not asked: {error}")
        return False
    return True


def _say_passed_over(sentences: Sequence[str], store: Store) -> None:
    if sentences:
        say(f"{'; '.join(sentences)}; reading from {store.url}")
