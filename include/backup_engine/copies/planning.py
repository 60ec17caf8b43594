"""What is missing or different where, and what will be done about it. Pure: decided from inventories alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from backup_engine import wording
from backup_engine.archive.manifest import BackupState, Folder
from backup_engine.chain import bases_of
from backup_engine.copies.inventory import HeldBackup, Inventory
from backup_engine.model import Document
from backup_engine.records import TRAVELLING_KINDS, Record, UnreadableRecord


class Direction(StrEnum):
    """Which places are written to.

    * out: the copies get what the primary holds
    * back: the primary gets what the copies hold, so that a lost one is rebuilt
    * both: every place gets what any of them holds
    """

    OUT = "out"
    BACK = "back"
    BOTH = "both"


class SyncAction(StrEnum):
    """What a step does.

    * copy: the target has no such backup
    * repair: the target's is damaged, and the source's is the same one, whole
    * records: the target's is right; what people said of it is missing there, or that it lies there is written nowhere
    """

    COPY = "copy"
    REPAIR = "repair"
    RECORDS = "records"


class SyncStep(Document):
    """One backup that is brought from one place to another.

    :param source: address of the place that is read, with connection and options
    :param target: address of the place that is written to
    :param bytes: that have to be carried
    """

    action: SyncAction
    folder: Folder
    backup: str
    source: str
    target: str
    bytes: int
    reason: str


class SyncPlan(Document):
    """What will be done, newest backups first, each after those that it hangs on.

    :param conflicts: what only a person can settle, a sentence each: other content under one name, a backup that is
        whole nowhere. Nothing is done about any of them
    :param left: what is not brought anywhere on purpose, and why
    """

    steps: tuple[SyncStep, ...] = ()
    conflicts: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """What has to be carried in all."""
        return sum(step.bytes for step in self.steps)


def plan_sync(inventories: Sequence[Inventory], *, direction: Direction = Direction.OUT) -> SyncPlan:
    """Decide what is brought where.

    Brought are good backups, acknowledged ones included, from a place where nothing is known to be wrong with them:
    the primary, else the first copy. Nothing is ever brought over content that differs.

    :param inventories: the primary's first
    """
    places, strange = _separate(inventories)
    found = [_plan(name, holders, places, direction) for name, holders in _by_name(places)]
    found.sort(key=lambda one: (one.captured_at, one.name), reverse=True)
    found = list(_bases_first(found))
    return SyncPlan(
        steps=tuple(step for one in found for step in one.steps),
        conflicts=(*strange, *(sentence for one in found for sentence in one.conflicts)),
        left=tuple(sentence for one in found for sentence in one.left),
    )


def _bases_first(found: Sequence[_Found]) -> Iterator[_Found]:
    """Give what each hangs on before it: a place never holds what it cannot restore, if it can be helped."""
    waiting = {one.name: one for one in found}
    for one in found:
        ready = [one] if waiting.pop(one.name, None) else []
        for name in (base for link in ready for base in sorted(link.bases) if base in waiting):
            ready.append(waiting.pop(name))
        yield from sorted(ready, key=lambda link: (link.captured_at, link.name))


@dataclass(frozen=True, slots=True, eq=False)
class _Holder:
    """A backup and the place it was seen in; ``rank`` 0 is the primary."""

    place: Inventory
    rank: int
    held: HeldBackup


@dataclass(slots=True)
class _Found:
    """What was decided about one name.

    :param bases: names of the backups that it directly hangs on
    """

    name: str
    captured_at: datetime
    bases: frozenset[str]
    steps: list[SyncStep] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def _separate(inventories: Sequence[Inventory]) -> tuple[list[Inventory], list[str]]:
    """Leave out what cannot be a copy of the primary."""
    places: list[Inventory] = []
    strange: list[str] = []
    for one in inventories:
        twin = next((other for other in places if one.store_id and one.store_id == other.store_id), None)
        if twin is not None:
            strange.append(f"{one.place} is the same store as {twin.place} ({one.store_id}): it is no copy of it")
        elif places and one.deployment != places[0].deployment:
            strange.append(
                f"{one.place} is a store of deployment {one.deployment!r}, not of {places[0].deployment!r}: left alone"
            )
        else:
            places.append(one)
    return places, strange


def _by_name(places: Sequence[Inventory]) -> Iterable[tuple[str, list[_Holder]]]:
    holders: dict[str, list[_Holder]] = {}
    for rank, place in enumerate(places):
        for held in place.held:
            holders.setdefault(held.backup.name, []).append(_Holder(place, rank, held))
    return holders.items()


def _plan(name: str, holders: list[_Holder], places: Sequence[Inventory], direction: Direction) -> _Found:
    meant = _meant(holders)
    same = [one for one in holders if _same(one, meant)]
    found = _Found(name, meant.held.backup.captured_at, bases_of(meant.held.backup))
    found.conflicts += [
        f"{name}: {one.place.place} holds another backup under this name than {meant.place.place}; both are left alone"
        for one in holders
        if one not in same
    ]
    if unasked := _withdrawn(name, same) or _not_asked_for(name, holders, places, direction):
        found.left.append(unasked)
        return found
    for rank, target in enumerate(places):
        if not _written(rank, direction):
            found.left += _left_damaged(name, [one for one in same if one.rank == rank])
        elif all(one in same for one in holders if one.rank == rank):
            _plan_target(found, same, target)
    found.conflicts, found.left = list(dict.fromkeys(found.conflicts)), list(dict.fromkeys(found.left))
    return found


def _meant(holders: list[_Holder]) -> _Holder:
    """Choose whose content the name stands for: the primary's, else that of the first place that has it whole."""
    primary = [one for one in holders if one.rank == 0]
    whole = [one for one in holders if one.held.intact]
    return next(iter([*primary, *whole, *holders]))


def _same(one: _Holder, other: _Holder) -> bool:
    return one.held.backup.outline == other.held.backup.outline


def _withdrawn(name: str, same: list[_Holder]) -> str | None:
    where = wording.listing(one.place.place for one in same if one.held.backup.withdrawal)
    return f"{name} is about to be deleted from {where}, and brought nowhere" if where else None


def _not_asked_for(name: str, holders: list[_Holder], places: Sequence[Inventory], direction: Direction) -> str | None:
    ranks = {one.rank for one in holders}
    if direction is Direction.OUT and 0 not in ranks:
        where = wording.listing(dict.fromkeys(one.place.place for one in holders))
        return f"{name} lies in {where} and not in {places[0].place}; direction `back` brings it there"
    if direction is Direction.BACK and ranks == {0}:
        return f"{name} lies in {places[0].place} only; direction `out` brings it to the copies"
    return None


def _written(rank: int, direction: Direction) -> bool:
    return direction is Direction.BOTH or (rank == 0) is (direction is Direction.BACK)


def _left_damaged(name: str, here: list[_Holder]) -> Iterator[str]:
    for one in here:
        if not one.held.intact:
            yield f"{name} in {one.place.place}: {one.held.problem}; this direction writes nothing there"


def _plan_target(found: _Found, same: list[_Holder], target: Inventory) -> None:
    here = next((one for one in same if one.place is target), None)
    whole = [one for one in same if one.place is not target and one.held.intact]
    if here is not None and here.held.intact:
        _plan_records(found, same, here)
    elif here is None and found.name in target.obstructed:
        found.conflicts.append(f"{found.name}: {target.place} has a manifest of this name that cannot be read")
    elif here is None and not any(one.held.backup.state is BackupState.GOOD for one in same):
        state = same[0].held.backup.state
        found.left.append(f"{found.name} is {state} and brought nowhere by itself; `copy {found.name}` does it")
    elif not whole:
        wrong = "; ".join(f"{one.place.place}: {one.held.problem}" for one in same)
        found.conflicts.append(f"{found.name} is whole nowhere, so nothing can be brought ({wrong})")
    else:
        action, why = (SyncAction.COPY, "it is missing there") if here is None else (SyncAction.REPAIR, "")
        source = whole[0]
        found.steps.append(_step(action, source, target, why or f"there, {here.held.problem if here else ''}", same))
        _plan_words(found, same, target, {*_words(source), *(_words(here) if here else ())})


def _plan_records(found: _Found, same: list[_Holder], here: _Holder) -> None:
    """Bring what people said of it; and where no record ties the place to any other, look and write one."""
    if _plan_words(found, same, here.place, {*_words(here)}) or here.rank == 0 or _tied(here, same):
        return
    source = next((one for one in same if one.place is not here.place and one.held.intact), None)
    if source is not None:
        why = "it lies there, and no record says so: it is compared first"
        found.steps.append(_step(SyncAction.RECORDS, source, here.place, why, same))


def _plan_words(found: _Found, same: list[_Holder], target: Inventory, there: set[Record]) -> bool:
    """Bring the records about the content that a place will not have by then."""
    planned = False
    for one in same:
        missing = {*_words(one)} - there
        if missing and one.place is not target:
            kinds = wording.listing(sorted(record.kind for record in missing))
            found.steps.append(_step(SyncAction.RECORDS, one, target, f"records are missing there: {kinds}", same))
            there |= missing
            planned = True
    return planned


def _words(one: _Holder) -> Iterator[Record]:
    for record in one.held.backup.records:
        if not isinstance(record, UnreadableRecord) and record.kind in TRAVELLING_KINDS:
            yield record


def _tied(here: _Holder, same: list[_Holder]) -> bool:
    others = [one for one in same if one.place is not here.place]
    named = {record.store_id for record in here.held.backup.copies}
    return any(
        one.place.store_id in named or here.place.store_id in {record.store_id for record in one.held.backup.copies}
        for one in others
    )


def _step(action: SyncAction, source: _Holder, target: Inventory, why: str, same: list[_Holder]) -> SyncStep:
    backup = source.held.backup
    passed = [one for one in same if one.rank < source.rank and one.place is not target and not one.held.intact]
    more = "".join(f"; {one.place.place} is passed over: {one.held.problem}" for one in passed)
    return SyncStep(
        action=action,
        folder=backup.folder,
        backup=backup.name,
        source=source.place.url,
        target=target.url,
        bytes=0 if action is SyncAction.RECORDS else backup.bytes,
        reason=why + more,
    )
