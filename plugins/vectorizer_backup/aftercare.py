"""What can be done after which restore: decided from what the store remembers, before a server is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from backup_engine import wording
from backup_engine.errors import InvalidInput, RestoreRefused
from backup_engine.restore.lifecycle import KnownRestore, Progression
from backup_engine.restore.releasing import plan_releases
from vectorizer_backup.tickets import Followup

if TYPE_CHECKING:
    from vectorizer_backup.connecting import Place

LATEST = "latest"

_POSSIBLE: Mapping[Followup, frozenset[Progression]] = {
    Followup.RELEASE: frozenset({Progression.STARTED, Progression.FINISHED, Progression.UNDONE}),
    Followup.UNDO: frozenset({Progression.STARTED, Progression.FINISHED}),
    Followup.RESUME: frozenset({Progression.STARTED}),
}
_STATES: Mapping[Progression, str] = {
    Progression.PLANNED: "was planned and never began, so it changed nothing; to carry it out, start a new restore",
    Progression.STARTED: "began and is not finished: resume it, or undo it",
    Progression.FINISHED: "is finished",
    Progression.RELEASED: "is finished and released: nothing of it is kept any more. What was there before it can only "
    "come back from a backup",
    Progression.UNDONE: "was undone",
    Progression.UNREADABLE: "was written by another version, or is damaged",
}


class Chosen(NamedTuple):
    """A restore that something is done about, and why."""

    known: KnownRestore
    reason: str


def united(
    remembered: Sequence[tuple[Place, Sequence[KnownRestore]]],
) -> tuple[list[KnownRestore], dict[str, Place]]:
    """Put together what several stores remember, the newest first, and tell where each restore belongs.

    One that two of them remember belongs where it began: a run that was cleared may have planned in both.
    """
    known: dict[str, KnownRestore] = {}
    places: dict[str, Place] = {}
    for place, restores in remembered:
        for one in restores:
            first = known.get(one.restore_id)
            if first is None or first.progression is Progression.PLANNED:
                known[one.restore_id], places[one.restore_id] = one, place
    newest = sorted(known.values(), key=lambda one: (one.planned_at, one.restore_id), reverse=True)
    return newest, places


def choose(
    followup: Followup | None,
    named: str | None,
    known: Sequence[KnownRestore],
    now: datetime,
    keep: timedelta | None,
    unseen: Sequence[str] = (),
) -> tuple[Chosen, ...]:
    """Choose restores: the one that was named, or all that are due to be released.

    :param followup: what to do about the one that is named; None: release what is due
    :param named: its id, or ``latest``: the newest that began
    :param known: the newest first
    :param keep: how long what was replaced is kept; None: until somebody releases it
    :param unseen: stores that could not be asked: the latest restore may be remembered there
    :raises InvalidInput: none was named and one has to be, or the other way round, or there is no such restore
    :raises RestoreRefused: this cannot be done about it
    """
    if followup is None:
        if named is not None:
            raise InvalidInput(f"say what to do about restore {named!r}: undo, resume or release. Nothing was done")
        by_id = {one.restore_id: one for one in known}
        due = [planned for planned in plan_releases(known, now, keep) if planned.release]
        return tuple(Chosen(by_id[planned.restore_id], planned.reason) for planned in due)
    if named is None:
        raise InvalidInput(f"say which restore to {followup.value}: its id, or {LATEST!r}. {_these(known)}")
    if unseen and named.strip().lower() == LATEST:
        raise InvalidInput(f"which restore is the latest cannot be known: {'; '.join(unseen)}. Name it by its id")
    return (Chosen(_possible(followup, _find(named, known)), "it was asked for"),)


def table(known: Sequence[KnownRestore], now: datetime, keep: timedelta | None) -> str:
    """Write what restores there are, and what each waits for, as a Markdown table, the newest first."""
    reasons = {planned.restore_id: planned.reason for planned in plan_releases(known, now, keep)}
    rows = [(*_row(one), reasons[one.restore_id]) for one in known]
    return wording.markdown_table(("restore", "planned", "backup", "mode", "server", "state", "release"), rows)


def _row(one: KnownRestore) -> tuple[str, ...]:
    told = one.problem or _STATES[one.progression]
    if one.plan is None:
        return one.restore_id, wording.moment(one.planned_at), "-", "-", "-", told
    mode = f"{one.plan.request.mode.value}{' in place' if one.plan.request.in_place else ''}"
    return one.restore_id, wording.moment(one.planned_at), one.plan.request.backup, mode, one.plan.server_url, told


def _find(named: str, known: Sequence[KnownRestore]) -> KnownRestore:
    wanted = named.strip().lower()
    if wanted == LATEST:
        found = next((one for one in known if one.progression is not Progression.PLANNED), None)
    else:
        found = next((one for one in known if one.restore_id == wanted), None)
    if found is None:
        raise InvalidInput(f"there is no restore {named!r}. {_these(known)}")
    return found


def _possible(followup: Followup, one: KnownRestore) -> KnownRestore:
    if one.progression in _POSSIBLE[followup]:
        return one
    raise RestoreRefused(
        f"restore {one.restore_id} cannot be {_DONE[followup]}: it {one.problem or _STATES[one.progression]}"
    )


_DONE = {Followup.RELEASE: "released", Followup.UNDO: "undone", Followup.RESUME: "resumed"}


def _these(known: Sequence[KnownRestore]) -> str:
    named = [f"{one.restore_id} ({one.plan.request.backup}, {one.progression.value})" for one in known if one.plan]
    return f"The newest are {wording.listing(named)}" if named else "The store remembers no restore"
