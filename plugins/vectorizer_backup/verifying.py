"""Which backups a verification reads in which store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.errors import UnknownBackup
from backup_engine.model import Clock
from backup_engine.rotation import Choice, choose_for_verification
from vectorizer_backup.tickets import VerificationTicket

if TYPE_CHECKING:
    from vectorizer_backup.connecting import Place

MOST_AT_ONCE = 1000
"""Airflow maps a task over 1,024 at most."""


def tickets_in_turn(places: Iterable[Place], count: int, clock: Clock) -> tuple[list[VerificationTicket], list[str]]:
    """Choose in each store the newest verified backup, and those unread for longest there.

    :param count: how many in each store
    :return: tickets, and a sentence for each store that holds nothing to read
    """
    tickets: list[VerificationTicket] = []
    empty: list[str] = []
    for place in places:
        choices = choose_for_verification(Catalog(place.store, clock).backups(), count)
        tickets += [_ticket(place, choice) for choice in choices]
        if not choices:
            empty.append(f"{place.store.url} holds no backup that could be read")
    return tickets[:MOST_AT_ONCE], empty


def tickets_by_name(places: Sequence[Place], names: Iterable[str], clock: Clock) -> list[VerificationTicket]:
    """Choose what was asked for, in every store that has it.

    :raises UnknownBackup: none of the stores has one of them
    """
    catalogs = [(place, Catalog(place.store, clock)) for place in places]
    found: dict[tuple[str, str], VerificationTicket] = {}
    for name in names:
        missing: list[UnknownBackup] = []
        for place, catalog in catalogs:
            try:
                backup = catalog.find(name)
            except UnknownBackup as error:
                missing.append(error)
            else:
                found[place.root, backup.name] = _ticket(place, Choice(backup, "it was asked for"))
        if len(missing) == len(catalogs):
            raise missing[0]
    return [*found.values()][:MOST_AT_ONCE]


def _ticket(place: Place, choice: Choice) -> VerificationTicket:
    backup: Backup = choice.backup
    return VerificationTicket(
        store=place.root,
        store_id=place.identity.store_id,
        folder=backup.folder,
        backup=backup.name,
        reason=choice.reason,
        copy_of_it=place.copy_of_it,
    )
