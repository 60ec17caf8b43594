"""Replace a collection in its place: for servers without room for two copies, and names that nothing is renamed to.

Only what differs is written, and only what the backup does not have is deleted. So a process that goes on after another
one died does what is left to do, whatever was done before; the list cannot tell it, a complete read can. What the list
cannot tell either is which snapshot is the undo: that is in the journal before the first record changes.
"""

from __future__ import annotations

from backup_engine.errors import ComparisonFailed, RestoreRefused
from backup_engine.model import CollectionConfiguration, CollectionState
from backup_engine.restore.changes import Changes
from backup_engine.restore.in_place_planning import snapshot_path
from backup_engine.restore.journal import TakenSnapshot
from backup_engine.restore.loading import (
    compare_with_backup,
    configuration_of,
    failure,
    pieces,
    problem_of,
    send_slices,
    state_of,
)
from backup_engine.restore.plan import PlannedCollection, differing_settings
from backup_engine.restore.report import Compared
from backup_engine.restore.work import Meter, Work

_COMPONENT_TEXT = 2  # bytes of JSON that a component takes at least: a digit and a comma
_RECORD_TEXT = 30  # and a record beside them: keys, brackets, quotes
_DEFLATE = 1032
"""What deflate packs into one byte at most; the server packs its snapshots with it."""


def replace_in_place(work: Work, item: PlannedCollection) -> Compared:
    """Make the live collection equal to the backup, and compare all of it. What was compared before is not touched.

    :raises RestoreRefused: it is gone, not whole, or has other settings by now; or its snapshot is not worth anything.
        Nothing was written in this attempt
    :raises ComparisonFailed: the server holds something else than it was given
    """
    state = _require_live(work, item)
    earlier = work.journal.compared(item.key)
    if earlier and (state.created_at, state.vectors) == (earlier.created_at, item.vectors):
        return earlier
    kept = _require_settings(work, item)
    with Changes(work.temporary) as changes:
        found = compare_with_backup(work, item, state, kept, changes)
        _require_whole(item, state, changes)
        if changes.none:
            return _conclude(work, item, Compared(created_at=state.created_at, loaded=0, seconds=0.0, comparison=found))
        _require_undo(work, item, state)
        meter = _write(work, item, kept, changes)
        _delete(work, item, changes)
    state = _require_live(work, item)
    found = compare_with_backup(work, item, state, kept)
    done = {"loaded": meter.done, "deleted": changes.to_delete, "seconds": meter.seconds}
    return _conclude(work, item, Compared(created_at=state.created_at, comparison=found, **done))


def _require_live(work: Work, item: PlannedCollection) -> CollectionState:
    state = state_of(work, item.target)
    if state is not None:
        return state
    taken = work.journal.snapshot(item.key)
    way = "undo this restore, which puts the server's snapshot back, or " if taken else ""
    raise RestoreRefused(f"{item.target!r} is gone, so nothing can be replaced in it; {way}restore it with mode new")


def _require_settings(work: Work, item: PlannedCollection) -> CollectionConfiguration:
    kept = configuration_of(work, item.target)
    wrong = differing_settings(kept, item.configuration)
    if wrong:
        raise RestoreRefused(
            f"{item.target!r} has other settings ({', '.join(wrong)}) than when this was planned: somebody made it "
            "again, or the server restarted, which makes SQ8 of everything; nothing was written; undo this restore, or "
            "restore without in place"
        )
    return kept


def _require_whole(item: PlannedCollection, state: CollectionState, changes: Changes) -> None:
    """Make sure that a snapshot will hold what the server counts: it is made of what a complete read gives."""
    if changes.records != state.vectors or changes.twice:
        raise RestoreRefused(
            f"{item.target!r} counts {state.vectors:,} vectors and lists {changes.records:,}, {changes.twice:,} of "
            "them a second time: the server still loads it, somebody writes to it, or it was deleted and came back; "
            "its snapshot would not be what it was, so nothing was written: wait, or restore without in place"
        )


def _require_undo(work: Work, item: PlannedCollection, state: CollectionState) -> TakenSnapshot:
    """Have a snapshot of what was there before the first write, and its id on paper."""
    noted = work.journal.snapshot(item.key)
    if noted is not None:
        if noted.id not in {snapshot.id for snapshot in work.server.snapshots(item.target)}:
            work.notes.append(f"the server lost the snapshot {noted.id} of {item.target!r}: this cannot be undone")
        return noted
    work.guard.check()
    snapshot_id = work.server.take_snapshot(item.target)
    size = next((one.bytes for one in work.server.snapshots(item.target) if one.id == snapshot_id), None)
    after = _require_live(work, item)
    if (after.created_at, after.vectors) != (state.created_at, state.vectors):
        raise RestoreRefused(
            f"{item.target!r} changed while its snapshot was taken ({state.vectors:,} vectors before, "
            f"{after.vectors:,} after); nothing was written: keep writers away and resume"
        )
    least = state.vectors * (item.configuration.dimension * _COMPONENT_TEXT + _RECORD_TEXT) // _DEFLATE
    if size is None or size <= least:
        raise RestoreRefused(
            f"the server's snapshot {snapshot_id} of {item.target!r} ({snapshot_path(item.target, snapshot_id)}) has "
            f"{size or 0:,} bytes, too few for {state.vectors:,} vectors: it is no undo, so nothing was written; "
            "restore without in place, or under another name"
        )
    taken = TakenSnapshot(
        id=snapshot_id, at=work.clock(), bytes=size, vectors=state.vectors, created_at=state.created_at
    )
    return work.journal.keep_snapshot(item.key, taken)


def _write(work: Work, item: PlannedCollection, kept: CollectionConfiguration, changes: Changes) -> Meter:
    meter = Meter(work, "load", item.target, changes.to_write)
    if changes.to_write:
        work.guard.check()
        for piece in pieces(work, item, kept):
            send_slices(work, item.target, changes.among(piece.sent), meter)
    return meter


def _delete(work: Work, item: PlannedCollection, changes: Changes) -> None:
    meter = Meter(work, "delete", item.target, changes.to_delete)
    for ids in changes.surplus():
        work.guard.glance()
        work.server.delete_records(item.target, ids)
        meter.advance(len(ids), 0)


def _conclude(work: Work, item: PlannedCollection, compared: Compared) -> Compared:
    problem = problem_of(work, item, item.target, compared)
    if problem is not None:
        raise ComparisonFailed(failure(item, item.target, problem, work.plan.request.restore_id))
    work.journal.keep_compared(item.key, compared)
    return compared
