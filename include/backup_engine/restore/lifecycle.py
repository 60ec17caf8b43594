"""What comes after a restore began: going on with it, letting go of what it keeps, listing what there is."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from backup_engine.catalog import Catalog
from backup_engine.errors import InvalidInput, RestoreRefused, UnknownFormat
from backup_engine.model import Clock, Document, Moment, Progress, silent
from backup_engine.ports import Server
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.flushing import flush_if_possible
from backup_engine.restore.guard import Guard, LeasePlace, guarded
from backup_engine.restore.in_place_planning import snapshot_path
from backup_engine.restore.journal import (
    PREFIX,
    StoreJournal,
    keep_release,
    stored_plan,
    stored_release,
    stored_undo,
    undo_began,
)
from backup_engine.restore.names import parse_reserved
from backup_engine.restore.plan import RestorePlan
from backup_engine.restore.report import Dropped, Released, RestoreReport, Undone
from backup_engine.restore.view import ServerView, look
from backup_engine.restore.work import Restorable
from backup_engine.restore_point import RestorePoint
from backup_engine.storage.contract import Store


class Progression(StrEnum):
    """How far a restore is, by what its store knows."""

    PLANNED = "planned"
    STARTED = "started"
    FINISHED = "finished"
    UNDONE = "undone"
    RELEASED = "released"
    UNREADABLE = "unreadable"


class KnownRestore(Document):
    """A restore that a store remembers.

    :param planned_at: by the store's clock
    :param plan: None when it cannot be read; ``problem`` says why
    """

    restore_id: str
    progression: Progression
    planned_at: Moment
    plan: RestorePlan | None = None
    report: RestoreReport | None = None
    undone: Undone | None = None
    problem: str | None = None


def resume_restore(
    restore_id: str,
    store: Store,
    server: Server,
    clock: Clock,
    *,
    owner: str,
    archive: Restorable | None = None,
    progress: Progress = silent,
    temporary: Path | None = None,
    lease: LeasePlace | None = None,
) -> RestoreReport:
    """Go on with a restore that stopped, by its plan and what the server lists.

    :param archive: None: the backup in this store
    :param lease: where the server's lease lies; None: in this store
    :raises InvalidInput: the store has no plan of this restore, or it was planned for another server
    """
    plan = stored_plan(store, restore_id)
    if plan is None:
        raise InvalidInput(f"{store.url} knows no restore {restore_id!r}; it has: {_known_ids(store)}")
    reader = archive or _point_of(plan, store, clock)
    return execute_restore(
        plan, reader, server, store, clock, owner=owner, progress=progress, temporary=temporary, lease=lease
    )


def release_restore(
    restore_id: str,
    server: Server,
    store: Store | None,
    clock: Clock,
    owner: str,
    *,
    lease: LeasePlace | None = None,
) -> Released:
    """Drop what a restore holds aside: the collections it replaced, and unfinished loads of one that was given up.

    :param store: None for a restore from a bare archive; the names on the server tell what belongs to it
    :param lease: where the server's lease lies; None: in ``store``
    :raises RestoreRefused: a live collection is missing whose replaced one would be dropped
    :raises NotFlushed: the server's disk still has them, and a restart would bring them back; do it again
    """
    with guarded(lease or LeasePlace.of(store), owner, clock) as guard:
        view = look(server)
        plan = stored_plan(store, restore_id) if store is not None else None
        if plan is not None and plan.server_url != view.facts.url:
            raise InvalidInput(f"restore {restore_id} was made on {plan.server_url}, not on {view.facts.url}")
        if store is not None and undo_began(store, restore_id) and not stored_undo(store, restore_id):
            raise RestoreRefused(
                f"undoing restore {restore_id} began and is not finished; finish it: undo {restore_id}"
            )
        _require_live(restore_id, view)
        dropped = tuple(_drop_all(restore_id, server, view, guard))
        flushed = flush_if_possible(server)
        released = Released(
            restore_id=restore_id,
            server_url=view.facts.url,
            dropped=dropped,
            flushed=flushed,
            notes=(*_notes(dropped, flushed), *_snapshots(plan, store)),
        )
        if store is not None and plan is not None:
            keep_release(store, released)
        return released


def list_restores(store: Store) -> tuple[KnownRestore, ...]:
    """Tell of every restore that was planned with this store, the newest plan first."""
    staged = (info for info in store.list(".staging/") if info.key.startswith(PREFIX))
    plans = [info for info in staged if info.key.endswith("/plan.json")]
    known = (_known(store, info.key.removeprefix(PREFIX).split("/")[0], info.modified_at) for info in plans)
    return tuple(sorted(known, key=lambda one: (one.planned_at, one.restore_id), reverse=True))


def finished_restores(store: Store, *, most: int) -> tuple[KnownRestore, ...]:
    """Tell of the newest restores that came to their end, the last finished first, whatever became of them since.

    :param most: so many at most are read
    """
    staged = [info for info in store.list(".staging/") if info.key.startswith(PREFIX)]
    reports = sorted((one for one in staged if one.key.endswith("/report.json")), key=lambda one: one.modified_at)
    planned = {one.key.removesuffix("/plan.json"): one.modified_at for one in staged}
    folders = [(info.key.removesuffix("/report.json"), info.modified_at) for info in reversed(reports[-most:])]
    known = (_known(store, place.removeprefix(PREFIX), planned.get(place, ended)) for place, ended in folders)
    return tuple(one for one in known if one.report is not None)


def _known(store: Store, restore_id: str, planned_at: Moment) -> KnownRestore:
    try:
        plan = stored_plan(store, restore_id)
        journal = StoreJournal(store, restore_id)
        report, started = journal.report(), journal.started()
        released, undone = stored_release(store, restore_id), stored_undo(store, restore_id)
    except UnknownFormat as error:
        return KnownRestore(
            restore_id=restore_id, progression=Progression.UNREADABLE, planned_at=planned_at, problem=str(error)
        )
    progression = Progression.STARTED if started else Progression.PLANNED
    if released:
        progression = Progression.RELEASED
    elif undone:
        progression = Progression.UNDONE
    elif report:
        progression = Progression.FINISHED
    return KnownRestore(
        restore_id=restore_id,
        progression=progression,
        planned_at=planned_at,
        plan=plan,
        report=report,
        undone=undone,
    )


def _known_ids(store: Store) -> str:
    return ", ".join(known.restore_id for known in list_restores(store)) or "none"


def _point_of(plan: RestorePlan, store: Store, clock: Clock) -> RestorePoint:
    catalog = Catalog(store, clock)
    return catalog.open_point(catalog.find(plan.request.backup), [item.source for item in plan.collections])


def _require_live(restore_id: str, view: ServerView) -> None:
    """Make sure that no replaced collection is the only copy: it goes only when another has its name."""
    for name in _held(restore_id, view):
        held = parse_reserved(name)
        if held and held.kind == "before" and held.collection not in view.states:
            raise RestoreRefused(
                f"{name!r} is all there is of {held.collection!r}: the restore stopped between its renames; resume "
                f"{restore_id}, or rename {name!r} back, and release then"
            )


def _drop_all(restore_id: str, server: Server, view: ServerView, guard: Guard) -> Iterator[Dropped]:
    for name in _held(restore_id, view):
        guard.check()
        server.delete_collection(name)
        yield Dropped(name=name, vectors=view.states[name].vectors)


def _held(restore_id: str, view: ServerView) -> list[str]:
    parsed = ((name, parse_reserved(name)) for name in sorted(view.states))
    return [name for name, held in parsed if held and held.restore_id == restore_id]


def _snapshots(plan: RestorePlan | None, store: Store | None) -> Iterator[str]:
    """Tell what no request lets go of: an undo is still possible with it."""
    if plan is None or store is None:
        return
    journal = StoreJournal(store, plan.request.restore_id)
    for item in plan.collections:
        taken = journal.snapshot(item.key) if item.in_place else None
        if taken is not None:
            path = snapshot_path(item.target, taken.id)
            yield (
                f"the server has no request that deletes its snapshot of {item.target!r}: remove {path} on its machine "
                "when nobody will undo this restore any more"
            )


def _notes(dropped: tuple[Dropped, ...], flushed: bool) -> Iterator[str]:
    if not dropped:
        yield "the server holds nothing of this restore aside"
    if not flushed:
        yield "the server holds no vector at all and so refuses to write: if a restart brings them back, release again"
