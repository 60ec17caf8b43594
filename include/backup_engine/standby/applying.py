"""Bring the standby to the newest backup that can be restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from backup_engine import wording
from backup_engine.archive.manifest import CollectionSummary
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.errors import ComparisonFailed, RestoreRefused, ServerFault
from backup_engine.model import CollectionState
from backup_engine.restore.flushing import flush_if_possible
from backup_engine.restore.guard import Guard, guarded
from backup_engine.restore.view import look
from backup_engine.restore_point import RestorePoint
from backup_engine.standby.aliasing import keep_aliases
from backup_engine.standby.changing import Changed, Changer
from backup_engine.standby.differences import Stored
from backup_engine.standby.loading import load_collections, loaded
from backup_engine.standby.outcome import Applied, AppliedChange, done, nothing_newer
from backup_engine.standby.party import Party
from backup_engine.standby.plan import PlannedChange, StandbyAction, StandbyPlan
from backup_engine.standby.planning import check_loaded, plan_changes
from backup_engine.standby.points import States, targets
from backup_engine.standby.state import HeldCollection, InFlight, StandbyState, StateFile


def apply_newest(party: Party, *, repair: bool = False, in_place: bool = False) -> Applied:
    """Bring the standby to the newest good backup that can be restored, or go on with that.

    :param repair: what somebody else made or changed there is replaced, instead of speaking against it
    :param in_place: what has to be loaded whole is compared first, and only what differs is written; what is replaced
        otherwise is kept aside. For a server that was the first one before
    :raises LeaseHeld: somebody brings it up to date this moment
    :raises RestoreRefused: it was promoted, somebody wrote to it, or it cannot take what the backup holds
    :raises ServerLoading: it was restarted and has not loaded yet
    :raises ComparisonFailed: it counts something else than it was brought to; the next attempt loads that anew
    """
    with guarded(party.lease, party.owner, party.clock) as guard:
        file = StateFile(party.store, party.standby)
        catalog = Catalog(party.store, party.clock)
        state = _known(party, file)
        steps = [_Step(party, file, catalog, one, guard) for one in targets(state, catalog)]
        taken = [step.take(repair=repair, in_place=in_place) for step in steps]
        return taken[-1] if taken else nothing_newer(state)


def preview(party: Party, *, repair: bool = False, in_place: bool = False) -> StandbyPlan:
    """Tell what bringing it to the newest backup would do; nothing is written anywhere."""
    known = StateFile(party.store, party.standby).state
    state = _empty(party) if known is None or known.promoted else known
    catalog = Catalog(party.store, party.clock)
    backups = targets(state, catalog)
    if not backups:
        held = nothing_newer(state)
        return StandbyPlan(backup=held.backup, captured_at=held.captured_at, server_url=state.server_url, changes=())
    return _planned(party, state, catalog, backups[-1], repair=repair, in_place=in_place)


def _known(party: Party, file: StateFile) -> StandbyState:
    state = file.state
    if state is None:
        return file.write(_empty(party))
    if state.promoted is not None:
        raise RestoreRefused(
            f"the standby {state.server_url} was promoted {wording.moment(state.promoted.at)} by {state.promoted.by}: "
            "nothing is brought to it any more; name it as the deployment's server, and the old one as standby"
        )
    return state


def _empty(party: Party) -> StandbyState:
    return StandbyState(deployment=party.deployment, server_url=party.server.facts().url)


def _planned(
    party: Party, state: StandbyState, catalog: Catalog, backup: Backup, *, repair: bool, in_place: bool
) -> StandbyPlan:
    names = [one.name for one in backup.manifest.private.collections] if in_place else []
    view = look(party.server, names)
    check_loaded(state, view)
    at_hand = States(catalog, party.temporary).at_hand(one.state_digest for one in state.collections)
    return plan_changes(state, backup.manifest, view, at_hand, repair=repair, in_place=in_place)


class _Step:
    """One backup that the standby is brought to."""

    def __init__(self, party: Party, file: StateFile, catalog: Catalog, backup: Backup, guard: Guard) -> None:
        self._party = party
        self._file = file
        self._catalog = catalog
        self._backup = backup
        self._guard = guard
        self._states = States(catalog, party.temporary)
        self._summaries = {private.name: summary for summary, private in backup.manifest.each()}
        self._kept_aside: list[str] = []

    def take(self, *, repair: bool, in_place: bool) -> Applied:
        began = self._party.clock()
        plan = _planned(self._party, self._state, self._catalog, self._backup, repair=repair, in_place=in_place)
        plan.require_possible()
        point = self._catalog.open_point(self._backup, temporary=self._party.temporary)
        changes = [*self._load(plan, point, keep=in_place), *self._change(plan, point), *self._rest(plan)]
        self._conclude(plan)
        return self._applied(began, changes)

    @property
    def _state(self) -> StandbyState:
        if self._file.state is None:
            raise AssertionError("what a standby holds is written down before anything is brought to it")
        return self._file.state

    def _load(self, plan: StandbyPlan, point: RestorePoint, *, keep: bool) -> Iterator[AppliedChange]:
        for action in (StandbyAction.ALIGN, StandbyAction.LOAD):
            changes = plan.of(action)
            if not changes:
                continue
            in_place = action is StandbyAction.ALIGN
            report = load_collections(self._party, self._file, point, changes, in_place=in_place, keep_replaced=keep)
            listed = self._listed()
            for change in changes:
                self._hold(change, listed)
            unflushed = self._state.changing(one.name for one in changes).unflushed
            self._write(unflushed=() if report.flushed else unflushed)
            loaded(self._file)
            if any(one.kept_as for one in report.collections):
                self._kept_aside.append(report.restore_id)
            figures = {one.target: one for one in report.collections}
            for change in changes:
                one = figures[change.name]
                yield done(change, Changed(upserts=one.written, deletions=one.deleted, sampled=one.compared))

    def _change(self, plan: StandbyPlan, point: RestorePoint) -> Iterator[AppliedChange]:
        changes, drops = plan.of(StandbyAction.APPLY), plan.of(StandbyAction.DROP)
        if not changes and not drops:
            return
        party = self._party
        with guarded(party.restore_lease, party.owner, party.clock) as guard:
            glance = _both(self._guard, guard)
            self._file.write(self._state.changing(one.name for one in (*changes, *drops)))
            if changes:
                names = tuple(one.name for one in changes)
                self._write(in_flight=InFlight(backup=self._backup.name, collections=names))
            changer = Changer(party.server, party.clock, party.progress, glance, party.temporary)
            for change in changes:
                yield self._changed(changer, change, point)
            for change in drops:
                glance()
                yield self._dropped(change)
            if flush_if_possible(party.server):
                self._write(unflushed=())

    def _changed(self, changer: Changer, change: PlannedChange, point: RestorePoint) -> AppliedChange:
        held = self._state.held[change.name]
        before = self._states.open(held.state_digest)
        if before is None:
            raise ServerFault(f"the backup that tells what {change.name!r} was on the standby went away; apply again")
        found = changer.change(change.name, before, Stored(point, str(change.key)))
        listed = self._listed()
        counted = listed[change.name].vectors if change.name in listed else 0
        problem = found.problem
        if counted != change.vectors:
            problem = f"it counts {counted:,} vectors, and {change.vectors:,} were expected"
        self._hold(change, listed, doubt=problem)
        if problem is not None:
            raise ComparisonFailed(
                f"{change.name!r} on the standby is not what {self._backup.name} holds: {problem}; the next attempt "
                "loads it anew. If others write to the standby, keep them away"
            )
        return done(change, found)

    def _dropped(self, change: PlannedChange) -> AppliedChange:
        if change.name in self._listed():
            self._party.server.delete_collection(change.name)
        self._file.write(self._state.forgetting(change.name))
        return done(change)

    def _rest(self, plan: StandbyPlan) -> Iterator[AppliedChange]:
        """Note what is the same under a newer backup, which is there for longer."""
        state = self._state
        for change in plan.of(StandbyAction.KEEP):
            held = state.held[change.name]
            state = state.holding(self._held(self._summaries[change.name], held))
        self._file.write(state)
        return (done(change) for change in plan.of(StandbyAction.KEEP, StandbyAction.LEAVE))

    def _conclude(self, plan: StandbyPlan) -> None:
        clear, private = self._backup.manifest.clear, self._backup.manifest.private
        held = {one.name for one in self._state.collections}
        wanted = {alias: name for alias, name in private.aliases.items() if name in held}
        aliases = keep_aliases(self._party.server, wanted, self._state.aliases)
        self._write(
            backup=self._backup.name,
            started_at=clear.started_at,
            captured_at=clear.captured_at,
            source_started_at=clear.server.started_at,
            applied_at=self._party.clock(),
            runs=self._state.runs + 1,
            aliases=aliases,
            server_url=plan.server_url,
        )

    def _hold(self, change: PlannedChange, listed: dict[str, CollectionState], doubt: str | None = None) -> None:
        now = listed.get(change.name)
        if now is None:
            raise ServerFault(f"{change.name!r} vanished from the standby right after it was written; apply again")
        summary = self._summaries[change.name]
        words = HeldCollection(
            name=change.name,
            backup=self._backup.name,
            key=summary.key,
            state_digest=summary.state_digest,
            configuration_sha256=summary.configuration_sha256,
            source_created_at=summary.created_at,
            vectors=now.vectors,
            created_at=now.created_at,
            updated_at=now.updated_at,
            doubt=doubt,
        )
        self._file.write(self._state.holding(words))

    def _held(self, summary: CollectionSummary, held: HeldCollection) -> HeldCollection:
        renewed = {"backup": self._backup.name, "key": summary.key, "source_created_at": summary.created_at}
        return held.model_copy(update=renewed)

    def _write(self, **changes: object) -> None:
        self._file.write(self._state.model_copy(update=changes))

    def _listed(self) -> dict[str, CollectionState]:
        return {state.name: state for state in self._party.server.collections()}

    def _applied(self, began: datetime, changes: list[AppliedChange]) -> Applied:
        clear, now = self._backup.manifest.clear, self._party.clock()
        idle = {StandbyAction.KEEP, StandbyAction.LEAVE}
        return Applied(
            backup=clear.name,
            started_at=clear.started_at,
            captured_at=clear.captured_at,
            applied_at=now,
            seconds=max(0.0, (now - began).total_seconds()),
            already=all(one.action in idle for one in changes),
            collections=tuple(sorted(changes, key=lambda one: one.name)),
            kept_aside=tuple(self._kept_aside),
        )


def _both(one: Guard, other: Guard) -> Callable[[], None]:
    def glance() -> None:
        one.glance()
        other.glance()

    return glance
