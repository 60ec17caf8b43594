"""What the demo says: a line a fact, with the time since the start; plain enough to read without colours."""

import time

from rich.console import Console
from rich.markdown import Markdown

WIDTH = 120
"""Columns where there is no terminal."""


class Screen:
    """The terminal, or a file, or a pipe."""

    def __init__(self, console: Console | None = None) -> None:
        plain = Console(highlight=False)
        self._console = console or (plain if plain.is_terminal else Console(highlight=False, width=WIDTH))
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def title(self, text: str) -> None:
        """Begin a part."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def done(self, text: str) -> None:
        """Something happened."""
        self._line("[green]ok[/green]  ", text)

    def begun(self, text: str) -> None:
        """Something takes a while."""
        self._line("[dim]…[/dim]   ", text)

    def broken(self, text: str) -> None:
        """Something is not as it should be: lost on purpose, or for real."""
        self._line("[red]!![/red]  ", text)

    def page(self, markdown: str) -> None:
        """Show a table as the product writes it."""
        self._console.print(Markdown(markdown))

    def _line(self, mark: str, text: str) -> None:
        minutes, seconds = divmod(int(self.seconds), 60)
        self._console.print(f"[dim]{minutes}:{seconds:02}[/dim]  {mark}{text}", soft_wrap=True)
