"""An alert as a message to Slack's incoming webhooks.

Everything from outside stands in plain text, where Slack reads no markup: a name with underscores stays a name, and
nothing calls a channel.
"""

from __future__ import annotations

import json
from typing import Any

from backup_engine.alerts.alert import Alert
from backup_engine.alerts.rendering.cleaning import shorten
from backup_engine.alerts.rendering.content import Content, Section, content, fitting
from backup_engine.alerts.rendering.standing import Line, Tone

_HEADER, _SECTION = 150, 3000
"""Units of UTF-16, https://docs.slack.dev/reference/block-kit/blocks"""

_MOST = 12_000
"""Characters of JSON; Slack was seen to refuse blocks of 13,200 in all, without a word about it in its documents."""

_SIGNS = {Tone.PLAIN: "▪️", Tone.GOOD: "🟢", Tone.WARN: "🟠", Tone.BAD: "🔴"}


def slack(alert: Alert) -> dict[str, Any]:
    """Give the JSON of the request."""
    return fitting(lambda budget: _message(content(alert, budget)), _fits)


def escaped(text: str) -> str:
    """Write what Slack would read as a mention, a link or an entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _message(message: Content) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(_header(message))}]
    if message.lead:
        blocks.append({"type": "section", "text": _plain(message.lead)})
    for section in message.sections:
        blocks += [_heading(section.heading), {"type": "section", "text": _plain(_lines(section))}]
    if message.links:
        links = "   ".join(f"<{escaped(one.url)}|{one.words}>" for one in message.links)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links, "verbatim": True}})
    blocks.append({"type": "context", "elements": [_plain(message.foot)]})
    return {"text": escaped(message.title), "mrkdwn": False, "blocks": blocks}


def _header(message: Content) -> str:
    words = f"{_SIGNS[message.tone]} {message.title}"
    while _length(escaped(words)) > _HEADER:
        words = shorten(words, len(words) - 1)
    return words


def _heading(words: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": f"*{words}*", "verbatim": True}}


def _lines(section: Section) -> str:
    return "\n".join([*map(_line, section.lines), *([section.more] if section.more else [])])


def _line(line: Line) -> str:
    return f"{_SIGNS[line.tone]} {line.opening}{line.text}"


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": escaped(text), "emoji": False}


def _fits(message: dict[str, Any]) -> bool:
    sections = (block["text"]["text"] for block in message["blocks"] if block["type"] == "section")
    return len(json.dumps(message)) <= _MOST and all(_length(text) <= _SECTION for text in sections)


def _length(text: str) -> int:
    """Count as JavaScript does, in units of UTF-16."""
    return len(text.encode("utf-16-le")) // 2
