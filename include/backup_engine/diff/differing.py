"""The difference between two restore points, collection by collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from backup_engine import wording
from backup_engine.archive.manifest import CollectionSummary, Manifest, Standing
from backup_engine.diff.comparing import Compared, compare_states
from backup_engine.diff.report import CollectionDiff, ComparedState, StateDiff, Verdict
from backup_engine.diff.sides import StoredState
from backup_engine.errors import InvalidInput, UnknownCollection
from backup_engine.model import CollectionConfiguration
from backup_engine.restore_point import RestorePoint

MOST_IDS = 10_000
"""Ids of a kind that are named at most: they are held in memory, and shown."""

_SETTINGS = ("dimension", "metric", "quantization", "hnsw", "graph", "shards")


class Held(NamedTuple):
    """A collection as one side describes it.

    :param configuration: None: not readable
    :param created_at: the server's word
    :param problem: why its records cannot be compared; None: they can
    :param remarks: what limits what a comparison says
    """

    vectors: int
    dimension: int
    configuration: CollectionConfiguration | None
    created_at: str
    problem: str | None = None
    remarks: tuple[str, ...] = ()


def diff_points(
    a: RestorePoint, b: RestorePoint, *, collections: Iterable[str] = (), ids: int = 0, temporary: Path | None = None
) -> StateDiff:
    """Compare two backups of a deployment. Collections whose state is the same cost no read; of the others the digests
    are read, and of the archives only as much as the records that differ take.

    :param collections: only these; none: all that either has
    :param ids: how many ids of each kind to name for each collection, at most
    :param temporary: where records that differ are kept meanwhile; None for the system's place
    :raises UnknownCollection: neither has a collection that is named
    :raises InvalidInput: more ids are asked for than are ever named
    """
    check_ids(ids)
    first, second = held_in(a.manifest), held_in(b.manifest)
    names = chosen(collections, first, second, f"{a.name} or {b.name}")

    def compared(name: str) -> CollectionDiff:
        sides = first.get(name), second.get(name)
        one, other = sides
        if one is None or other is None or one.problem or other.problem:
            return without_records(name, *sides)
        return _compared(name, a, b, (one, other), ids, temporary)

    shown = [name for name in names if collections or (is_known(name, a.manifest) and is_known(name, b.manifest))]
    return StateDiff(first=_at(a), second=_at(b), collections=tuple(map(compared, shown)))


def held_in(manifest: Manifest) -> Mapping[str, Held]:
    """Describe what a backup holds, by name."""
    return {
        private.name: Held(
            summary.vectors,
            summary.dimension,
            private.configuration,
            summary.created_at,
            _problem(manifest.clear.name, summary, private.configuration, private.problem),
            _remarks(manifest.clear.name, summary),
        )
        for summary, private in manifest.each()
    }


def is_known(name: str, manifest: Manifest) -> bool:
    """Tell whether a backup says something about this name: that it does not hold it may mean nothing."""
    if manifest.key_of(name) is not None:
        return True
    return manifest.clear.whole_scope and name not in {one.name for one in manifest.private.left_out}


def check_ids(ids: int) -> None:
    """Refuse to name more ids than anybody reads.

    :raises InvalidInput: fewer than none, or too many
    """
    if not 0 <= ids <= MOST_IDS:
        raise InvalidInput(f"{ids:,} ids of each kind were asked for; 0 to {MOST_IDS:,} can be named")


def chosen(
    collections: Iterable[str], first: Mapping[str, Held], second: Mapping[str, Held], where: str
) -> tuple[str, ...]:
    """Give the names to compare, sorted.

    :raises UnknownCollection: neither side has one that is named
    """
    both = {*first, *second}
    wanted = set(collections)
    if missing := sorted(wanted - both):
        named, held = wording.listing(map(repr, missing)), wording.listing(map(repr, sorted(both)), most=20)
        raise UnknownCollection(f"{named}: no collection of {where}; there is: {held or 'none'}")
    return tuple(sorted(wanted or both))


def without_records(name: str, first: Held | None, second: Held | None) -> CollectionDiff:
    """Describe a collection whose records are not compared: one side has none, or could not read it."""
    problems = tuple(side.problem for side in (first, second) if side is not None and side.problem)
    verdict = Verdict.UNKNOWN if problems else Verdict.REMOVED if second is None else Verdict.ADDED
    return CollectionDiff(
        name=name, verdict=verdict, before=_readable(first), after=_readable(second), remarks=problems
    )


def with_records(name: str, first: Held, second: Held, found: Compared, remarks: Iterable[str] = ()) -> CollectionDiff:
    """Describe a collection whose records were compared."""
    reconfigured = tuple(_reconfigured(first.configuration, second.configuration))
    return CollectionDiff(
        name=name,
        verdict=Verdict.CHANGED if found.records.any or reconfigured else Verdict.SAME,
        before=first.vectors,
        after=second.vectors,
        records=found.records,
        shifts=found.shifts,
        unmeasured=found.unmeasured,
        reconfigured=reconfigured,
        examples=found.examples,
        remarks=(*first.remarks, *second.remarks, *_made_anew(first, second), *remarks),
    )


def _compared(
    name: str, a: RestorePoint, b: RestorePoint, sides: tuple[Held, Held], ids: int, temporary: Path | None
) -> CollectionDiff:
    keys = _key(a, name), _key(b, name)
    if _state_digest(a, keys[0]) == _state_digest(b, keys[1]):
        return with_records(name, *sides, Compared())
    states = StoredState(a, keys[0]), StoredState(b, keys[1])
    vectors = sides[0].dimension == sides[1].dimension
    return with_records(name, *sides, compare_states(*states, ids=ids, vectors=vectors, temporary=temporary))


def _key(point: RestorePoint, name: str) -> str:
    key = point.manifest.key_of(name)
    if key is None:
        raise UnknownCollection(f"{point.name} holds no collection {name!r}")
    return key


def _state_digest(point: RestorePoint, key: str) -> str:
    return next(one.state_digest for one in point.manifest.clear.collections if one.key == key)


def _at(point: RestorePoint) -> ComparedState:
    return ComparedState(name=point.name, at=point.manifest.clear.captured_at)


def _readable(held: Held | None) -> int | None:
    return None if held is None or held.problem else held.vectors


def _problem(
    backup: str, summary: CollectionSummary, configuration: CollectionConfiguration | None, problem: str | None
) -> str | None:
    if summary.standing is not Standing.UNREADABLE and configuration is not None:
        return None
    return f"it could not be read for {backup}: {problem or 'no reason is known'}"


def _remarks(backup: str, summary: CollectionSummary) -> tuple[str, ...]:
    if summary.standing is not Standing.INCOMPLETE:
        return ()
    read = f"{summary.vectors:,} of {wording.count(summary.counted, 'record')}"
    return (f"{backup} holds {read} only: what seems added or deleted may have been there",)


def _made_anew(first: Held, second: Held) -> Iterable[str]:
    if first.created_at != second.created_at:
        yield "the server says it was created at another time: it was made anew, or the server was started meanwhile"


def _reconfigured(first: CollectionConfiguration | None, second: CollectionConfiguration | None) -> Iterable[str]:
    if first is None or second is None:
        return
    before, after = first.model_dump(mode="json"), second.model_dump(mode="json")
    for setting in _SETTINGS:
        if before[setting] != after[setting]:
            yield f"{setting}: {_shown(before[setting])} before, {_shown(after[setting])} after"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return "unknown" if value is None else str(value)
