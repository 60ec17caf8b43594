"""What dashboards, alert rules and mappings say of metrics, and what is wrong with that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.metrics import METRICS

_NAME = re.compile(r"\bvectorizer_backup_\w+")
_SELECTOR = re.compile(r"(?P<name>\bvectorizer_backup_\w+)\s*(?:\{(?P<inside>[^}]*)\})?")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<how>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\((?P<labels>[^)]*)\)")
_QUOTED = re.compile(r"\$labels\.(?P<alert>\w+)|\{\{(?P<legend>\w+)\}\}")
_VALUES = {"kind": {*ConcernKind}, "severity": {*Severity}}


def names_in(expression: str) -> set[str]:
    """Metrics of ours that an expression, or any text, names."""
    return set(_NAME.findall(expression))


def faults_of(expression: str, *texts: str) -> list[str]:
    """What is wrong with an expression, and with texts that quote labels of its result."""
    return [
        *_wrong_names(expression),
        *_wrong_labels(expression),
        *_wrong_values(expression),
        *_wrong_quotes(expression, texts),
    ]


def _wrong_names(expression: str) -> Iterator[str]:
    for name in sorted(names_in(expression)):
        if name not in METRICS:
            yield f"there is no metric {name}"
        elif METRICS[name].pushed:
            yield f"{name} is not in what Prometheus reads"


def _wrong_labels(expression: str) -> Iterator[str]:
    for found in _SELECTOR.finditer(expression):
        known = METRICS[found["name"]].labels if found["name"] in METRICS else ()
        for matcher in _MATCHER.finditer(found["inside"] or ""):
            if matcher["label"] not in known:
                yield f"{found['name']} has no label {matcher['label']}"
    for grouping in _GROUPING.finditer(expression):
        for label in filter(None, re.split(r"[\s,]+", grouping["labels"])):
            if label not in _labels_of(expression):
                yield f"nothing here has a label {label} to group by"


def _wrong_values(expression: str) -> Iterator[str]:
    """A value that no label ever has: a matcher that never matches, or never keeps anything out."""
    for matcher in _MATCHER.finditer(expression):
        values = _VALUES.get(matcher["label"], set())
        for word in _words(matcher["value"]) if values else ():
            if word not in values:
                yield f"{matcher['label']} is never {word}"


def _words(pattern: str) -> list[str]:
    """The words of `a|b|(c|d)-e`."""
    if inner := re.search(r"\(([^()]*)\)(-\w+)", pattern):
        pattern = pattern.replace(inner[0], "|".join(f"{word}{inner[2]}" for word in inner[1].split("|")))
    return pattern.split("|")


def _wrong_quotes(expression: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for quoted in _QUOTED.finditer(text):
            label = quoted["alert"] or quoted["legend"]
            if label not in _labels_of(expression):
                yield f"the result has no label {label}, which {text!r} quotes"


def _labels_of(expression: str) -> set[str]:
    return {label for name in names_in(expression) if name in METRICS for label in METRICS[name].labels}


def kinds_matched(expression: str, severity: str) -> set[ConcernKind]:
    """Kinds of concerns of this severity that an expression selects by name, or by excluding others."""
    found: set[ConcernKind] = set()
    for selector in _SELECTOR.finditer(expression):
        if selector["name"] == "vectorizer_backup_concerns":
            chosen = {one["label"]: (one["how"], one["value"]) for one in _MATCHER.finditer(selector["inside"] or "")}
            if _matches(chosen.get("severity"), severity):
                found |= {kind for kind in ConcernKind if _matches(chosen.get("kind"), kind.value)}
    return found


def _matches(matcher: tuple[str, str] | None, value: str) -> bool:
    if matcher is None:
        return True
    how, wanted = matcher
    same = bool(re.fullmatch(wanted, value)) if "~" in how else value == wanted
    return same is not how.startswith("!")


def overlaps(panels: Iterable[Mapping[str, object]]) -> list[str]:
    """Panels of a dashboard that leave its 24 columns, or lie over each other."""
    taken: dict[tuple[int, int], str] = {}
    wrong = []
    for panel in panels:
        at, title = panel["gridPos"], str(panel["title"])
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        wrong += [f"{title} leaves the page"] if at["x"] + at["w"] > 24 else []
        wrong += [f"{title} lies over {taken[cell]}" for cell in cells if cell in taken][:1]
        taken.update(dict.fromkeys(cells, title))
    return wrong
