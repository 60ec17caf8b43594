"""Make aliases stand for the restored collections."""

from __future__ import annotations

from backup_engine.errors import CollectionExists
from backup_engine.restore.work import Work


def make_aliases(work: Work) -> dict[str, str]:
    """Make the planned aliases; what stands in the way of one is noted. Gives those that stand as planned.

    The server lets aliases follow a collection that is renamed, so those of a replaced one stand for what was kept
    of it by now.
    """
    kept = {item.before for item in work.plan.collections}
    made = {}
    for alias, collection in work.plan.aliases.items():
        holder = work.server.aliases().get(alias)
        if holder is not None and holder in kept:
            work.server.delete_alias(alias)
            holder = None
        if holder is None:
            holder = _create(work, alias, collection)
        if holder == collection:
            made[alias] = collection
        else:
            work.notes.append(f"the alias {alias!r} was not made for {collection!r}: {holder}")
    return made


def _create(work: Work, alias: str, collection: str) -> str:
    try:
        work.server.create_alias(alias, collection)
    except CollectionExists as error:
        return str(error)
    return collection
