"""Whether a server has really loaded, which it never says.

A starting server is silent for minutes, then lists a part of what it has, counts 0 for the collection in work, and is
"healthy" all the while. What tells is its uptime, what the last good backup held, and how long the list has been quiet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from backup_engine import wording
from backup_engine.archive.manifest import Manifest, Standing
from backup_engine.model import CollectionState, Document, ServerFacts

LOADING_RATE = 300.0
"""Vectors a second that a server loads when it starts: 300 to 410 measured on two cores (384 dimensions)."""

_SLOWEST_RATE = 100.0  # a third of what was measured: a server that is up for longer than this takes has loaded
_SETTLING = timedelta(seconds=5)
_EMPTY_SETTLING = timedelta(minutes=1)  # a collection that counts 0 may be the one in work
_YOUNG = timedelta(minutes=15)
_CLOCK_STEP = timedelta(seconds=5)  # uptime comes in whole seconds, and our clock is not the server's


class Verdict(StrEnum):
    """What to do now.

    * ready: read it
    * loading: ask again in a while
    * suspect: the deadline has passed; read it, and let the backup be suspect
    """

    READY = "ready"
    LOADING = "loading"
    SUSPECT = "suspect"


class Readiness(Document):
    """A verdict and why; the reasons of a suspect one go into the request as its suspicions."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.verdict is not Verdict.LOADING


def loading_time(vectors: int) -> timedelta:
    """Tell how long a server may take to load that many vectors."""
    return timedelta(seconds=vectors / LOADING_RATE)


def patience(vectors: int) -> timedelta:
    """Tell how long to wait for a server that held so many vectors: a quarter of an hour more than loading takes."""
    return _YOUNG + loading_time(vectors)


def assess_readiness(
    facts: ServerFacts,
    states: Sequence[CollectionState],
    last: Manifest | None,
    now: datetime,
    deadline: datetime,
    *,
    allow_empty: bool = False,
) -> Readiness:
    """Decide whether the server can be read.

    Only a server that is young, and started since ``last``, can be loading. It must hold again, collection by
    collection, what it held then, and nothing new may have come for a time that grows with what it lists. What an
    older server lacks has been deleted: how much is too much is for the commit to judge.

    :param last: the newest good backup of the deployment's whole scope, if there is one
    :param now: UTC, by the clock that ``last`` was captured by
    :param deadline: from then on what still looks like loading is suspect
    :param allow_empty: a server that lists nothing is fine
    """
    if not _may_be_loading(facts, states, last, now):
        return Readiness(verdict=Verdict.READY)
    missing = _missing(states, last) if last is not None else ()
    reasons = (*missing, *_unsettled(facts, states, last, now, allow_empty=allow_empty))
    if not reasons:
        return Readiness(verdict=Verdict.READY)
    return Readiness(verdict=Verdict.SUSPECT if now >= deadline else Verdict.LOADING, reasons=reasons)


def started_since(
    moment: datetime,
    facts: ServerFacts,
    states: Sequence[CollectionState],
    created: dict[str, str],
    now: datetime,
) -> bool | None:
    """Tell whether the server was started after ``moment``; None when nothing tells.

    :param created: ``created_at`` by collection at that moment: a start renews all of them
    """
    seen = [state for state in states if state.name in created]
    if seen and all(created[state.name] != state.created_at for state in seen):
        return True
    if facts.uptime_seconds is None:
        return False if seen else None
    return now - timedelta(seconds=facts.uptime_seconds) > moment + _CLOCK_STEP


def _created(last: Manifest) -> dict[str, str]:
    return {private.name: summary.created_at for summary, private in last.each()}


def _may_be_loading(
    facts: ServerFacts, states: Sequence[CollectionState], last: Manifest | None, now: datetime
) -> bool:
    if last and started_since(last.clear.captured_at, facts, states, _created(last), now) is False:
        return False
    if facts.uptime_seconds is None:
        return True
    vectors = max(sum(state.vectors for state in states), last.clear.vectors if last else 0)
    return facts.uptime_seconds < _YOUNG.total_seconds() + vectors / _SLOWEST_RATE


def _missing(states: Sequence[CollectionState], last: Manifest) -> Iterator[str]:
    now_has = {state.name: state.vectors for state in states}
    for summary, private in last.each():
        if summary.standing is Standing.UNREADABLE:
            continue
        if private.name not in now_has:
            yield f"the server started since {last.clear.name} and does not list {private.name!r}, which it held"
        elif now_has[private.name] < summary.vectors:
            yield (
                f"the server started since {last.clear.name} and counts {now_has[private.name]:,} of the "
                f"{wording.count(summary.vectors, 'vector')} that {private.name!r} held"
            )


def _unsettled(
    facts: ServerFacts, states: Sequence[CollectionState], last: Manifest | None, now: datetime, *, allow_empty: bool
) -> Iterator[str]:
    uptime = timedelta(seconds=facts.uptime_seconds or 0)
    if not states:
        if not allow_empty and uptime < _EMPTY_SETTLING:
            yield f"the server started {wording.duration(uptime.total_seconds())} ago and lists nothing yet"
        return
    clock = facts.now or now
    quiet = _SETTLING + loading_time(max(state.vectors for state in states))
    held = {private.name for private in last.private.collections} if last else set()
    for state in states:
        counts_nothing = state.vectors == 0 and state.name not in held
        needed = max(quiet, _EMPTY_SETTLING) if counts_nothing else quiet
        age = _age(state.created_at, clock)
        if age is None or age < needed:
            yield _too_fresh(state.name, age, needed)


def _age(created_at: str, clock: datetime) -> timedelta | None:
    """How long ago, by the server's own clock; None when its words cannot be read."""
    try:
        return clock - datetime.fromisoformat(created_at)
    except (ValueError, TypeError):
        return None


def _too_fresh(name: str, age: timedelta | None, needed: timedelta) -> str:
    wanted = f"a young server counts as loaded once nothing new came for {wording.duration(needed.total_seconds())}"
    if age is None:
        return f"when {name!r} appeared cannot be told; {wanted}"
    return f"{name!r} appeared {wording.duration(max(0.0, age.total_seconds()))} ago; {wanted}"
