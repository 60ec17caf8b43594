"""An alert as a message to a Teams workflow ("when a Teams webhook request is received"): one adaptive card.

Everything from outside stands in text runs, where Teams reads no Markdown.
"""

from __future__ import annotations

import json
from typing import Any

from backup_engine.alerts.alert import Alert
from backup_engine.alerts.rendering.content import Content, Section, content, fitting
from backup_engine.alerts.rendering.standing import Line, Tone

_MOST = 27_000
"""Bytes: Teams refuses messages of more than 28 kB."""

_COLORS = {Tone.PLAIN: "default", Tone.GOOD: "good", Tone.WARN: "warning", Tone.BAD: "attention"}


def teams(alert: Alert) -> dict[str, Any]:
    """Give the JSON of the request, at most 28 kB however it is written."""
    return fitting(lambda budget: _message(content(alert, budget)), lambda made: len(json.dumps(made)) <= _MOST)


def _message(message: Content) -> dict[str, Any]:
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": _card(message),
            }
        ],
    }


def _card(message: Content) -> dict[str, Any]:
    body = [_text(_run(message.title, size="large", weight="bolder", color=_COLORS[message.tone]))]
    if message.lead:
        body.append(_text(_run(message.lead)))
    for section in message.sections:
        body += _of(section)
    body.append(_text(_run(message.foot, isSubtle=True, size="small")))
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.title,
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": one.words, "url": one.url} for one in message.links],
    }


def _of(section: Section) -> list[dict[str, Any]]:
    heading = _text(_run(section.heading, weight="bolder", size="medium")) | {"separator": True, "spacing": "medium"}
    more = [_text(_run(section.more, isSubtle=True))] if section.more else []
    return [heading, *(_line(line) for line in section.lines), *more]


def _line(line: Line) -> dict[str, Any]:
    runs = [_run(line.opening, weight="bolder", color=_COLORS[line.tone])] if line.label else []
    return _text(*runs, _run(line.text)) | {"spacing": "small"}


def _text(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [*runs]}


def _run(text: str, **looks: object) -> dict[str, object]:
    return {"type": "TextRun", "text": text, **looks}
