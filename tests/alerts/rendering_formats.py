"""What the services that take our messages accept, as checks that name what is wrong; and alerts to check with.

Slack: https://docs.slack.dev/reference/block-kit/blocks. Teams: https://adaptivecards.io/explorer (1.4), in an envelope
of Workflows. PagerDuty: https://developer.pagerduty.com/docs/events-api-v2/trigger-events.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html.parser import HTMLParser

from jsonschema import Draft202012Validator

from backup_engine.alerts.alert import Alert, Occasion, Probe, RunReference, Told
from backup_engine.findings import Level
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from tests.freshness.standing import NOW, ago, protection

RUN = "https://airflow.example.com/dags/vectorizer_prod_full_backup/runs/scheduled__2026-11-22"
RESTORES = "https://airflow.example.com/dags/vectorizer_prod_restore"

_SLACK_LARGEST = 13_000
"""Letters of all blocks as JSON; from about 13,200 on it answers msg_blocks_too_long (slackapi/bolt-js, issue 2509)."""

_TEAMS_LARGEST = 28_000

_STRING = {"type": "string", "minLength": 1}
_PLAIN = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "plain_text"}, "text": _STRING, "emoji": {"type": "boolean"}},
    "additionalProperties": False,
}
_ANY_TEXT = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {
        "type": {"enum": ["plain_text", "mrkdwn"]},
        "text": _STRING,
        "emoji": {"type": "boolean"},
        "verbatim": {"type": "boolean"},
    },
    "additionalProperties": False,
}


def _block(name: str, **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "required": ["type", *properties],
        "properties": {"type": {"const": name}, **properties},
        "additionalProperties": False,
    }


_SLACK = {
    "type": "object",
    "required": ["text", "blocks"],
    "properties": {
        "text": _STRING,
        "mrkdwn": {"type": "boolean"},
        "blocks": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "oneOf": [
                    _block("header", text=_PLAIN),
                    _block("section", text=_ANY_TEXT),
                    _block("divider"),
                    _block("context", elements={"type": "array", "minItems": 1, "maxItems": 10, "items": _ANY_TEXT}),
                ]
            },
        },
    },
    "additionalProperties": False,
}

_COLOURS = {"enum": ["default", "dark", "light", "accent", "good", "warning", "attention"]}
_SIZES = {"enum": ["default", "small", "medium", "large", "extraLarge"]}
_SPACING = {"enum": ["none", "small", "default", "medium", "large", "extraLarge", "padding"]}
_TEAMS = {
    "$defs": {
        "run": {
            "type": "object",
            "required": ["type", "text"],
            "properties": {
                "type": {"const": "TextRun"},
                "text": {"type": "string"},
                "color": _COLOURS,
                "size": _SIZES,
                "weight": {"enum": ["lighter", "default", "bolder"]},
                "isSubtle": {"type": "boolean"},
            },
            "additionalProperties": False,
        },
        "element": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"enum": ["RichTextBlock", "Container", "TextBlock"]},
                "inlines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
                "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/element"}},
                "text": {"type": "string"},
                "style": {"enum": ["default", "emphasis", "good", "attention", "warning", "accent"]},
                "spacing": _SPACING,
                "size": _SIZES,
                "color": _COLOURS,
                "weight": {"enum": ["lighter", "default", "bolder"]},
                "separator": {"type": "boolean"},
                "wrap": {"type": "boolean"},
                "bleed": {"type": "boolean"},
                "isSubtle": {"type": "boolean"},
            },
            "additionalProperties": False,
        },
        "action": {
            "type": "object",
            "required": ["type", "title", "url"],
            "properties": {"type": {"const": "Action.OpenUrl"}, "title": _STRING, "url": {"pattern": "^https?://"}},
            "additionalProperties": False,
        },
        "card": {
            "type": "object",
            "required": ["type", "version", "body"],
            "properties": {
                "type": {"const": "AdaptiveCard"},
                "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
                "version": {"enum": ["1.4", "1.5"]},
                "body": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/element"}},
                "actions": {"type": "array", "maxItems": 6, "items": {"$ref": "#/$defs/action"}},
                "fallbackText": _STRING,
                "msteams": {"const": {"width": "Full"}},
            },
            "additionalProperties": False,
        },
    },
    "type": "object",
    "required": ["type", "attachments"],
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["contentType", "content"],
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": {"$ref": "#/$defs/card"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}

_PAGERDUTY = {
    "type": "object",
    "required": ["routing_key", "event_action", "dedup_key"],
    "properties": {
        "routing_key": _STRING,
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": _STRING,
        "client_url": {"pattern": "^https?://"},
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["href"],
                "properties": {"href": {"pattern": "^https?://"}, "text": _STRING},
                "additionalProperties": False,
            },
        },
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": _STRING,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$"},
                "component": _STRING,
                "group": _STRING,
                "class": _STRING,
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "additionalProperties": False,
}


def slack_problems(body: Mapping) -> list[str]:
    """Why Slack would refuse it, or read markup where others wrote."""
    return [*_shape(_SLACK, body), *_slack_lengths(body), *_slack_markup(body)]


def teams_problems(body: Mapping) -> list[str]:
    """Why Teams would refuse it."""
    large = len(json.dumps(body))
    return [*_shape(_TEAMS, body), *([f"{large} bytes"] if large > _TEAMS_LARGEST else [])]


def pagerduty_problems(event: Mapping) -> list[str]:
    """Why PagerDuty would refuse it."""
    large = len(json.dumps(event))
    return [*_shape(_PAGERDUTY, event), *([f"{large} bytes"] if large > 512_000 else [])]


def page_problems(page: str, most: int = 102_000) -> list[str]:
    """Why a mail's HTML would be cut off, or load or run anything."""
    found = Page(page)
    wrong = [f"<{tag}>" for tag in found.tags if tag in {"script", "img", "iframe", "link", "object", "form", "svg"}]
    wrong += [f"a link to {url}" for url in found.links if not re.match(r"https?://", url)]
    wrong += [f"the attribute {name}" for name in found.attributes if name.startswith("on")]
    return [*wrong, *([f"{len(page.encode())} bytes"] if len(page.encode()) > most else [])]


def units(text: str) -> int:
    """UTF-16 units: what JavaScript, and so the services, count as letters."""
    return len(text.encode("utf-16-le")) // 2


def texts(value: object) -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, with the type of the object that holds it."""
    yield from _texts(value, "")


def spoken(value: object) -> str:
    """All that a JSON value says, in its order."""
    return "\n".join(text for _, text in texts(value))


class Page(HTMLParser):
    """What an HTML page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]

    def handle_data(self, data) -> None:
        if self.tags[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def told(
    kind: ConcernKind = ConcernKind.RECOVERY_POINT_OLD,
    severity: Severity = Severity.CRITICAL,
    occasion: Occasion = Occasion.RAISED,
    *,
    hours: float = 9,
    **concern,
) -> Told:
    words = {"found": "FOUND it is so.", "risk": "RISK all of it.", "remedy": "REMEDY mend it.", **concern}
    return Told(
        occasion=occasion, since=NOW - timedelta(hours=hours), concern=Concern(kind=kind, severity=severity, **words)
    )


def alert(*every: Told, **changes) -> Alert:
    """An alert that says everything there is to say."""
    facts = {
        "at": NOW,
        "deployment": "prod",
        "told": every or (told(),),
        "protection": protection(newest="NEWEST", fresh="FRESH", fresh_at=ago(hours=26), proven="PROVEN"),
        "probes": (
            Probe(what="disk", level=Level.OK, found="DISK is there"),
            Probe(what="network", level=Level.MISSING, found="NETWORK is down", remedy="plug it in"),
        ),
        "run": RunReference(dag_id="vectorizer_prod_full_backup", run_id="scheduled__2026-11-22", url=RUN),
        "restores": RESTORES,
    }
    return Alert.model_validate({**facts, **changes})


def _shape(schema: Mapping, value: object) -> list[str]:
    return [
        f"{error.json_path}: {error.validator}: {error.message[:200]}"
        for error in Draft202012Validator(schema).iter_errors(value)
    ]


def _slack_lengths(body: Mapping) -> Iterator[str]:
    for block in body["blocks"]:
        most = {"header": 150, "section": 3000}.get(block["type"])
        if most and units(block["text"]["text"]) > most:
            yield f"a {block['type']} of {units(block['text']['text'])} letters"
    every = units(json.dumps(body["blocks"], ensure_ascii=False))
    if every > _SLACK_LARGEST:
        yield f"blocks of {every} letters"


def _slack_markup(body: Mapping) -> Iterator[str]:
    for kind, text in texts({"type": "fallback", "text": body["text"], "blocks": body["blocks"]}):
        ours = re.sub(r"<https?://[^\s<>|]+\|[^<>|]+>", "", text) if kind == "mrkdwn" else text
        if re.search(r"[<>]|&(?!(?:amp|lt|gt);)", ours):
            yield f"control characters in a {kind}: {text[:80]!r}"


def _texts(value: object, kind: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield kind, value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item, str(value.get("type", kind)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, kind)
