"""Carry a plan out: load aside, compare, swap, in a way that can stop anywhere and be gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from backup_engine.errors import CollectionNotFound, ComparisonFailed, InvalidInput, RestoreRefused, ServerFault
from backup_engine.model import Clock, Progress, silent
from backup_engine.ports import Server
from backup_engine.restore.aliasing import make_aliases
from backup_engine.restore.assumptions import check_address, check_assumptions, check_loaded
from backup_engine.restore.concluding import conclude
from backup_engine.restore.guard import LeasePlace, guarded
from backup_engine.restore.in_place import replace_in_place
from backup_engine.restore.journal import ForgetfulJournal, Started, StoreJournal, require_not_undone
from backup_engine.restore.loading import compare_again, load_and_compare
from backup_engine.restore.plan import Action, PlannedCollection, RestorePlan, raise_refusals
from backup_engine.restore.proving import keep_proof
from backup_engine.restore.report import Compared, RestoreReport
from backup_engine.restore.stages import Stage, creating_stage, replacing_stage
from backup_engine.restore.swapping import intruded, publish, replace_all, tidy
from backup_engine.restore.view import look
from backup_engine.restore.work import Restorable, Work
from backup_engine.storage.contract import Store


class _Outcome(NamedTuple):
    """How one collection got where it is.

    :param now: it got its name in this process
    """

    compared: Compared
    now: bool


def execute_restore(
    plan: RestorePlan,
    archive: Restorable,
    server: Server,
    store: Store | None,
    clock: Clock,
    *,
    owner: str,
    progress: Progress = silent,
    temporary: Path | None = None,
    lease: LeasePlace | None = None,
) -> RestoreReport:
    """Carry a plan out, or go on with it: how far it came is told from what the server lists. A finished one gives its
    report again.

    :param store: holds the lease and remembers the progress; None for a bare archive, which takes no lease
    :param owner: who restores, for those who meet the lease
    :param temporary: where a comparison may spill, and what comes from afar lies for it; None for the system's place
    :param lease: where the server's lease lies; None: in ``store``, where that of the deployment's own server does
    :raises RestoreRefused: the plan has refusals, or the server is not what it was planned for
    :raises ComparisonFailed: the server does not hold what it was given; nothing was replaced by that
    :raises LeaseHeld: another restore works on this deployment's server
    :raises ServerFault: what was being restored vanished, as when the server restarts; it can be resumed
    """
    raise_refusals(plan)
    if store is not None:
        require_not_undone(store, plan.request.restore_id)
    journal = StoreJournal(store, plan.request.restore_id) if store is not None else ForgetfulJournal()
    finished = journal.report()
    if finished is not None:
        return _proven(plan, finished, archive, store)
    if store is None and any(item.in_place for item in plan.collections):
        raise InvalidInput(
            "restoring in place needs a store, where the id of the server's snapshot is written down, which is the undo"
        )
    with guarded(lease or LeasePlace.of(store), owner, clock) as guard, archive.at_hand(temporary) as near:
        work = Work(
            plan=plan,
            server=server,
            guard=guard,
            archive=near,
            journal=journal,
            clock=clock,
            progress=progress,
            temporary=temporary,
        )
        try:
            return _proven(plan, _carry_out(work, store), archive, store)
        except CollectionNotFound as error:
            raise ServerFault(
                f"a collection vanished in the middle of its restore ({error}): the server restarted, or somebody "
                f"deleted it; resume {plan.request.restore_id} when the server has loaded"
            ) from error


def _proven(plan: RestorePlan, report: RestoreReport, archive: Restorable, store: Store | None) -> RestoreReport:
    if store is not None:
        keep_proof(plan, report, archive.manifest, store)
    return report


def _carry_out(work: Work, store: Store | None) -> RestoreReport:
    started = _begin(work)
    outcomes = {**_created(work), **_merged(work), **_replaced(work)}
    aliases = make_aliases(work)
    work.flush()
    _check_outcome(work, outcomes)
    report = conclude(work, started, {key: outcome.compared for key, outcome in outcomes.items()}, aliases, store)
    work.journal.finish(report)
    return report


def _begin(work: Work) -> Started:
    view = look(work.server)
    check_address(work.plan, view)
    started = work.journal.started()
    if started is None:
        check_assumptions(work.plan, view)
        started = Started(at=work.clock())
        work.journal.start(started)
    else:
        check_loaded(started.at, view, work.clock())
    if any(state.vectors for state in view.states.values()) and _items(work, Action.CREATE):
        work.flush()
    for item in work.plan.collections:
        _create_aside(work, item)
    return started


def _create_aside(work: Work, item: PlannedCollection) -> None:
    """Create it before hours of loading others: what the server cannot make is known at once."""
    listed = _listed(work)
    if item.aside is None or item.aside in listed:
        return
    if item.action is Action.CREATE and item.target in listed:
        return
    if item.action is Action.REPLACE and replacing_stage(item, listed) is Stage.DONE:
        return
    work.server.create_collection(item.aside, item.configuration)


def _created(work: Work) -> dict[str, _Outcome]:
    """Each appears as soon as it is right: nothing is lost by it if the next one fails."""
    return {item.key: _create(work, item) for item in _items(work, Action.CREATE)}


def _create(work: Work, item: PlannedCollection) -> _Outcome:
    compared = work.journal.compared(item.key)
    listed = _listed(work)
    if item.aside is None:
        done = compared is not None and item.target in listed
        if compared and done:
            return _Outcome(compare_again(work, item, compared), now=False)
        return _load(work, item, item.target)
    stage = creating_stage(item, listed)
    if compared is not None and stage is Stage.DONE:
        tidy(work, item)
        return _Outcome(compare_again(work, item, compared), now=False)
    if stage is not Stage.VACANT:
        raise intruded(work, item)
    outcome = _load(work, item, item.aside)
    publish(work, item)
    return outcome


def _merged(work: Work) -> dict[str, _Outcome]:
    return {item.key: _merge(work, item) for item in _items(work, Action.MERGE)}


def _merge(work: Work, item: PlannedCollection) -> _Outcome:
    compared = work.journal.compared(item.key)
    if compared is not None:
        return _Outcome(compared, now=False)
    if item.target not in _listed(work):
        raise RestoreRefused(f"{item.target!r} is gone, so nothing can be merged into it; plan again, with mode new")
    return _load(work, item, item.target)


def _replaced(work: Work) -> dict[str, _Outcome]:
    """All are loaded and compared before the first is swapped: a failure until then leaves everything as it was. Those
    that are replaced in place change one after the other; all that is undone by is the server's snapshots.
    """
    outcomes = {item.key: _ready(work, item) for item in _items(work, Action.REPLACE)}
    aside = [item for item in _items(work, Action.REPLACE) if not item.in_place]
    replace_all(work, [item for item in aside if outcomes[item.key].now])
    return outcomes


def _ready(work: Work, item: PlannedCollection) -> _Outcome:
    if item.in_place:
        return _Outcome(replace_in_place(work, item), now=True)
    stage = replacing_stage(item, _listed(work))
    if stage is Stage.INTRUDED or item.aside is None:
        raise intruded(work, item)
    if stage is not Stage.DONE:
        return _load(work, item, item.aside)
    compared = work.journal.compared(item.key)
    if compared is None:
        raise RestoreRefused(f"{item.target!r} was replaced already, by a process that kept no record of it")
    tidy(work, item)
    return _Outcome(compare_again(work, item, compared), now=False)


def _load(work: Work, item: PlannedCollection, name: str) -> _Outcome:
    return _Outcome(load_and_compare(work, item, name), now=True)


def _check_outcome(work: Work, outcomes: dict[str, _Outcome]) -> None:
    """Make sure that what has each name is what was loaded and compared.

    :raises ComparisonFailed: it is gone, or something else has its place
    """
    states = {state.name: state for state in work.server.collections()}
    for item in work.plan.collections:
        found, outcome = states.get(item.target), outcomes[item.key]
        if found is None:
            raise ComparisonFailed(f"{item.target!r} was restored and is gone: somebody deleted it; restore again")
        if found.created_at != outcome.compared.created_at and outcome.now:
            raise ComparisonFailed(
                f"{item.target!r} was overwritten right after it was restored, or the server restarted; it holds "
                f"{found.vectors:,} vectors, {item.vectors:,} were restored: resume {work.plan.request.restore_id} to "
                "compare again, and find out who writes there if it is not the same"
            )
        if item.action is not Action.MERGE and found.vectors != item.vectors:
            work.notes.append(
                f"{item.target!r} was restored with {item.vectors:,} vectors and has {found.vectors:,} now: "
                "somebody writes to it"
            )


def _items(work: Work, action: Action) -> tuple[PlannedCollection, ...]:
    return tuple(item for item in work.plan.collections if item.action is action)


def _listed(work: Work) -> frozenset[str]:
    return frozenset(state.name for state in work.server.collections())
