"""Give the loaded collections their names, in the one order that is safe while readers ask for them.

A reader that names a collection which only the server's disk knows makes the server load it from there, even over a
collection that gets the name meanwhile. So nothing on disk may answer to a name at the moment when nothing in memory
does: rename the live one away (readers follow the alias), flush, drop the alias, rename the loaded one in, drop its
alias, flush.
"""

from __future__ import annotations

from collections.abc import Iterable

from backup_engine import wording
from backup_engine.errors import CollectionExists, RestoreRefused, ServerFault
from backup_engine.restore.plan import PlannedCollection
from backup_engine.restore.stages import Stage, replacing_stage
from backup_engine.restore.work import Change


def publish(work: Change, item: PlannedCollection) -> None:
    """Give a loaded collection a name that nothing has.

    The disk may still know the name (of a collection deleted before a flush): once is enough for all names that
    nothing in memory has.
    """
    if not work.names_forgotten:
        work.flush()
    work.guard.check()
    _rename_in(work, item)


def replace_all(work: Change, items: Iterable[PlannedCollection]) -> None:
    """Put the loaded collections in the place of the live ones, all of them between the same two flushes."""
    ready = tuple(items)
    _require_asides(work, ready)
    for item in _at(work, ready, Stage.UNTOUCHED):
        work.guard.check()
        work.server.rename_collection(item.target, _name(item.before))
    moved = (*_at(work, ready, Stage.AWAY), *_at(work, ready, Stage.VACANT))
    if moved:
        work.flush()
    for item in moved:
        work.guard.check()
        if work.server.aliases().get(item.target) in {item.before, item.aside}:
            work.server.delete_alias(item.target)
        _rename_in(work, item)
    for item in _at(work, ready, Stage.INTRUDED):
        raise intruded(work, item)


def tidy(work: Change, item: PlannedCollection) -> None:
    """Drop the alias that the loaded collection's first name became."""
    if item.aside in work.server.aliases():
        work.server.delete_alias(_name(item.aside))


def _rename_in(work: Change, item: PlannedCollection) -> None:
    try:
        work.server.rename_collection(_name(item.aside), item.target)
    except CollectionExists as error:
        raise intruded(work, item) from error
    tidy(work, item)


def _at(work: Change, items: Iterable[PlannedCollection], stage: Stage) -> tuple[PlannedCollection, ...]:
    listed = {state.name for state in work.server.collections()}
    return tuple(item for item in items if replacing_stage(item, listed) is stage)


def intruded(work: Change, item: PlannedCollection) -> RestoreRefused:
    """Say that the target's name is taken, and what to do."""
    return RestoreRefused(
        f"somebody created {item.target!r} on {work.plan.server_url} while it was being restored; the restored one is "
        f"{item.aside!r}, nothing was overwritten: delete or rename the new {item.target!r}, keep its writers away, "
        f"and {work.again} {work.plan.request.restore_id}"
    )


def _require_asides(work: Change, items: Iterable[PlannedCollection]) -> None:
    listed = {state.name for state in work.server.collections()}
    gone = [repr(item.aside) for item in items if item.aside not in listed]
    if gone:
        raise ServerFault(f"{wording.listing(gone)} vanished after loading: the server restarted; try again")


def _name(name: str | None) -> str:
    if name is None:
        raise AssertionError("a collection that is loaded in place has nothing to swap")
    return name
