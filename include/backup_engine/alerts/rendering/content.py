"""What a message says and in which order, whatever shape it has: sections of lines, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from backup_engine import wording
from backup_engine.alerts.alert import Alert, Occasion, Probe, Told
from backup_engine.alerts.rendering.cleaning import link, one_line
from backup_engine.alerts.rendering.headline import in_words, marked, title, worst_first
from backup_engine.alerts.rendering.standing import Line, Tone, lasted, loss, places, protection
from backup_engine.findings import Level
from backup_engine.freshness.concerns import Severity

_T = TypeVar("_T")

_TONES = {Severity.CRITICAL: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.NOTE: Tone.PLAIN}
_PROBED = {Level.OK: (Tone.GOOD, "well"), Level.NOTE: (Tone.WARN, "note"), Level.MISSING: (Tone.BAD, "PROBLEM")}
_GRAVEST = (Level.MISSING, Level.NOTE, Level.OK)
_GUIDE = "disk, rights, network, server, low-traffic window"

_URGENCY = {
    Severity.CRITICAL: "Act now.",
    Severity.WARNING: "Act soon: a promise will be broken if nobody does anything.",
    Severity.NOTE: "Good to know.",
}
_BEFORE = {
    Occasion.REMINDER: "You were told before, and it is still so. ",
    Occasion.WORSE: "You were told before, and it has become worse. ",
}

STANDING, TRIED, PLACES = "How things stand", "What was tried", "Where copies lie"

_LABEL = 180


class Budget(NamedTuple):
    """How much a message may say.

    :param lines: in a section
    :param chars: in a sentence
    """

    lines: int
    chars: int


BUDGETS = tuple(
    Budget(*one) for one in ((15, 1000), (10, 700), (8, 400), (5, 300), (3, 300), (2, 250), (1, 200), (1, 40))
)
"""From generous to what fits everywhere: fewer before shorter."""


class Section(NamedTuple):
    """Lines about one thing.

    :param long: it grows with what is found, so it may be cut
    :param more: how much was left out, in words; empty: nothing
    """

    heading: str
    lines: tuple[Line, ...]
    long: bool = True
    more: str = ""


class Link(NamedTuple):
    """An address to go to, which may be made a link."""

    words: str
    url: str


class Content(NamedTuple):
    """Everything that a message says.

    :param lead: why it comes now
    :param foot: where it comes from
    """

    title: str
    tone: Tone
    lead: str
    sections: tuple[Section, ...]
    links: tuple[Link, ...]
    foot: str


def content(alert: Alert, budget: Budget) -> Content:
    """Gather what a message says: what, since when, how things stand, the risk, what to do, what was tried.

    Each text is one line without control characters, escaped for no shape yet: any of it may come from outside.
    """
    every = worst_first(alert)
    bad = [one for one in every if one.occasion is not Occasion.RECOVERED]
    return Content(
        title=title(alert),
        tone=_TONES[alert.severity] if bad else Tone.GOOD,
        lead=_lead(alert, every),
        sections=tuple(_shortened(section, budget) for section in _sections(alert, every, bad) if section.lines),
        links=tuple(_links(alert)),
        foot=f"Vectorizer Backup, {wording.moment(alert.at)}",
    )


def fitting(make: Callable[[Budget], _T], fits: Callable[[_T], bool]) -> _T:
    """Make a message as long as fits; the last budget must."""
    made = make(BUDGETS[0])
    for budget in BUDGETS[1:]:
        if fits(made):
            break
        made = make(budget)
    return made


def _sections(alert: Alert, every: Sequence[Told], bad: Sequence[Told]) -> Iterator[Section]:
    numbers = [f"{number}." for number in range(1, len(bad) + 1)] if len(bad) > 1 else [""] * len(bad)
    numbered = [*zip(numbers, bad, strict=True)]
    yield Section("What is wrong", tuple(_wrong(one, alert, number) for number, one in numbered))
    yield Section("What is over", tuple(_over(one, alert) for one in every[len(bad) :]))
    yield Section(STANDING, _standing(alert), long=False)
    yield Section("What is at risk", _each(numbered, lambda one: one.concern.risk))
    yield Section("What to do", _each(numbered, lambda one: one.concern.remedy))
    yield Section(TRIED, _tried(alert))
    yield Section("The run", _run(alert), long=False)
    if alert.protection:
        yield Section(PLACES, places(alert.protection))


def _each(numbered: Sequence[tuple[str, Told]], what: Callable[[Told], str]) -> tuple[Line, ...]:
    return tuple(Line(number, what(one), _TONES[one.concern.severity]) for number, one in numbered if what(one).strip())


def _wrong(one: Told, alert: Alert, number: str) -> Line:
    label = (
        f"{number} {marked(one)}, {in_words(one)}, since {wording.moment(one.since)} ({lasted(one.since, alert.at)})"
    )
    return Line(label.strip(), one.concern.found, _TONES[one.concern.severity])


def _over(one: Told, alert: Alert) -> Line:
    label = f"{in_words(one)}, after {lasted(one.since, alert.at)} (since {wording.moment(one.since)})"
    return Line(label[:1].upper() + label[1:], f"It was: {one.concern.found}", Tone.GOOD)


def _standing(alert: Alert) -> tuple[Line, ...]:
    if alert.protection:
        return protection(alert.protection)
    if not alert.deployment:
        return ()
    because = f", because {alert.unknown_because}" if alert.unknown_because else ""
    return (Line("", f"This could not be found out{because}", Tone.WARN),)


def _tried(alert: Alert) -> tuple[Line, ...]:
    """Say what was tried of the troubleshooting list; what is wrong is not cut off, so it stands first."""
    if not alert.probes and alert.run and not alert.recovered:
        return (Line("", f"Nothing was tried. Look in this order at: {_GUIDE}."),)
    return tuple(map(_probed, sorted(alert.probes, key=lambda probe: _GRAVEST.index(probe.level))))


def _probed(probe: Probe) -> Line:
    tone, words = _PROBED[probe.level]
    found = f"{probe.found.rstrip('. ')}. To do: {probe.remedy}" if probe.remedy else probe.found
    what = one_line(probe.what, 40)
    return Line(f"{what[:1].upper()}{what[1:]}, {words}", found, tone)


def _run(alert: Alert) -> tuple[Line, ...]:
    return (Line("DAG", alert.run.dag_id), Line("Run", alert.run.run_id)) if alert.run else ()


def _lead(alert: Alert, every: Sequence[Told]) -> str:
    lost = f" {loss(alert.protection)}" if alert.protection else ""
    if alert.recovered:
        return f"This is over.{lost}"
    before = _BEFORE.get(every[0].occasion, "") if len({one.occasion for one in every}) == 1 else ""
    return f"{before}{_URGENCY[alert.severity]}{lost}"


def _links(alert: Alert) -> Iterator[Link]:
    for words, url in (("Look at the run", alert.run.url if alert.run else ""), ("Start a restore", alert.restores)):
        if link(url):
            yield Link(words, link(url))


def _shortened(section: Section, budget: Budget) -> Section:
    kept = section.lines[: budget.lines] if section.long else section.lines
    lines = tuple(Line(one_line(line.label, _LABEL), one_line(line.text, budget.chars), line.tone) for line in kept)
    left = len(section.lines) - len(lines)
    return section._replace(lines=lines, more=f"… and {left:,} more" if left else "")
