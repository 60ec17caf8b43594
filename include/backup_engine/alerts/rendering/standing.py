"""How well a deployment is protected, in lines for a message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from backup_engine import wording
from backup_engine.freshness.judgement import PlaceStanding, Protection

_MINUTE = 60


class Tone(StrEnum):
    """How a line is meant; shapes show it by a colour or a sign."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Line(NamedTuple):
    """A text and what it is; a text may come from outside."""

    label: str
    text: str
    tone: Tone = Tone.PLAIN

    @property
    def opening(self) -> str:
        """The label as it stands before the text."""
        between = " " if self.label.endswith(".") else ": "
        return self.label + between if self.label else ""


def protection(one: Protection) -> tuple[Line, ...]:
    """Say how old the newest points are, and what was promised."""
    if not _any_answers(one):
        return (_not_known(one),)
    return (
        Line("Newest good backup", _point(one, one.newest, one.newest_at)),
        _recovery_point(one),
        Line("Last verified", _point(one, one.fresh, one.verified_at) if one.verified_at else "never"),
        Line("Last proven by a restore", _point(one, one.proven, one.proven_at) if one.proven_at else "never"),
        _rpo(one),
        _rto(one),
    )


def places(one: Protection) -> tuple[Line, ...]:
    """Say what lies where."""
    return tuple(
        Line("Copy" if place.copy_of_it else "Backups", f"{place.url}: {_place(one, place)}", _tone(place))
        for place in one.places
    )


def loss(one: Protection) -> str:
    """Say in a sentence what would be lost now."""
    if not _any_answers(one):
        return "What would be lost with the server now is not known."
    if one.rpo_real is None:
        return "Losing the server now would lose everything."
    return f"Losing the server now would lose {wording.duration(one.rpo_real)} of changes."


def _any_answers(one: Protection) -> bool:
    return any(place.answers for place in one.places)


def _not_known(one: Protection) -> Line:
    promised = f"{wording.duration(one.rpo)} of loss and {wording.duration(one.rto)} to be back are promised"
    return Line("Backups", f"not known, because no place answers; at most {promised}", Tone.BAD)


def _recovery_point(one: Protection) -> Line:
    label = "Newest recovery point"
    if one.fresh is None:
        return Line(label, "none that was read back", Tone.BAD)
    more = f", {wording.count(one.vectors, 'vector')}, {wording.size(one.bytes)}"
    return Line(label, _point(one, one.fresh, one.fresh_at) + more)


def _rpo(one: Protection) -> Line:
    label, promised = "Loss at most (RPO)", f"{wording.duration(one.rpo)} promised"
    if one.rpo_real is None:
        return Line(label, f"{promised}; now everything would be lost", Tone.BAD)
    kept = one.rpo_real <= one.rpo
    text = f"{promised}; now {wording.duration(one.rpo_real)} would be lost"
    return Line(label, text, Tone.GOOD if kept else Tone.BAD)


def _rto(one: Protection) -> Line:
    label, promised = "Back after at most (RTO)", f"{wording.duration(one.rto)} promised"
    if one.rto_forecast is None:
        return Line(label, f"{promised}; there is nothing to restore", Tone.BAD)
    basis = "rate measured here" if one.rate_measured else "rate that is usual"
    measured = f"; the last one took {wording.duration(one.rto_measured)}" if one.rto_measured is not None else ""
    text = f"{promised}; a restore would take about {wording.duration(one.rto_forecast)} ({basis}){measured}"
    return Line(label, text, Tone.GOOD if one.rto_forecast <= one.rto else Tone.WARN)


def _point(one: Protection, name: str | None, at: datetime | None) -> str:
    if name is None or at is None:
        return "none"
    return f"{name}, {age(at, one.at)} ({wording.moment(at)})"


def lasted(since: datetime, now: datetime) -> str:
    """Say for how long something is so."""
    seconds = (now - since).total_seconds()
    return wording.duration(seconds) if seconds >= _MINUTE else "less than a minute"


def age(at: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    seconds = (now - at).total_seconds()
    return f"{wording.duration(seconds)} ago" if seconds >= 0 else f"in {wording.duration(-seconds)}"


def _place(one: Protection, place: PlaceStanding) -> str:
    return ", ".join(_facts(one, place))


def _facts(one: Protection, place: PlaceStanding) -> Iterator[str]:
    if not place.answers:
        yield "gives no answer"
        return
    yield f"{wording.count(place.backups, 'backup')} ({wording.size(place.bytes)})"
    yield f"newest good {_point(one, place.newest_good, place.newest_good_at)}"
    if place.behind:
        yield f"{wording.duration(place.behind)} behind"


def _tone(place: PlaceStanding) -> Tone:
    if not place.answers or place.newest_good is None:
        return Tone.BAD
    return Tone.WARN if place.behind else Tone.GOOD
