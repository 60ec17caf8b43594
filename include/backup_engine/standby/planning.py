"""Decide what brings the standby to a backup, from what it was left with and one look at it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta

from backup_engine.archive.manifest import CollectionSummary, Manifest, PrivateCollection, Standing
from backup_engine.errors import ServerLoading
from backup_engine.model import CollectionState
from backup_engine.readiness import patience
from backup_engine.restore.names import is_reserved
from backup_engine.restore.plan import differing_settings
from backup_engine.restore.view import ServerView
from backup_engine.standby.plan import PlannedChange, StandbyAction, StandbyPlan
from backup_engine.standby.state import HeldCollection, StandbyState

_CLOCK_STEP = timedelta(seconds=5)  # uptimes come in whole seconds

_ADVICE = "is it in use? Then promote it (`standby failover --promote`); may what it holds go? Then apply with --repair"


def plan_changes(
    state: StandbyState,
    manifest: Manifest,
    view: ServerView,
    at_hand: Collection[str],
    *,
    repair: bool = False,
    in_place: bool = False,
) -> StandbyPlan:
    """Plan. Reasons against it are gathered in ``refusals``, all of them.

    :param manifest: of the backup to bring it to
    :param view: the standby as it is now, with the configurations of what the backup holds where ``in_place``
    :param at_hand: digests of the states that can be compared with
    :param repair: what somebody else made or changed is replaced, and does not speak against it
    :param in_place: what has to be loaded whole is compared first and only what differs is written, where possible
    """
    return _Planning(state, manifest, view, frozenset(at_hand), repair=repair, in_place=in_place).plan()


def check_loaded(state: StandbyState, view: ServerView) -> None:
    """Make sure that the standby is not still loading what it held before a restart.

    :raises ServerLoading: it started lately, and holds less than it was left with
    """
    uptime = view.facts.uptime_seconds
    total = sum(one.vectors for one in state.collections)
    if uptime is None or uptime > patience(total).total_seconds():
        return
    short = [one.name for one in state.collections if _restarted_short(one, view.states.get(one.name))]
    if short and all(_renewed(one, view.states.get(one.name)) for one in state.collections):
        raise ServerLoading(
            f"the standby {view.facts.url} started {uptime} s ago and does not hold {short[0]!r} yet as it was left: "
            "it still loads its collections; try again when it has",
            retry_after=30,
        )


def expected_count(summary: CollectionSummary, private: PrivateCollection) -> int:
    """Tell how many records a standby counts: those with components that came as null cannot be put back."""
    return summary.vectors - private.irregular_count


def _restarted_short(held: HeldCollection, now: CollectionState | None) -> bool:
    return now is None or (now.created_at != held.created_at and now.vectors < held.vectors)


def _renewed(held: HeldCollection, now: CollectionState | None) -> bool:
    return now is None or now.created_at != held.created_at


@dataclass(slots=True)
class _Planning:
    state: StandbyState
    manifest: Manifest
    view: ServerView
    at_hand: frozenset[str]
    repair: bool
    in_place: bool

    def plan(self) -> StandbyPlan:
        refusals = [*self._same_server()]
        changes = [self._change(*both, refusals) for both in self.manifest.each()]
        names = {one.name for one in changes}
        changes += [self._drop(held, refusals) for held in self.state.collections if held.name not in names]
        changes += [_came_back(name) for name in self.state.unflushed if self._came_back(name, names)]
        ours = {*(one.name for one in changes)}
        return StandbyPlan(
            backup=self.manifest.clear.name,
            captured_at=self.manifest.clear.captured_at,
            server_url=self.view.facts.url,
            changes=tuple(changes),
            untouched=tuple(name for name in sorted(self.view.states) if name not in ours and not is_reserved(name)),
            refusals=tuple(refusals),
        )

    def _change(self, summary: CollectionSummary, private: PrivateCollection, refusals: list[str]) -> PlannedChange:
        now, held = self.view.states.get(private.name), self.state.held.get(private.name)
        if summary.standing not in {Standing.WHOLE, Standing.FUZZY}:
            action, reason = StandbyAction.LEAVE, f"the backup holds it {summary.standing.value}"
        else:
            action, reason = self._decide(summary, held, now)
            foreign = self._foreign(private.name, held, now)
            if foreign and not self.repair:
                refusals.append(foreign)
            elif foreign:
                action, reason = StandbyAction.LOAD, f"{foreign.split(':')[0]}, and it is to be repaired"
        if action is StandbyAction.LOAD and self._can_align(private):
            action = StandbyAction.ALIGN
        count = expected_count(summary, private)
        return PlannedChange(name=private.name, key=summary.key, action=action, reason=reason, vectors=count)

    def _decide(
        self, summary: CollectionSummary, held: HeldCollection | None, now: CollectionState | None
    ) -> tuple[StandbyAction, str]:
        anew = next(self._reasons_to_load(summary, held, now), None)
        if anew is not None or held is None:
            return StandbyAction.LOAD, anew or "it is new"
        if held.state_digest == summary.state_digest:
            return StandbyAction.KEEP, "nothing changed"
        if held.state_digest not in self.at_hand:
            return StandbyAction.LOAD, f"no backup tells any more what it holds ({held.backup} is gone)"
        return StandbyAction.APPLY, f"it changed since {held.backup}"

    def _reasons_to_load(
        self, summary: CollectionSummary, held: HeldCollection | None, now: CollectionState | None
    ) -> Iterator[str]:
        if held is None:
            yield "it is new"
            return
        if now is None:
            yield "the standby does not hold it any more"
        elif now.created_at != held.created_at:
            yield "the standby was restarted, which changes values"
        if held.doubt:
            yield held.doubt
        in_flight = self.state.in_flight
        if in_flight and held.name in in_flight.collections and in_flight.backup != self.manifest.clear.name:
            yield f"it was left between two states, and {in_flight.backup} is gone"
        if held.configuration_sha256 != summary.configuration_sha256:
            yield "it has other settings"
        if held.source_created_at != summary.created_at and not self._source_restarted:
            yield "it was made anew"

    def _foreign(self, name: str, held: HeldCollection | None, now: CollectionState | None) -> str | None:
        """Tell what somebody else did to it; None for nothing that could be seen."""
        if now is None or name in self._in_flight or (self.state.loading and name in self.state.loading.collections):
            return None
        if name in self.state.unflushed and (held is None or now.created_at != held.created_at):
            return None  # it came back from disk
        if held is None:
            return f"the standby has a collection {name!r} that was not brought there: {_ADVICE}"
        if now.created_at != held.created_at and now.vectors == held.vectors:
            return None  # a restart
        if (now.updated_at, now.vectors) != (held.updated_at, held.vectors):
            counts = f"counts {now.vectors:,} vectors and was left with {held.vectors:,}"
            return f"somebody wrote to {name!r} on the standby, which {counts}: {_ADVICE}"
        return None

    def _drop(self, held: HeldCollection, refusals: list[str]) -> PlannedChange:
        now = self.view.states.get(held.name)
        foreign = self._foreign(held.name, held, now)
        if foreign and not self.repair:
            refusals.append(foreign)
        return PlannedChange(
            name=held.name, key=None, action=StandbyAction.DROP, reason=f"{self.manifest.clear.name} does not hold it"
        )

    def _same_server(self) -> Iterator[str]:
        """Refuse to write a backup over the server that it was made of, under whatever address."""
        url, clear = self.view.facts.url, self.manifest.clear
        created = {private.name: summary.created_at for summary, private in self.manifest.each()}
        same = [name for name, now in self.view.states.items() if created.get(name) == now.created_at]
        if same or self.manifest.private.server_url == url:
            yield (
                f"{clear.name} was captured from {url} itself, which cannot be its own standby: name another server, "
                "or, after a failover, capture the one that is in use now first"
            )

    def _came_back(self, name: str, wanted: Collection[str]) -> bool:
        """Tell whether a collection that was dropped is there again, and nobody wants it."""
        return name in self.view.states and name not in wanted and name not in self.state.held

    def _can_align(self, private: PrivateCollection) -> bool:
        live = self.view.configurations.get(private.name)
        return bool(
            self.in_place
            and live
            and private.configuration
            and not differing_settings(live, private.configuration)
            and self.view.can_snapshot(private.name)
        )

    @property
    def _in_flight(self) -> tuple[str, ...]:
        return self.state.in_flight.collections if self.state.in_flight else ()

    @property
    def _source_restarted(self) -> bool:
        before, now = self.state.source_started_at, self.manifest.clear.server.started_at
        return before is None or now is None or abs(now - before) > _CLOCK_STEP


def _came_back(name: str) -> PlannedChange:
    return PlannedChange(name=name, key=None, action=StandbyAction.DROP, reason="it came back with a restart")
