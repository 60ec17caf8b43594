"""Which aliases a restore makes again. The server keeps them in memory only: a restart forgets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backup_engine.archive.manifest import Manifest
from backup_engine.restore.names import is_reserved
from backup_engine.restore.plan import Action, PlannedCollection
from backup_engine.restore.view import ServerView


def plan_aliases(
    manifest: Manifest, collections: Iterable[PlannedCollection], view: ServerView
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give alias to collection as it will be afterwards, and a warning for each alias that cannot be made again.

    Aliases that stand for a collection that is replaced go on standing for it. Those that the backup recorded are
    made again where the name is free, and not for a collection that is restored under another name.
    """
    items = tuple(collections)
    replaced = {item.target for item in items if item.action is Action.REPLACE}
    kept = {alias: name for alias, name in view.aliases.items() if name in replaced and not is_reserved(alias)}
    restored = {item.source: item.target for item in items}
    recorded = [(alias, name) for alias, name in sorted(manifest.private.aliases.items()) if name in restored]
    taken = {**dict.fromkeys(view.states, ""), **dict.fromkeys(restored.values(), ""), **view.aliases}
    free, warnings = dict(kept), list[str]()
    for alias, name in recorded:
        problem = next(_problems(alias, name, restored[name], taken), None)
        if problem is None:
            free[alias] = name
        elif alias not in kept:
            warnings.append(f"the alias {alias!r} of {name!r} is not made again: {problem}")
    return free, tuple(warnings)


def _problems(alias: str, name: str, target: str, taken: dict[str, str]) -> Iterator[str]:
    if is_reserved(alias):
        yield "restores keep such names for themselves"
    if target != name:
        yield f"the collection is restored as {target!r}"
    if taken.get(alias) == "":
        yield "a collection has this name"
    if taken.get(alias, name) != name:
        yield f"it stands for {taken[alias]!r} on the server"
