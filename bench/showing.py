"""A result for people: tables on the terminal, and the same in Markdown to paste."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from backup_engine import wording
from bench.catalogs import BACKUPS, BUDGET_SECONDS, Listed, Way
from bench.figures import Figure, Unit, best, pace_name
from bench.measurement import Increments, Measurement, SideBySide
from bench.result import Result, SetResult

STEP_HEADER = ("step", "time", "CPU", "memory", "bytes")
FIGURE_HEADER = ("figure", "value", "budget", "")
WORKER_HEADER = ("workers", "server", "time", "CPU of the workers", "machine busy")
INCREMENT_HEADER = ("change", "full read", "increment", "CPU", "memory", "bytes", "restic adds")
CATALOG_HEADER = ("10,000 backups", "read", "planned", "shown", "all", "requests", "memory", "budget", "")
_INCREMENTS = "increments"
_CATALOGS = f"{BACKUPS:,} backups on SeaweedFS: listed, planned for and shown"
_SMALL = 0.1
_SIDE_BY_SIDE = "two collections exported by one worker and by two"


def show(result: Result, console: Console) -> None:
    """Print the tables, then the Markdown."""
    console.print(title(result), style="bold")
    for name, header, rows in _all_tables(result):
        table = Table(*header, title=name)
        for row in rows:
            table.add_row(*row, style="red" if row[-1] == MISSED else None)
        console.print(table)
    console.print(markdown(result), markup=False, highlight=False, soft_wrap=True)


def markdown(result: Result) -> str:
    """Write the result as Markdown."""
    tables = (f"**{name}**\n\n{wording.markdown_table(header, rows)}" for name, header, rows in _all_tables(result))
    return "\n\n".join((title(result), *tables))


def title(result: Result) -> str:
    """Say where and when."""
    return (
        f"{wording.moment(result.at)}, Vectorizer {result.server_version} ({result.server}), {result.cores} cores, "
        f"load {result.load:.1f} at the start"
    )


MET, MISSED = "met", "MISSED"
_MARKS: dict[bool | None, str] = {True: MET, False: MISSED, None: ""}


def _name(one: SetResult) -> str:
    return f"{one.vectors:,} x {one.dimension} kept as {one.kept}"


_Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def _all_tables(result: Result) -> Iterator[_Table]:
    for one in result.sets:
        yield from _tables(one)
    if result.workers:
        yield _SIDE_BY_SIDE, WORKER_HEADER, [_worker_row(one) for one in result.workers]
        yield _SIDE_BY_SIDE, FIGURE_HEADER, [_figure_row(figure) for figure in result.figures]
    if result.increments:
        yield _INCREMENTS, INCREMENT_HEADER, [_increment_row(one) for one in result.increments]
        yield _INCREMENTS, FIGURE_HEADER, [_figure_row(figure) for figure in result.increment_figures]
    if result.catalogs:
        yield _CATALOGS, CATALOG_HEADER, [_catalog_row(one) for one in result.catalogs]


def _catalog_row(one: Listed) -> tuple[str, ...]:
    known = one.way is Way.KNOWN
    return (
        one.way.value,
        *(f"{seconds:.2f} s" for seconds in (one.read, one.planned, one.shown, one.seconds)),
        f"{one.requests:,}",
        wording.size(one.memory_bytes),
        f"{BUDGET_SECONDS:g} s" if known else "",
        _MARKS[one.seconds <= BUDGET_SECONDS if known else None],
    )


def _tables(one: SetResult) -> Iterator[_Table]:
    steps = [(step.value, measured) for step, measured in best(one.rounds).items()]
    steps += [(f"{step.value} of {measured.vectors:,}", measured) for step, measured in one.tenfold.items()]
    yield _name(one), STEP_HEADER, [_step_row(name, measured) for name, measured in steps]
    yield _name(one), FIGURE_HEADER, [_figure_row(figure) for figure in one.figures]


def _increment_row(one: Increments) -> tuple[str, ...]:
    made = one.increment
    return (
        one.change,
        f"{one.full.seconds:.2f} s",
        f"{made.seconds:.2f} s",
        f"{made.cpu_seconds:.2f} s",
        _mebibytes(made.memory_bytes),
        wording.size(made.bytes),
        "not installed" if one.restic is None else wording.size(one.restic),
    )


def _worker_row(one: SideBySide) -> tuple[str, ...]:
    return (
        f"{one.workers}",
        pace_name(one.pace),
        f"{one.seconds:.2f} s",
        f"{one.cpu_seconds:.2f} s",
        f"{one.busy:.0%}",
    )


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
        Unit.RATIO: lambda: f"{value:.3f}" if value < _SMALL else f"{value:.2f}",
        Unit.SHARE: lambda: f"{value:.1%}",
        Unit.RECORDS_A_SECOND: lambda: f"{value:,.0f} /s",
        Unit.BYTES_A_SECOND: lambda: f"{wording.size(value)}/s",
        Unit.BYTES: lambda: _mebibytes(value),
        Unit.REQUESTS: lambda: f"{value:.0f}",
    }
    return written[unit]()


def _mebibytes(value: float) -> str:
    return f"{value / (1 << 20):,.0f} MiB"
