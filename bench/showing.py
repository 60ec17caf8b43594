"""A result for people: tables on the terminal, and the same in Markdown to paste."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from backup_engine import wording
from bench.figures import Figure, Unit, best
from bench.measurement import Measurement
from bench.result import Result, SetResult

STEP_HEADER = ("step", "time", "CPU", "memory", "bytes")
FIGURE_HEADER = ("figure", "value", "budget", "")


def show(result: Result, console: Console) -> None:
    """Print the tables, then the Markdown."""
    console.print(title(result), style="bold")
    for one in result.sets:
        for header, rows in _tables(one):
            table = Table(*header, title=_name(one))
            for row in rows:
                table.add_row(*row, style="red" if row[-1] == MISSED else None)
            console.print(table)
    console.print(markdown(result), markup=False, highlight=False, soft_wrap=True)


def markdown(result: Result) -> str:
    """Write the result as Markdown."""
    tables = (
        f"**{_name(one)}**\n\n{wording.markdown_table(header, rows)}"
        for one in result.sets
        for header, rows in _tables(one)
    )
    return "\n\n".join((title(result), *tables))


def title(result: Result) -> str:
    """Say where and when."""
    return (
        f"{wording.moment(result.at)}, Vectorizer {result.server_version} ({result.server}), {result.cores} cores, "
        f"load {result.load:.1f} at the start"
    )


MET, MISSED = "met", "MISSED"
_MARKS = {True: MET, False: MISSED, None: ""}


def _name(one: SetResult) -> str:
    return f"{one.vectors:,} x {one.dimension} kept as {one.kept}"


def _tables(one: SetResult) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    steps = [(step.value, measured) for step, measured in best(one.rounds).items()]
    if one.tenfold:
        steps.append((f"capture of {one.tenfold.vectors:,}", one.tenfold))
    yield STEP_HEADER, [_step_row(name, measured) for name, measured in steps]
    yield FIGURE_HEADER, [_figure_row(figure) for figure in one.figures]


def _step_row(name: str, one: Measurement) -> tuple[str, ...]:
    return (
        name,
        f"{one.seconds:.2f} s",
        f"{one.cpu_seconds:.2f} s",
        _mebibytes(one.memory_bytes),
        wording.size(one.bytes),
    )


def _figure_row(figure: Figure) -> tuple[str, ...]:
    if figure.at_most is not None:
        budget = f"at most {_value(figure.at_most, figure.unit)}"
    else:
        budget = "" if figure.at_least is None else f"at least {_value(figure.at_least, figure.unit)}"
    return figure.name, _value(figure.value, figure.unit), budget, _MARKS[figure.met]


def _value(value: float, unit: Unit) -> str:
    written = {
        Unit.RATIO: lambda: f"{value:.2f}",
        Unit.SHARE: lambda: f"{value:.1%}",
        Unit.RECORDS_A_SECOND: lambda: f"{value:,.0f} /s",
        Unit.BYTES_A_SECOND: lambda: f"{wording.size(value)}/s",
        Unit.BYTES: lambda: _mebibytes(value),
    }
    return written[unit]()


def _mebibytes(value: float) -> str:
    return f"{value / (1 << 20):,.0f} MiB"
