"""Take a restore back: swap the kept collections in again, put the server's snapshots back."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine.errors import ComparisonFailed, RestoreRefused
from backup_engine.model import Clock
from backup_engine.ports import Server
from backup_engine.restore.guard import LeasePlace, guarded
from backup_engine.restore.journal import TakenSnapshot, UndoBegan, begin_undo, keep_undo, stored_plan, stored_undo
from backup_engine.restore.names import parse_reserved
from backup_engine.restore.plan import PlannedCollection, RestorePlan
from backup_engine.restore.report import PutBack, Undone
from backup_engine.restore.stages import Stage, replacing_stage
from backup_engine.restore.swapping import replace_all, tidy
from backup_engine.restore.undo_planning import UndoItem, UndoPlan, plan_undo, swapped_back, worthless
from backup_engine.restore.work import Change
from backup_engine.storage.contract import Store

__all__ = ["UndoItem", "UndoPlan", "plan_undo", "undo_restore"]


def undo_restore(
    restore_id: str, store: Store, server: Server, clock: Clock, *, owner: str, lease: LeasePlace | None = None
) -> Undone:
    """Take a restore back, or go on with that; one that is taken back already gives its result again.

    :param lease: where the server's lease lies; None: in ``store``
    :raises RestoreRefused: something speaks against it; the message holds all of it, and nothing was touched
    :raises ComparisonFailed: what came back does not count what it counted; nothing was flushed
    """
    done = stored_undo(store, restore_id)
    if done is not None:
        return done
    with guarded(lease or LeasePlace.of(store), owner, clock) as guard:
        undo = plan_undo(restore_id, store, server, clock)
        restore = stored_plan(store, restore_id)
        if undo.refusals or restore is None:
            raise RestoreRefused("; ".join(undo.refusals))
        change = Change(plan=restore, server=server, guard=guard, again="undo")
        began = begin_undo(store, restore_id, UndoBegan(at=clock(), aliases=_aliases(change, restore)))
        _swap_back(change, [swapped_back(item) for item in undo.items if item.taken is None])
        for item in undo.items:
            if item.taken is not None:
                _put_back(change, item, item.taken)
        back = tuple(_counted(change, item) for item in undo.items)
        _make_aliases(change, began, restore_id)
        change.flush()
        return keep_undo(store, _undone(undo, back, clock, change))


def _swap_back(change: Change, items: Sequence[PlannedCollection]) -> None:
    listed = {state.name for state in change.server.collections()}
    done = [item for item in items if replacing_stage(item, listed) is Stage.DONE]
    for item in done:
        tidy(change, item)
    for item in items:  # what is left of a name that the restore gave up moments before it died
        if item.before is not None and item.before in change.server.aliases() and item.target in listed:
            change.server.delete_alias(item.before)
    replace_all(change, [item for item in items if item not in done])


def _put_back(change: Change, item: UndoItem, taken: TakenSnapshot) -> None:
    """Put a snapshot back where nothing answers to the name, neither in memory nor on disk. Otherwise a reader that
    asks for it in the middle brings the deleted collection back, and the server counts everything twice.
    """
    listed = {state.name for state in change.server.collections()}
    if item.target in listed:
        if item.moved in listed:  # of an attempt that died; what has the name by now came out of the snapshot
            change.guard.check()
            change.server.delete_collection(item.moved)
        change.guard.check()
        change.server.rename_collection(item.target, item.moved)
    if item.target in listed or item.moved in listed:
        change.flush()
        if change.server.aliases().get(item.target) == item.moved:
            change.server.delete_alias(item.target)
        problem = worthless(item.target, taken, change.server.snapshots(item.target))
        if problem:
            raise RestoreRefused(f"{problem}; nothing was deleted: what was live is {item.moved!r} now")
        change.guard.check()
        change.server.delete_collection(item.moved)
    change.guard.check()
    change.server.restore_snapshot(item.target, taken.id)


def _counted(change: Change, item: UndoItem) -> PutBack:
    states = {state.name: state for state in change.server.collections()}
    found = states[item.target].vectors if item.target in states else 0
    if item.taken is not None and found != item.vectors_back:
        raise ComparisonFailed(
            f"{item.target!r} counts {found:,} vectors and had {item.vectors_back:,} when its snapshot was taken: "
            f"somebody writes to it, or the snapshot is not whole; undo {change.plan.request.restore_id} again, or "
            "restore a backup"
        )
    return PutBack(
        target=item.target,
        vectors=found,
        vectors_undone=item.vectors_now,
        snapshot=item.taken.id if item.taken else None,
        kept_as=None if item.taken or item.moved not in states else item.moved,
    )


def _aliases(change: Change, restore: RestorePlan) -> dict[str, str]:
    """Tell which aliases stand for collections that are put back, or would if the restore had not died while it moved
    them. Names that restores keep are none of them.
    """
    names = {name: item.target for item in restore.collections for name in (item.target, item.before) if name}
    found = change.server.aliases()
    meant = {alias: name for alias, name in restore.aliases.items() if alias not in found}
    both = {**meant, **found}
    return {alias: names[name] for alias, name in both.items() if name in names and _is_somebodys(alias, names)}


def _is_somebodys(alias: str, names: dict[str, str]) -> bool:
    return alias not in names and parse_reserved(alias) is None


def _make_aliases(change: Change, began: UndoBegan, restore_id: str) -> None:
    """Let them stand for what came back: they followed what was renamed away, or went with what was deleted."""
    for alias, target in began.aliases.items():
        holder = change.server.aliases().get(alias)
        held = parse_reserved(holder) if holder else None
        if held is not None and held.restore_id == restore_id:
            change.server.delete_alias(alias)
            holder = None
        if holder is None:
            change.server.create_alias(alias, target)
        elif holder != target:
            change.notes.append(f"the alias {alias!r} stands for {holder!r} now and was left alone")


def _undone(undo: UndoPlan, back: tuple[PutBack, ...], clock: Clock, change: Change) -> Undone:
    kept = [item.kept_as for item in back if item.kept_as]
    notes = list(change.notes)
    if kept:
        notes.append(f"what the restore made is kept until you let it go: release {undo.restore_id}")
    if not change.flushed:
        notes.append("the server holds no vector at all and so refuses to write: a restart may bring other data back")
    return Undone(
        restore_id=undo.restore_id,
        server_url=undo.server_url,
        at=clock(),
        collections=back,
        flushed=change.flushed,
        notes=tuple(notes),
    )
