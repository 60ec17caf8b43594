"""Which collections of a backup a request means, and what they are to be called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from backup_engine import wording
from backup_engine.archive.manifest import CollectionSummary, Manifest, PrivateCollection, Standing
from backup_engine.restore.names import is_reserved
from backup_engine.restore.plan import NotRestored, Refusal
from backup_engine.restore.request import RestoreRequest

_FIRST_PRINTABLE = " "


@dataclass(frozen=True, slots=True)
class Chosen:
    """One collection of the backup and the name it is to have on the server."""

    summary: CollectionSummary
    private: PrivateCollection
    target: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request means, and what makes no sense in it."""

    chosen: tuple[Chosen, ...]
    not_restored: tuple[NotRestored, ...]
    refusals: tuple[Refusal, ...]


def select(request: RestoreRequest, manifest: Manifest) -> Selection:
    """Find the collections a request means. Naming none is an error, not everything and not nothing."""
    held = {private.name: private for private in manifest.private.collections}
    wanted = tuple(dict.fromkeys(held if request.collections is None else request.collections))
    summaries = {summary.key: summary for summary in manifest.clear.collections}
    chosen = tuple(
        Chosen(summaries[held[name].key], held[name], request.rename.get(name, name))
        for name in wanted
        if name in held and _readable(summaries[held[name].key], held[name])
    )
    refusals = [
        *_unknown(request, manifest.clear.name, held, wanted),
        *_unreadable(request, held, summaries, wanted),
        *_clashes(chosen),
        *(refusal for item in chosen for refusal in _unusable(item.target)),
    ]
    if not chosen and not refusals:
        refusals.append(Refusal(kind="refused", text=f"{manifest.clear.name} holds no collection to restore"))
    return Selection(chosen, _not_restored(request, manifest, summaries), tuple(refusals))


def _readable(summary: CollectionSummary, private: PrivateCollection) -> bool:
    return summary.standing is not Standing.UNREADABLE and private.configuration is not None


def _unknown(
    request: RestoreRequest, backup: str, held: dict[str, PrivateCollection], wanted: Iterable[str]
) -> Iterable[Refusal]:
    holds = f"it holds: {wording.listing(map(repr, held), most=20) or 'none'}"
    if request.collections is not None and not request.collections:
        yield Refusal(kind="invalid", text=f"no collection is named; {backup} can restore some, {holds}")
    missing = [name for name in wanted if name not in held]
    if missing:
        text = f"{backup} does not hold {wording.listing(map(repr, missing), most=20)}; {holds}"
        yield Refusal(kind="unknown", text=text)
    for name in sorted(set(request.rename) - set(wanted)):
        text = f"{name!r} is to be renamed, but is not among what is restored: {wording.listing(map(repr, wanted))}"
        yield Refusal(kind="unknown", text=text)


def _unreadable(
    request: RestoreRequest,
    held: dict[str, PrivateCollection],
    summaries: dict[str, CollectionSummary],
    wanted: Iterable[str],
) -> Iterable[Refusal]:
    if request.collections is None:
        return
    for name in wanted:
        if name in held and not _readable(summaries[held[name].key], held[name]):
            text = f"{name!r} could not be read when the backup was made ({held[name].problem or 'no reason is known'})"
            yield Refusal(kind="refused", text=f"{text}; use another backup for it")


def _clashes(chosen: Iterable[Chosen]) -> Iterable[Refusal]:
    items = tuple(chosen)
    for target, times in Counter(item.target for item in items).items():
        if times > 1:
            sources = wording.listing(repr(item.private.name) for item in items if item.target == target)
            yield Refusal(kind="invalid", text=f"{sources} would all be restored to {target!r}; rename all but one")


def _unusable(target: str) -> Iterable[Refusal]:
    """Refuse a name that the server's paths cannot carry, or that restores keep for themselves."""
    if is_reserved(target):
        text = f"{target!r} is a name that restores hold collections aside under; rename it"
        yield Refusal(kind="invalid", text=text)
    if not target or {".", ".."} & set(target.split("/")) or min(target) < _FIRST_PRINTABLE:
        text = f"{target!r} cannot be a collection's name (empty, a path of dots, or control characters); rename it"
        yield Refusal(kind="invalid", text=text)


def _not_restored(
    request: RestoreRequest, manifest: Manifest, summaries: dict[str, CollectionSummary]
) -> tuple[NotRestored, ...]:
    """Tell what the server had and a restore of everything still does not bring back."""
    if request.collections is not None:
        return ()
    unreadable = (
        NotRestored(name=item.name, reason=f"could not be read when the backup was made: {item.problem or 'unknown'}")
        for item in manifest.private.collections
        if not _readable(summaries[item.key], item)
    )
    left_out = (NotRestored(name=item.name, reason=item.reason) for item in manifest.private.left_out)
    dropped = (NotRestored(name=name, reason="dropped while the backup was made") for name in manifest.private.dropped)
    return (*unreadable, *left_out, *dropped)
