"""Decide what a restore will do, from the backup's manifest and one look at the server, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator

from backup_engine import wording
from backup_engine.archive.manifest import BackupState, Manifest, Standing
from backup_engine.model import CollectionConfiguration, Quantization, ServerFacts
from backup_engine.ports import Source
from backup_engine.restore.alias_planning import plan_aliases
from backup_engine.restore.in_place_planning import warnings_in_place
from backup_engine.restore.journal import keep_plan, stored_plan
from backup_engine.restore.memory import second_copies
from backup_engine.restore.names import aside_name, before_name, parse_reserved
from backup_engine.restore.obstacles import creatable, obstacles
from backup_engine.restore.plan import Action, PlannedCollection, Refusal, RestorePlan, raise_refusals
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.restore.selection import Chosen, Selection, select
from backup_engine.restore.view import ServerView, look
from backup_engine.storage.contract import Store

DEFAULT_RATE = 300.0
"""Vectors a second that a server takes back: it inserts each into its index under one lock. Measured on 3.5.0, two
cores, 20,000 x 384: 293 to 322, whatever the way in (reference, section 0, rates)."""

_YOUNG = 15 * 60  # seconds; a server that started less long ago may still be loading and never says so


def plan_restore(
    request: RestoreRequest, manifest: Manifest, view: ServerView, *, rate: float = DEFAULT_RATE
) -> RestorePlan:
    """Plan a restore. Reasons against it are gathered in ``refusals``, all of them, and nothing is raised.

    :param view: with the configurations of those targets the server lists
    :param rate: vectors a second the server is expected to take
    """
    selection = select(request, manifest)
    collections = tuple(_planned(chosen, request, view, rate) for chosen in selection.chosen)
    aliases, alias_warnings = plan_aliases(manifest, collections, view)
    targets = {item.target for item in collections}
    return RestorePlan(
        request=request,
        folder=manifest.clear.folder,
        state=manifest.clear.state,
        captured_at=manifest.clear.captured_at,
        server_url=view.facts.url,
        server_version=view.facts.version,
        rate=rate,
        collections=collections,
        aliases=aliases,
        not_restored=selection.not_restored,
        untouched=tuple(sorted(set(view.states) - targets)),
        warnings=(*_plan_warnings(manifest, view.facts, collections), *_held_aside(view), *alias_warnings),
        refusals=_refusals(request, selection, collections, view),
    )


def _refusals(
    request: RestoreRequest, selection: Selection, collections: tuple[PlannedCollection, ...], view: ServerView
) -> tuple[Refusal, ...]:
    found = list(selection.refusals)
    if request.in_place and request.mode is not RestoreMode.REPLACE:
        text = f"in place is a way to replace, and mode {request.mode.value} replaces nothing; choose mode replace"
        found.append(Refusal(kind="invalid", text=text))
    if view.facts.role.casefold() == "replica":
        text = f"{view.facts.url} is a replica and takes no writes; restore to its primary"
        found.append(Refusal(kind="refused", text=text))
    for item, chosen in zip(collections, selection.chosen, strict=True):
        found.extend(obstacles(item, chosen, request, view))
    return tuple(found)


def _planned(chosen: Chosen, request: RestoreRequest, view: ServerView, rate: float) -> PlannedCollection:
    state = view.states.get(chosen.target)
    action = _action(request.mode, exists=state is not None)
    in_place = request.in_place and action is Action.REPLACE
    aside = action is not Action.MERGE and not in_place and view.can_rename_to(chosen.target)
    vectors = chosen.summary.vectors - chosen.private.irregular_count
    return PlannedCollection(
        key=chosen.summary.key,
        source=chosen.private.name,
        target=chosen.target,
        action=action,
        vectors=vectors,
        left_behind=chosen.private.irregular_count,
        vectors_now=state.vectors if state else None,
        aside=aside_name(chosen.target, request.restore_id) if aside else None,
        before=before_name(chosen.target, request.restore_id) if aside and action is Action.REPLACE else None,
        in_place=in_place,
        configuration=_configuration(chosen, action, request, view),
        seconds=vectors / rate,
        warnings=tuple(_warnings(chosen, action, request, view)),
    )


def _action(mode: RestoreMode, *, exists: bool) -> Action:
    if not exists or mode is RestoreMode.NEW:
        return Action.CREATE
    return Action.MERGE if mode is RestoreMode.MERGE else Action.REPLACE


def _configuration(
    chosen: Chosen, action: Action, request: RestoreRequest, view: ServerView
) -> CollectionConfiguration:
    saved = chosen.private.configuration
    if saved is None:
        raise AssertionError(f"{chosen.private.name} was chosen without a configuration")
    if action is Action.MERGE:
        return view.configurations.get(chosen.target, saved)
    live = view.configurations.get(chosen.target) if request.in_place else None
    possible = live.quantization is saved.quantization if live else creatable(saved, view.facts)
    if request.allow_quantization and not possible:
        return saved.model_copy(update={"quantization": Quantization.SQ8})
    return saved


def _warnings(chosen: Chosen, action: Action, request: RestoreRequest, view: ServerView) -> Iterator[str]:
    summary, private = chosen.summary, chosen.private
    if private.irregular_count:
        records = wording.count(private.irregular_count, "record")
        examples = wording.listing(map(repr, private.irregular))
        yield f"{records} cannot be put back: components beyond float32, which the server gave as null ({examples})"
    if summary.standing is Standing.INCOMPLETE:
        yield f"incomplete in the backup: {summary.vectors:,} of {summary.counted:,} vectors ({private.problem})"
    if summary.window is not None:
        span = f"{wording.moment(summary.window.started_at)} to {wording.moment(summary.window.ended_at)}"
        yield f"was written to while it was read, from {span}"
    saved = private.configuration
    live = view.configurations.get(chosen.target)
    if action is not Action.MERGE and saved and _configuration(chosen, action, request, view) != saved:
        yield "was kept as floats; this server makes SQ8 of it, so values come back within one step of 255"
    if saved and live and action is Action.MERGE and live.quantization is not saved.quantization:
        yield f"is kept as {live.quantization.value} on the server, was kept as {saved.quantization.value}"
    if live and request.in_place and action is Action.REPLACE:
        yield from warnings_in_place(chosen.target, view.states[chosen.target].vectors, live)
    if action is Action.CREATE and not view.can_rename_to(chosen.target):
        yield f"Vectorizer {view.facts.version} cannot rename to this name: readers see it while it is being loaded"


def _plan_warnings(manifest: Manifest, facts: ServerFacts, collections: tuple[PlannedCollection, ...]) -> Iterator[str]:
    both = second_copies(collections)
    if both is not None:
        yield both
    if manifest.clear.state is not BackupState.GOOD:
        reasons = wording.listing(manifest.private.reasons, most=20) or "no reason is recorded"
        yield f"the backup is {manifest.clear.state.value}: {reasons}"
    if facts.uptime_seconds is not None and facts.uptime_seconds < _YOUNG:
        yield (
            f"the server started {wording.duration(facts.uptime_seconds)} ago and may still be loading: if a "
            "collection appears that it does not list yet, the restore stops before it touches it"
        )


def _held_aside(view: ServerView) -> Iterator[str]:
    for name, state in sorted(view.states.items()):
        held = parse_reserved(name)
        if held is not None:
            vectors = wording.count(state.vectors, "vector")
            yield f"restore {held.restore_id} still holds {name!r} ({vectors}) on the server; resume or release it"


def preview_restore(
    request: RestoreRequest, manifest: Manifest, server: Source, rate: float = DEFAULT_RATE
) -> RestorePlan:
    """Plan against a server as it is now, writing nothing anywhere: the dry run, and what a person approves."""
    changing = request.in_place or request.mode is RestoreMode.MERGE
    targets = [chosen.target for chosen in select(request, manifest).chosen]
    return plan_restore(request, manifest, look(server, targets if changing else ()), rate=rate)


def prepare_restore(
    request: RestoreRequest, manifest: Manifest, server: Source, store: Store, rate: float = DEFAULT_RATE
) -> RestorePlan:
    """Plan, refuse, and write the plan down; called again it gives the plan that was written down.

    :raises RestoreRefused: and its kin, see ``raise_refusals``
    """
    stored = stored_plan(store, request.restore_id)
    plan = stored if stored is not None else preview_restore(request, manifest, server, rate)
    raise_refusals(plan)
    return keep_plan(plan.model_copy(update={"request": request}), store)
