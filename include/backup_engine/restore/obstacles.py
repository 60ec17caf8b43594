"""What on the server stands against one planned collection."""

from __future__ import annotations

from collections.abc import Iterator

from backup_engine import wording
from backup_engine.archive.manifest import Standing
from backup_engine.model import CollectionConfiguration, Hnsw, Quantization, ServerFacts
from backup_engine.restore.in_place_planning import against_in_place
from backup_engine.restore.names import parse_reserved
from backup_engine.restore.plan import Action, PlannedCollection, Refusal
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.restore.selection import Chosen
from backup_engine.restore.view import ServerView


def creatable(configuration: CollectionConfiguration, facts: ServerFacts) -> bool:
    """Whether the server can create such a collection, as far as it is known beforehand: the only way to one that is
    not quantized takes no settings of the index and no shards, and newer servers have their say on the dimension.
    """
    if configuration.quantization is not Quantization.NONE:
        return True
    possible = facts.unquantized_dimensions
    plain = configuration.hnsw == Hnsw() and configuration.shards is None
    return plain and (possible is None or configuration.dimension in possible)


def obstacles(item: PlannedCollection, chosen: Chosen, request: RestoreRequest, view: ServerView) -> Iterator[Refusal]:
    """Give every reason why this collection cannot be restored as planned."""
    yield from _name_taken(item, request, view)
    yield from _unfinished(item, view)
    yield from _begun(item, request, view)
    if item.action is Action.REPLACE:
        yield from _against_replacing(item, chosen, request, view)
    if item.action is Action.MERGE:
        yield from _against_merging(item, chosen, view)
    elif item.in_place:
        yield from against_in_place(item, view)
    else:
        yield from _against_creating(item, chosen, request, view)


def _name_taken(item: PlannedCollection, request: RestoreRequest, view: ServerView) -> Iterator[Refusal]:
    if item.target in view.states and request.mode is RestoreMode.NEW:
        text = (
            f"{item.target!r} exists ({wording.count(view.states[item.target].vectors, 'vector')}), and mode new "
            "replaces nothing; choose mode merge or replace, or rename it"
        )
        yield Refusal(kind="refused", text=text)
    if item.target in view.aliases and item.target not in view.states:
        text = f"{item.target!r} is an alias of {view.aliases[item.target]!r}; drop the alias, or rename it"
        yield Refusal(kind="refused", text=text)


def _unfinished(item: PlannedCollection, view: ServerView) -> Iterator[Refusal]:
    """Another restore took the live collection away and did not come back."""
    for name in sorted(view.states):
        held = parse_reserved(name)
        if held and held.kind == "before" and held.collection == item.target and item.target not in view.states:
            text = (
                f"restore {held.restore_id} stopped while it replaced {item.target!r}, which is kept as {name!r}; "
                f"resume or release {held.restore_id} first"
            )
            yield Refusal(kind="refused", text=text)


def _begun(item: PlannedCollection, request: RestoreRequest, view: ServerView) -> Iterator[Refusal]:
    """Refuse an id under which a restore has been here already."""
    for name in (item.aside, item.before):
        if name in view.states or name in view.aliases:
            text = f"{name!r} exists: restore {request.restore_id} began already; resume it, or take another restore id"
            yield Refusal(kind="invalid", text=text)


def _against_replacing(
    item: PlannedCollection, chosen: Chosen, request: RestoreRequest, view: ServerView
) -> Iterator[Refusal]:
    if not item.in_place and not view.can_rename_to(item.target):
        cause = (
            "renames to no name with a slash in it or a blank around it"
            if view.can_rename
            else "cannot rename collections (3.3.0 can)"
        )
        here = "in place (the undo is a snapshot on the server), " if view.can_snapshot(item.target) else ""
        text = (
            f"{item.target!r} cannot be replaced: Vectorizer {view.facts.version} {cause}; restore {here}with mode "
            "merge, under another name, or delete it and restore with mode new"
        )
        yield Refusal(kind="unsupported", text=text)
    if chosen.summary.standing is Standing.INCOMPLETE and not request.allow_incomplete:
        text = (
            f"{item.source!r} is incomplete in the backup ({chosen.summary.vectors:,} of "
            f"{chosen.summary.counted:,} vectors) and would replace what the server has; restore it under another "
            "name, with mode merge, or allow incomplete ones"
        )
        yield Refusal(kind="refused", text=text)


def _against_merging(item: PlannedCollection, chosen: Chosen, view: ServerView) -> Iterator[Refusal]:
    live, saved = view.configurations.get(item.target), chosen.private.configuration
    if live is None or saved is None:
        yield Refusal(kind="refused", text=f"the server could not load {item.target!r}; choose mode replace")
        return
    if (live.dimension, live.metric) != (saved.dimension, saved.metric):
        text = (
            f"{item.source!r} has {saved.dimension} dimensions and metric {saved.metric.value}, {item.target!r} on the "
            f"server {live.dimension} and {live.metric.value}; rename it, or choose mode replace"
        )
        yield Refusal(kind="refused", text=text)


def _against_creating(
    item: PlannedCollection, chosen: Chosen, request: RestoreRequest, view: ServerView
) -> Iterator[Refusal]:
    saved = chosen.private.configuration
    if saved is None or creatable(saved, view.facts) or request.allow_quantization:
        return
    possible = view.facts.unquantized_dimensions
    dimensions = "any dimension" if possible is None else wording.listing(map(str, possible)) or "no dimension at all"
    text = (
        f"{item.source!r} was kept as floats with {saved.dimension} dimensions and index settings m {saved.hnsw.m}, "
        f"ef_construct {saved.hnsw.ef_construct}, ef_search {saved.hnsw.ef_search}; Vectorizer {view.facts.version} "
        f"creates such collections only with the dimension of its embedding provider ({dimensions}) and its own index "
        "settings; allow quantization to restore it as SQ8, or restore to a server whose provider fits"
    )
    yield Refusal(kind="unsupported", text=text)
