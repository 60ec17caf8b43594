"""An alert as plain text and as HTML, as a mail carries both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from backup_engine.alerts.alert import Alert
from backup_engine.alerts.rendering.content import BUDGETS, Budget, Content, Section, content, fitting
from backup_engine.alerts.rendering.standing import Tone

_MOST = 90_000
"""Bytes: Gmail cuts off what is longer than 102 kB."""

_SIGNS = {Tone.PLAIN: "-", Tone.GOOD: "+", Tone.WARN: "!", Tone.BAD: "!!"}


def text(alert: Alert) -> str:
    """Say it in plain text: the first line is the title, what comes from outside cannot begin a line."""
    return "\n".join(_lines(content(alert, BUDGETS[0]))) + "\n"


def html(alert: Alert) -> str:
    """Say it as a page of HTML that needs nothing from elsewhere, readable in light and dark and on a phone."""

    def made(budget: Budget) -> str:
        return _template().render(message=content(alert, budget))

    return fitting(made, lambda page: len(page.encode()) <= _MOST)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("backup_engine.alerts.rendering", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("alert.html")


def _lines(message: Content) -> Iterator[str]:
    yield message.title
    if message.lead:
        yield message.lead
    for section in message.sections:
        yield ""
        yield section.heading.upper()
        yield from _of(section)
    if message.links:
        yield ""
    for one in message.links:
        yield f"{one.words}: {one.url}"
    yield ""
    yield message.foot


def _of(section: Section) -> Iterator[str]:
    for line in section.lines:
        yield f"  {_SIGNS[line.tone]} {line.opening}{line.text}"
    if section.more:
        yield f"  {section.more}"
