"""Figures as people read them, the same in logs, tables, approvals and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from backup_engine.model import ProgressEvent

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_FOUR_DIGITS = 999.95  # would be rounded to 1000.0
_TENTHS_BELOW = 10  # seconds
_WIDEST = 60  # characters; names of collections and backups fit

BYTE_STEPS = frozenset({"copy", "compare copy", "check source"})
"""Steps whose ``done`` and ``total`` are bytes."""


def count(number: int, noun: str) -> str:
    """Write "1 vector", "12,345 vectors"."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"


def size(number: float) -> str:
    """Write bytes in powers of a thousand: "512 B", "12.3 MB"."""
    unit = 0
    while number >= _FOUR_DIGITS and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    return f"{number:.0f} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Write "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"."""
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for length, unit, smaller_length, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= length:
            rest = whole % length // smaller_length
            return f"{whole // length} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def moment(time: datetime) -> str:
    """Write a UTC time to the second: "2026-11-22 14:37:00Z"."""
    return f"{time:%Y-%m-%d %H:%M:%S}Z"


def listing(names: Iterable[str], *, most: int = 5) -> str:
    """Write a few names and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def progress(event: ProgressEvent) -> str:
    """Write how far a step is: done, of how many, bytes, rate, time left."""
    if event.step in BYTE_STEPS:
        return _progress_of_bytes(event)
    rate = event.done / event.seconds if event.seconds > 0 else 0.0
    of = f" of {event.total:,}" if event.total is not None else ""
    text = f"{event.step} {event.subject}: {event.done:,}{of} vectors, {size(event.bytes)}, {rate:,.0f} vectors/s"
    if event.total and rate and event.done < event.total:
        text += f", {duration((event.total - event.done) / rate)} left"
    return text


def _progress_of_bytes(event: ProgressEvent) -> str:
    rate = event.done / event.seconds if event.seconds > 0 else 0.0
    of = f" of {size(event.total)}" if event.total is not None else ""
    text = f"{event.step} {event.subject}: {size(event.done)}{of}, {size(rate)}/s"
    if event.total and rate and event.done < event.total:
        text += f", {duration((event.total - event.done) / rate)} left"
    return text


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table that can be read as it stands, in a log; cells from outside cannot break out of it.

    Each column but the last is as wide as its widest cell; one that is longer than a column should be sticks out.
    """
    head, *cells = [[_cell(cell) for cell in line] for line in (header, *rows)]
    lines = [head, ["---"] * len(head), *cells]
    widths = [*map(_width, [*zip(*lines, strict=True)][:-1]), 0]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _width(column: Iterable[str]) -> int:
    return max(len(cell) for cell in column if len(cell) <= _WIDEST)


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())
