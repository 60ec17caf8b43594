"""From what is wrong now, and what was told before, to what people are told now: each thing once. Pure.

An incident is open from when its concern is first seen until a look sees it no more. What a run says about itself is
no look's to end: a good run of the same purpose settles it. People are told

* that it is there, once, unless something explains it that they know of as something as bad
* that it is worse than the worst they were told of it
* that it is still there, a day later
* that it is over, if they were told of it, and nothing keeps the look from seeing it

What comes back soon after it was over is told again, but its end only after a calm that is longer each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from backup_engine.alerts.alert import Occasion, Told
from backup_engine.alerts.causes import explained_by, hidden_by, is_cause
from backup_engine.alerts.ledger import Incident, Ledger
from backup_engine.alerts.settings import REMIND
from backup_engine.freshness.concerns import EVENTS, Concern, Severity

REMEMBERED = timedelta(hours=6)
"""What comes back this soon after its end has come *back*: its end is told later each time."""

CALM = timedelta(minutes=15)
"""What came back once is over after three looks that do not see it; twice the time for each time that it came back."""

FORGOTTEN = timedelta(days=7)
"""A restore is not tried again by any schedule: after this long nobody has to hear that it once failed."""

_LONGEST_CALM = timedelta(hours=24)
_BLIPS = 5
"""What came back so often is told without grace."""

BY_HAND = frozenset({"restore", "after_restore"})
"""Purposes whose failures no later run has to settle."""


class Decision(NamedTuple):
    """What people are told, the worst first, and what is remembered then."""

    told: tuple[Told, ...]
    ledger: Ledger


def reconcile(
    ledger: Ledger,
    concerns: Iterable[Concern],
    now: datetime,
    *,
    remind: timedelta,
    fresh: Mapping[str, datetime] | None = None,
) -> Decision:
    """Decide what one look makes to be told.

    :param concerns: all that the look found wrong
    :param remind: what is still wrong is told again after this long
    :param fresh: by purpose, when reading of the newest fresh backup began that makes good what its runs failed to
        make: failures before it are settled
    """
    found = _distinct(concerns)
    there = [*found.values(), *(one.concern for one in ledger.open if one.concern.kind in EVENTS)]
    incidents = dict(ledger.incidents)
    for key, concern in found.items():
        if key in incidents or concern.severity is not Severity.NOTE:
            incidents[key] = _seen(incidents.get(key), concern, now)
    for key, one in ledger.incidents.items():
        if key not in found and _ended(one, there, now, fresh or {}):
            incidents[key] = _over(one, now)
    return _told(ledger, incidents, now, remind)


def raise_event(ledger: Ledger, concern: Concern, now: datetime, *, remind: timedelta = REMIND) -> Decision:
    """Decide what is told of what a run says about itself; nothing else is touched."""
    if concern.severity is Severity.NOTE:
        return Decision((), ledger)
    incidents = {**ledger.incidents, concern.key: _seen(ledger.incidents.get(concern.key), concern, now)}
    return _told(ledger, incidents, now, remind, only=lambda key: key == concern.key)


def settle(ledger: Ledger, purpose: str, now: datetime) -> Decision:
    """Decide what is told when a run of this purpose went well: what runs before it said is over."""
    settled = {
        key: _over(one, now)
        for key, one in ledger.incidents.items()
        if one.over is None and one.concern.kind in EVENTS and one.concern.subject == purpose
    }
    return _told(ledger, {**ledger.incidents, **settled}, now, REMIND, only=settled.__contains__)


def owing(ledger: Ledger, told: Iterable[Told], channels: Iterable[str]) -> Ledger:
    """Note that these channels are still to hear what was told; empty: all have."""
    owed = tuple(sorted(set(channels)))
    changed = {
        one.concern.key: ledger.incidents[one.concern.key].model_copy(update={"owed": owed})
        for one in told
        if one.concern.key in ledger.incidents
    }
    return ledger.model_copy(update={"incidents": {**ledger.incidents, **changed}})


def troubles(ledger: Ledger, now: datetime) -> tuple[Incident, ...]:
    """Give what is wrong beyond doubt: open, worse than a note, longer there than what mends itself.

    A restore that failed is not among them: people know, and nothing may ever come that settles it.
    """
    return tuple(
        one
        for one in ledger.open
        if one.concern.severity is not Severity.NOTE
        and not _waits(one, now)
        and not (one.concern.kind in EVENTS and one.concern.subject in BY_HAND)
    )


def _distinct(concerns: Iterable[Concern]) -> dict[str, Concern]:
    """Take the worst of those with one key; in one order, whatever order they came in."""
    ordered = sorted(concerns, key=lambda one: (one.key, one.severity.rank, one.model_dump_json()))
    return {one.key: one for one in ordered}


def _seen(before: Incident | None, concern: Concern, now: datetime) -> Incident:
    if before is None:
        return Incident(concern=concern, since=min(concern.since or now, now))
    if before.over is None:
        return before.model_copy(update={"concern": concern})
    if before.told is not None:  # nobody heard that it was over
        return before.model_copy(update={"concern": concern, "over": None})
    return Incident(concern=concern, since=min(concern.since or now, now), relapses=before.relapses + 1)


def _over(one: Incident, now: datetime) -> Incident:
    return one if one.over is not None else one.model_copy(update={"over": now})


def _ended(one: Incident, there: Iterable[Concern], now: datetime, fresh: Mapping[str, datetime]) -> bool:
    concern = one.concern
    if concern.kind not in EVENTS:
        return not any(is_cause(cause, other, concern) for cause in hidden_by(concern) for other in there)
    if concern.subject in BY_HAND:
        return abs(now - (concern.since or one.since)) >= FORGOTTEN
    fresh_at = fresh.get(concern.subject)
    return fresh_at is not None and fresh_at > (concern.since or one.since)


def _told(
    ledger: Ledger,
    incidents: Mapping[str, Incident],
    now: datetime,
    remind: timedelta,
    only: Callable[[str], bool] = lambda _: True,
) -> Decision:
    """Tell of those incidents, each knowing what people are told of those that explain it."""
    teller = _Teller(incidents, now, remind, only)
    decided = {key: teller.decided(key) for key in sorted(incidents)}
    kept = {key: one.incident for key, one in decided.items() if not only(key) or not _forgettable(one.incident, now)}
    told = [one.told for one in decided.values() if one.told is not None]
    told.sort(key=lambda one: (one.occasion is Occasion.RECOVERED, -one.concern.severity.rank, one.concern.key))
    return Decision(tuple(told), ledger.model_copy(update={"incidents": kept}))


class _Decided(NamedTuple):
    incident: Incident
    told: Told | None = None


@dataclass
class _Teller:
    """Decides about each incident after those that explain it."""

    incidents: Mapping[str, Incident]
    now: datetime
    remind: timedelta
    only: Callable[[str], bool]

    def __post_init__(self) -> None:
        self._decided: dict[str, _Decided] = {}

    def decided(self, key: str) -> _Decided:
        if key not in self._decided:
            one = self.incidents[key]
            if not self.only(key):
                self._decided[key] = _Decided(one)
            else:
                self._decided[key] = self._open(one) if one.over is None else self._ended(one, one.over)
        return self._decided[key]

    def _ended(self, one: Incident, over: datetime) -> _Decided:
        quietly = one.concern.kind in EVENTS and one.concern.subject in BY_HAND and self._is_forgotten(one)
        if one.told is None or quietly:
            again = one.told is None and one.owed
            return _Decided(
                one.model_copy(update={"told": None}), self._say(one, Occasion.RECOVERED) if again else None
            )
        if abs(self.now - over) < _calm(one.relapses):
            return _Decided(one)
        ended = one.concern.model_copy(update={"severity": one.told})
        done = one.model_copy(update={"concern": ended, "told": None, "told_at": self.now, "owed": ()})
        return _Decided(done, self._say(done, Occasion.RECOVERED))

    def _is_forgotten(self, one: Incident) -> bool:
        return abs(self.now - (one.concern.since or one.since)) >= FORGOTTEN

    def _open(self, one: Incident) -> _Decided:
        occasion = self._occasion(one)
        if occasion is None:
            return _Decided(one)
        if occasion is Occasion.RAISED and one.told is not None:
            return _Decided(one, self._say(one, occasion))
        worst = max(one.told or Severity.NOTE, one.concern.severity, key=lambda severity: severity.rank)
        known = one.model_copy(update={"told": worst, "told_at": self.now, "owed": ()})
        return _Decided(known, self._say(known, occasion))

    def _occasion(self, one: Incident) -> Occasion | None:
        severity = one.concern.severity
        if severity is Severity.NOTE:
            return None
        if one.told is None:
            return None if _waits(one, self.now) or self._is_explained(one) else Occasion.RAISED
        if severity.rank > one.told.rank and not self._is_explained(one):
            return Occasion.WORSE
        since = abs(self.now - one.told_at) if one.told_at else self.remind
        if since >= self.remind and not self._is_explained(one):
            return Occasion.REMINDER
        return Occasion.RAISED if one.owed else None

    def _is_explained(self, one: Incident) -> bool:
        return self._explained_at(one) >= one.concern.severity.rank

    def _explained_at(self, one: Incident) -> int:
        """Tell as how bad people know of what explains it: a rank, 0 where nothing does."""
        causes = explained_by(one.concern)
        behind = [
            key
            for key, other in self.incidents.items()
            if other.over is None and any(is_cause(cause, other.concern, one.concern) for cause in causes)
        ]
        patient = one.concern.kind not in EVENTS  # a run does not mend itself: it waits for no cause that may
        return max((self._known_at(key, patient=patient) for key in behind), default=0)

    def _known_at(self, key: str, *, patient: bool) -> int:
        one = self.decided(key).incident
        if one.concern.severity is Severity.NOTE:
            return 0
        if one.told is not None:
            return one.told.rank
        return one.concern.severity.rank if patient and _waits(one, self.now) else self._explained_at(one)

    def _say(self, one: Incident, occasion: Occasion) -> Told:
        return Told(occasion=occasion, concern=one.concern, since=one.since)


def _waits(one: Incident, now: datetime) -> bool:
    """Tell whether it may still mend itself."""
    return (
        one.told is None
        and one.relapses < _BLIPS
        and abs(now - one.since) < timedelta(seconds=one.concern.grace_seconds)
    )


def _calm(relapses: int) -> timedelta:
    return min(CALM * 2 ** min(relapses - 1, 8), _LONGEST_CALM) if relapses else timedelta(0)


def _forgettable(one: Incident, now: datetime) -> bool:
    """Tell whether it was over for so long that it would be another one if it came again."""
    if one.over is None or one.told is not None:
        return False
    quiet = abs(now - one.over)
    return quiet >= FORGOTTEN or (not one.owed and quiet >= REMEMBERED + _calm(one.relapses))
