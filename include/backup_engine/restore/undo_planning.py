"""Decide how a restore is taken back: from its journal, what other restores did since, and one look at the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup_engine import wording
from backup_engine.errors import InvalidInput
from backup_engine.model import Clock, Document, ServerSnapshot
from backup_engine.ports import Server
from backup_engine.readiness import started_since
from backup_engine.restore.assumptions import check_address, check_loaded
from backup_engine.restore.in_place_planning import losses_of, snapshot_path
from backup_engine.restore.journal import (
    StoreJournal,
    TakenSnapshot,
    stored_plan,
    stored_release,
    stored_undo,
    undo_began,
)
from backup_engine.restore.lifecycle import list_restores
from backup_engine.restore.names import aside_name
from backup_engine.restore.plan import Action, NotRestored, PlannedCollection, RestorePlan
from backup_engine.restore.view import ServerView, look
from backup_engine.storage.contract import Store


class UndoItem(Document):
    """What comes back under one name.

    :param planned: what the restore did
    :param vectors_now: what has the name counts; None: nothing has it
    :param vectors_back: what comes back counts
    :param taken: the server's snapshot that is put back; None: the kept collection is swapped in again
    :param moved: the name that today's collection gets: until it is released (swap), or for a moment (snapshot)
    """

    planned: PlannedCollection
    vectors_now: int | None
    vectors_back: int
    taken: TakenSnapshot | None = None
    moved: str
    warnings: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The name."""
        return self.planned.target


class UndoPlan(Document):
    """A whole undo. Nothing that was written to its collections since the restore survives it.

    :param stays: what the restore did and this does not take back, and why
    :param refusals: every reason against it; a plan with one is never carried out
    """

    restore_id: str
    backup: str
    server_url: str
    items: tuple[UndoItem, ...]
    stays: tuple[NotRestored, ...] = ()
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the decision goes by.

    :param started: when the restore began to change the server; None: never
    :param ended: it was finished, or released: what it replaced was moved away
    :param began: an earlier attempt to undo it changed the server
    :param done: when it was undone; None: not yet
    :param taken: by key, what the restore wrote down
    :param snapshots: by target, what the server lists; a name that is an alias just now is not among them, because the
        server would list those of the collection behind it
    :param later: restores that changed the same collections since, and which
    """

    view: ServerView
    now: datetime
    started: datetime | None
    ended: bool
    began: bool
    done: datetime | None
    taken: Mapping[str, TakenSnapshot]
    snapshots: Mapping[str, tuple[ServerSnapshot, ...]]
    later: Mapping[str, tuple[str, ...]]


def plan_undo(restore_id: str, store: Store, server: Server, clock: Clock) -> UndoPlan:
    """Plan an undo, writing nothing anywhere. Reasons against it are gathered in ``refusals``.

    :raises InvalidInput: the store has no plan of this restore, or it was planned for another server
    :raises ServerLoading: the server started since and may still be loading
    """
    plan = stored_plan(store, restore_id)
    if plan is None:
        ids = ", ".join(known.restore_id for known in list_restores(store)) or "none"
        raise InvalidInput(f"{store.url} knows no restore {restore_id!r}; it has: {ids}")
    view = look(server)
    check_address(plan, view)
    return decide_undo(plan, _gather(plan, store, server, view, clock()))


def decide_undo(plan: RestorePlan, gathered: Gathered) -> UndoPlan:
    """Plan an undo. Pure."""
    judged = [_judge(item, plan.request.restore_id, gathered) for item in plan.collections]
    return UndoPlan(
        restore_id=plan.request.restore_id,
        backup=plan.request.backup,
        server_url=plan.server_url,
        items=tuple(found for found in judged if isinstance(found, UndoItem)),
        stays=tuple(found for found in judged if isinstance(found, NotRestored)),
        refusals=(*_against(plan, gathered), *(found for found in judged if isinstance(found, str))),
    )


def worthless(target: str, taken: TakenSnapshot, listed: Sequence[ServerSnapshot]) -> str:
    """Tell what is wrong with a snapshot that is to be put back, by what the server lists; "" if nothing is."""
    found = next((one for one in listed if one.id == taken.id), None)
    path = snapshot_path(target, taken.id)
    if found is None:
        return f"the server's snapshot {path} is gone"
    if found.bytes != taken.bytes:
        return f"the server's snapshot {path} has {found.bytes:,} bytes and had {taken.bytes:,} when it was taken"
    return ""


def swapped_back(item: UndoItem) -> PlannedCollection:
    """Give the swap that takes a swap back: the kept collection is the one to rename in."""
    return item.planned.model_copy(update={"aside": item.planned.before, "before": item.moved})


def _gather(plan: RestorePlan, store: Store, server: Server, view: ServerView, now: datetime) -> Gathered:
    journal = StoreJournal(store, plan.request.restore_id)
    started, done = journal.started(), stored_undo(store, plan.request.restore_id)
    if started is not None:
        check_loaded(started.at, view, now)
    in_place = [item for item in plan.collections if item.in_place]
    taken = {item.key: journal.snapshot(item.key) for item in in_place}
    return Gathered(
        view=view,
        now=now,
        started=started.at if started else None,
        ended=journal.report() is not None or stored_release(store, plan.request.restore_id) is not None,
        began=undo_began(store, plan.request.restore_id) is not None,
        done=done.at if done else None,
        taken={key: snapshot for key, snapshot in taken.items() if snapshot is not None},
        snapshots={item.target: server.snapshots(item.target) for item in in_place if item.target not in view.aliases},
        later=_later(plan, started.at, store) if started else {},
    )


def _later(plan: RestorePlan, started: datetime, store: Store) -> dict[str, tuple[str, ...]]:
    """Find what other restores changed of the same collections since, and nobody took back."""
    ours = {item.target for item in plan.collections}
    found = {}
    for known in list_restores(store):
        began = StoreJournal(store, known.restore_id).started()
        if known.plan is None or known.undone is not None or began is None or began.at <= started:
            continue
        both = ours & {item.target for item in known.plan.collections}
        if both and known.plan.server_url == plan.server_url:
            found[known.restore_id] = tuple(sorted(both))
    return found


def _against(plan: RestorePlan, gathered: Gathered) -> Iterator[str]:
    restore_id = plan.request.restore_id
    if gathered.started is None:
        yield f"restore {restore_id} never began to change the server"
    if gathered.done is not None:
        yield f"restore {restore_id} was undone on {wording.moment(gathered.done)} already"
    for other, names in gathered.later.items():
        yield f"restore {other} changed {wording.listing(map(repr, names))} after this one; undo that first"


def _judge(item: PlannedCollection, restore_id: str, gathered: Gathered) -> UndoItem | NotRestored | str:
    if item.action is Action.CREATE:
        return NotRestored(name=item.target, reason="the restore created it; delete it if nobody wants it")
    if item.action is Action.MERGE:
        return NotRestored(name=item.target, reason="what was merged cannot be told from what was there")
    return _put_back(item, restore_id, gathered) if item.in_place else _swap_back(item, restore_id, gathered)


def _swap_back(item: PlannedCollection, restore_id: str, gathered: Gathered) -> UndoItem | NotRestored | str:
    states, kept = gathered.view.states, item.before or ""
    moved = item.aside or aside_name(item.target, restore_id)
    now = states.get(item.target)
    if kept not in states and now is not None and moved in states and gathered.began:
        return UndoItem(planned=item, vectors_now=now.vectors, vectors_back=now.vectors, moved=moved)
    if kept not in states and now is not None and not gathered.ended:
        return NotRestored(name=item.target, reason="nothing replaces it: it is what it was before")
    if kept not in states:
        return f"{item.target!r} cannot be brought back: {kept!r} was released, or somebody deleted it"
    if now is not None and moved in states:
        return f"{item.target!r}, {kept!r} and {moved!r} all exist: resume {restore_id}, or delete the wrong one"
    return UndoItem(
        planned=item, vectors_now=now.vectors if now else None, vectors_back=states[kept].vectors, moved=moved
    )


def _put_back(item: PlannedCollection, restore_id: str, gathered: Gathered) -> UndoItem | NotRestored | str:
    taken = gathered.taken.get(item.key)
    if taken is None:
        return NotRestored(name=item.target, reason="nothing was written to it")
    problem = (
        worthless(item.target, taken, gathered.snapshots[item.target]) if item.target in gathered.snapshots else ""
    )
    if problem:
        return f"{item.target!r} cannot be brought back: {problem}"
    now = gathered.view.states.get(item.target)
    foreign = now is not None and now.created_at != taken.created_at and not gathered.began
    if foreign and started_since(taken.at, gathered.view.facts, (), {}, gathered.now) is False:
        return f"{item.target!r} is another collection than the restore changed: somebody made it again since"
    return UndoItem(
        planned=item,
        vectors_now=now.vectors if now else None,
        vectors_back=taken.vectors,
        taken=taken,
        moved=aside_name(item.key, restore_id),
        warnings=tuple(_warnings(item, gone=now is None, unsure=foreign)),
    )


def _warnings(item: PlannedCollection, *, gone: bool, unsure: bool) -> Iterator[str]:
    yield f"comes from a snapshot, and a server that loads one {losses_of(item.configuration)}"
    yield "is not there, or not whole, while the server loads it; keep writers away"
    if gone:
        yield "is gone from the server: somebody deleted it since the restore"
    if unsure:
        yield "the server restarted since, so it cannot tell whether this is the collection that was restored"
