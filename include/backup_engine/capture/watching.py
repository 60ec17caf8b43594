"""Watching one collection while it is read: gone, created anew, moved, or not loaded yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from backup_engine.capture.plan import CapturePlan, PlannedCollection
from backup_engine.errors import ServerLoading
from backup_engine.model import Clock, CollectionState, ServerFacts
from backup_engine.ports import Source
from backup_engine.readiness import started_since

_DOUBT = timedelta(seconds=5)
"""Where nothing that was planned is listed as it was, a server that may have started since the plan has: what it does
not list is not believed to be gone."""


class Vanished(Exception):
    """The server does not list the collection any more: from here on its name must not be used."""


class CreatedAnew(Exception):
    """Another collection bears the name now: what was read so far is of no use."""


class Watch:
    """What the server said of one collection since reading it began; asking costs one request.

    :param planned: how it was listed when the plan was made
    """

    def __init__(self, plan: CapturePlan, planned: PlannedCollection, source: Source, clock: Clock) -> None:
        self._plan = plan
        self._planned = planned.state
        self._source = source
        self._clock = clock
        self.started_at: datetime = clock()
        self.seen: list[CollectionState] = []

    @property
    def lowest(self) -> int:
        """The smallest count it had."""
        return min(state.vectors for state in self.seen)

    @property
    def highest(self) -> int:
        """The largest count it had."""
        return max(state.vectors for state in self.seen)

    def look(self) -> CollectionState:
        """Ask the server how it lists the collection now.

        :raises Vanished: not at all
        :raises CreatedAnew: as another one than before
        :raises ServerLoading: the server was started since the plan was made and has not loaded it yet
        """
        states = self._source.collections()
        found = next((state for state in states if state.name == self._planned.name), None)
        if found is None or found.vectors < self._planned.vectors:
            self._make_sure_that_it_has_loaded(states, found)
        if found is None:
            raise Vanished(self._planned.name)
        if self.seen and self.seen[-1].created_at != found.created_at:
            raise CreatedAnew(self._planned.name)
        self.seen.append(found)
        return found

    def _make_sure_that_it_has_loaded(self, states: Sequence[CollectionState], found: CollectionState | None) -> None:
        created = {planned.state.name: planned.state.created_at for planned in self._plan.collections}
        facts, now, began = self._source.facts(), self._clock(), self._plan.started_at
        doubtful = found is None and not any(created.get(state.name) == state.created_at for state in states)
        if started_since(began, facts, states, created, now) or (doubtful and _may_have_started(facts, began, now)):
            listed = "does not list" if found is None else f"counts {found.vectors:,} vectors in"
            raise ServerLoading(
                f"the server started after {began.isoformat()}, when this capture began, or just before, and {listed} "
                f"{self._planned.name!r}, which had {self._planned.vectors:,}: try again when it has loaded"
            )


def _may_have_started(facts: ServerFacts, moment: datetime, now: datetime) -> bool:
    uptime = facts.uptime_seconds
    return uptime is not None and now - timedelta(seconds=uptime) > moment - _DOUBT
