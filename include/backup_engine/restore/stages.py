"""Where a collection's restore stands, told from what the server lists and from nothing else."""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum

from backup_engine.restore.plan import PlannedCollection


class Stage(StrEnum):
    """How far the names of one collection have moved. Readers ask for the target all the while.

    * untouched: nothing has happened yet, or the collection is being loaded aside
    * away: the replaced collection has its other name; readers reach it by the alias the server left, or nothing
    * vacant: nothing has the target's name, and nothing was moved away from it
    * done: the loaded collection has the target's name
    * intruded: somebody else created the target's name meanwhile
    """

    UNTOUCHED = "untouched"
    AWAY = "away"
    VACANT = "vacant"
    DONE = "done"
    INTRUDED = "intruded"


def replacing_stage(item: PlannedCollection, listed: Container[str]) -> Stage:
    """Tell the stage of a collection that replaces another.

    Only a finished load is renamed, and the replaced collection is renamed first: so target and ``before`` without an
    ``aside`` can only mean that both renames happened.
    """
    target, aside, before = (name in listed for name in (item.target, item.aside, item.before))
    if not target:
        return Stage.AWAY if before else Stage.VACANT
    if not before:
        return Stage.UNTOUCHED
    return Stage.INTRUDED if aside else Stage.DONE


def creating_stage(item: PlannedCollection, listed: Container[str]) -> Stage:
    """Tell the stage of a collection that replaces nothing. ``DONE`` may be somebody else's collection too, unless this
    restore wrote down that it loaded and compared its own: what it does before it renames, and nobody else does.
    """
    if item.target not in listed:
        return Stage.VACANT
    return Stage.INTRUDED if item.aside in listed else Stage.DONE
