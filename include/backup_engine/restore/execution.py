"""Carry a plan out: load aside, compare, swap, in a way that can stop anywhere and be gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from backup_engine.archive.reading import ArchiveReader
from backup_engine.errors import ComparisonFailed, RestoreRefused
from backup_engine.model import Clock, Progress, silent
from backup_engine.ports import Server
from backup_engine.restore.aliasing import make_aliases
from backup_engine.restore.assumptions import check_address, check_assumptions, check_loaded
from backup_engine.restore.guard import LeasePlace, guarded
from backup_engine.restore.journal import ForgetfulJournal, Started, StoreJournal
from backup_engine.restore.loading import load_and_compare
from backup_engine.restore.plan import Action, PlannedCollection, RestorePlan, raise_refusals
from backup_engine.restore.report import Compared, RestoredCollection, RestoreReport
from backup_engine.restore.stages import Stage, creating_stage, replacing_stage
from backup_engine.restore.swapping import intruded, publish, replace_all, tidy
from backup_engine.restore.view import look
from backup_engine.restore.work import Work
from backup_engine.storage.contract import Store


class _Outcome(NamedTuple):
    """How one collection got where it is.

    :param now: it got its name in this process
    """

    compared: Compared
    now: bool


def execute_restore(
    plan: RestorePlan,
    archive: ArchiveReader,
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
    :param temporary: where a comparison may spill; None for the system's place
    :param lease: where the server's lease lies; None: in ``store``, where that of the deployment's own server does
    :raises RestoreRefused: the plan has refusals, or the server is not what it was planned for
    :raises ComparisonFailed: the server does not hold what it was given; nothing was replaced by that
    :raises LeaseHeld: another restore works on this deployment's server
    """
    raise_refusals(plan)
    journal = StoreJournal(store, plan.request.restore_id) if store is not None else ForgetfulJournal()
    finished = journal.report()
    if finished is not None:
        return finished
    with guarded(lease or LeasePlace.of(store), owner, clock) as guard:
        work = Work(plan, archive, server, journal, guard, clock, progress, temporary)
        started = _begin(work)
        outcomes = {**_created(work), **_merged(work), **_replaced(work)}
        aliases = make_aliases(work)
        work.flush()
        _check_outcome(work, outcomes)
        report = _report(work, started, outcomes, aliases, store)
        journal.finish(report)
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
        return _Outcome(compared, now=False) if compared and done else _load(work, item, item.target)
    stage = creating_stage(item, listed)
    if compared is not None and stage is Stage.DONE:
        tidy(work, item)
        return _Outcome(compared, now=False)
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
    """All are loaded and compared before the first is swapped: a failure until then leaves everything as it was."""
    outcomes = {item.key: _ready(work, item) for item in _items(work, Action.REPLACE)}
    replace_all(work, [item for item in _items(work, Action.REPLACE) if outcomes[item.key].now])
    return outcomes


def _ready(work: Work, item: PlannedCollection) -> _Outcome:
    stage = replacing_stage(item, _listed(work))
    if stage is Stage.INTRUDED or item.aside is None:
        raise intruded(work, item)
    if stage is not Stage.DONE:
        return _load(work, item, item.aside)
    compared = work.journal.compared(item.key)
    if compared is None:
        raise RestoreRefused(f"{item.target!r} was replaced already, by a process that kept no record of it")
    tidy(work, item)
    return _Outcome(compared, now=False)


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
                f"{found.vectors:,} vectors, {item.vectors:,} were restored: find out who writes there, restore again"
            )
        if item.action is not Action.MERGE and found.vectors != item.vectors:
            work.notes.append(
                f"{item.target!r} was restored with {item.vectors:,} vectors and has {found.vectors:,} now: "
                "somebody writes to it"
            )


def _report(
    work: Work, started: Started, outcomes: dict[str, _Outcome], aliases: dict[str, str], store: Store | None
) -> RestoreReport:
    plan, finished = work.plan, work.clock()
    collections = tuple(_restored(item, outcomes[item.key].compared) for item in plan.collections)
    return RestoreReport(
        restore_id=plan.request.restore_id,
        backup=plan.request.backup,
        mode=plan.request.mode,
        server_url=plan.server_url,
        started_at=started.at,
        finished_at=finished,
        seconds=max(0.0, (finished - started.at).total_seconds()),
        vectors=sum(item.vectors for item in collections),
        compared=sum(item.compared for item in collections),
        collections=collections,
        aliases=aliases,
        flushed=work.flushed,
        warnings=(*plan.warnings, *(f"{c.target}: {text}" for c in plan.collections for text in c.warnings)),
        notes=(*work.notes, *_closing_notes(work, store)),
    )


def _restored(item: PlannedCollection, compared: Compared) -> RestoredCollection:
    return RestoredCollection(
        source=item.source,
        target=item.target,
        action=item.action,
        vectors=compared.comparison.compared,
        compared=compared.comparison.compared,
        exact=compared.comparison.exact,
        left_behind=item.left_behind,
        seconds=compared.seconds,
        rate=compared.loaded / compared.seconds if compared.seconds > 0 else 0.0,
        kept_as=item.before,
        vectors_replaced=item.vectors_now if item.before else None,
    )


def _closing_notes(work: Work, store: Store | None) -> Iterator[str]:
    plan = work.plan
    if not work.flushed:
        yield (
            "the server holds no vector at all and then refuses to write: after its next restart the empty collections "
            "are gone, or what its disk had before is back"
        )
    if plan.replaces:
        where = f" --store {store.url}" if store is not None else ""
        yield (
            "the replaced collections are kept until you let them go: "
            f"vectorizer-backup release {plan.request.restore_id}{where} --server {plan.server_url}"
        )
    if store is None:
        yield "restored from a bare archive: no lease was taken, and there is no record to resume from"


def _items(work: Work, action: Action) -> tuple[PlannedCollection, ...]:
    return tuple(item for item in work.plan.collections if item.action is action)


def _listed(work: Work) -> frozenset[str]:
    return frozenset(state.name for state in work.server.collections())
