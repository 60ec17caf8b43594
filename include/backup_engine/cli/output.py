"""What goes where: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from time import monotonic
from typing import Literal, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from backup_engine import wording
from backup_engine.archive.canonical import canonical_json
from backup_engine.errors import BackupError
from backup_engine.model import ProgressEvent

_SECONDS_BETWEEN_LINES = 2.0
_WIDTH = 168  # columns; names and times are copied from here, so they are never folded to fit a narrow terminal


def say(text: str) -> None:
    """Tell the person, on standard error."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


@cache
def say_once(text: str) -> None:
    """Tell the person, the first time only."""
    say(text)


def fail(error: BackupError) -> NoReturn:
    """End with exit code 1 after a result was printed: the reason goes to standard error, the document stays one."""
    say(f"{type(error).__name__}: {error}")
    raise typer.Exit(1)


def emit(document: Mapping[str, object], table: RenderableType, *, as_json: bool) -> None:
    """Print the result once, for programs or for people."""
    if as_json:
        sys.stdout.write(canonical_json(document) + "\n")
        return
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    console.print(table)


def table(*columns: str, title: str | None = None) -> Table:
    """Make a table whose columns hold figures to the right when their name ends with ``#``. The first, which names what
    the line is about, is never folded: it is copied from there.
    """
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        side: Literal["left", "right"] = "right" if column.endswith("#") else "left"
        made.add_column(column.rstrip("#"), justify=side, overflow="fold", no_wrap=column == columns[0])
    return made


class ProgressLines:
    """Progress on standard error, a line every two seconds and one at the end of each subject."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, event: ProgressEvent) -> None:
        """Print the event if the last line is old enough or the subject is done."""
        if monotonic() >= self._next or event.done == event.total:
            self._next = monotonic() + _SECONDS_BETWEEN_LINES
            say(wording.progress(event))
