"""`python -m bench`: measure against the pre-rendered server, or the live one that VECTORIZER_URL names."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from backup_engine import wording
from backup_engine.model import system_clock
from backup_engine.vectorizer.credentials import from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from bench.catalogs import catalogs
from bench.figures import TENFOLD, best, figures, side_by_side_figures
from bench.increment_figures import increment_figures
from bench.increments import after_a_change, changes, depth, write
from bench.live import drop, filled, forecast, possible
from bench.measurement import Depth, Increments, Measurement, SideBySide, Step, measured
from bench.parameters import COLLECTION, Kept, Shape, restored_name
from bench.process import FOLDER, served
from bench.result import Result, SetResult
from bench.serving.arrangement import Change
from bench.showing import show
from bench.stores import s3_server
from bench.workers import STREAMS, side_by_side

_LIVE_VECTORS, _VECTORS = 20_000, 100_000
_WARMING = Shape(Kept.SQ8, 1000, 384)
_ORDER = tuple(step for step in Step if step not in {Step.FULL, Step.INCREMENT})
_TENFOLD = (Step.CAPTURE, Step.COPY_TO_S3, Step.CAPTURE_TO_S3, Step.COPY_S3_TO_S3)
_CHAINED = 20_000
"""Records of the collection that a day's deepest chain is made of: more would take an hour."""

_PACES = (None, 100e6)
"""How fast the server answers where workers share the work: as fast as it can, and as over a gigabit line."""

_console = Console()


def main(
    vectors: Annotated[
        int | None,
        typer.Option(envvar="BENCH_VECTORS", min=1, help="Records; 100,000, or 20,000 on a live server."),
    ] = None,
    dimension: Annotated[int, typer.Option(envvar="BENCH_DIMENSION", min=1)] = 384,
    rounds: Annotated[
        int, typer.Option(envvar="BENCH_ROUNDS", min=1, help="Runs of every step; the fastest counts.")
    ] = 1,
    live: Annotated[str | None, typer.Option("--server", envvar="VECTORIZER_URL", metavar="URL")] = None,
) -> None:
    """Measure, show, and write down."""
    at, load = system_clock(), os.getloadavg()[0]
    number = vectors or (_LIVE_VECTORS if live else _VECTORS)
    shapes = [Shape(kept, number, dimension) for kept in Kept]
    with s3_server():
        _warm_up()
        version, sets = _on_live(live, shapes, rounds) if live else _on_served(shapes, rounds)
        listed = () if live else catalogs()
    workers = () if live else tuple(_workers(shapes[0], rounds))
    increments, deepest, large = ((), None, None) if live else _increments(shapes[0])
    result = Result(
        at=at,
        server=live or "pre-rendered",
        server_version=version,
        cores=os.cpu_count() or 1,
        load=load,
        sets=tuple(sets),
        workers=workers,
        figures=side_by_side_figures(workers),
        increments=increments,
        depth=deepest,
        large=large,
        catalogs=listed,
        increment_figures=increment_figures(increments, deepest, large),
    )
    (FOLDER / "result.json").write_text(result.model_dump_json(indent=1) + "\n")
    show(result, _console)


def _warm_up() -> None:
    """Run every step once on a few records: who imports a module first compiles it, which is not to be measured."""
    with served(_WARMING) as url, _folder() as folder:
        for step in _ORDER:
            measured(step, url, folder, COLLECTION)


def _on_served(shapes: list[Shape], rounds: int) -> tuple[str, list[SetResult]]:
    sets = []
    for shape in shapes:
        _console.print(f"Serving {shape} (rendered first, if it is the first time)")
        with served(shape) as url:
            server = connect(url)
            version = server.facts().version
            measurements = _rounds(url, server, COLLECTION, rounds)
        with served(shape, TENFOLD) as url, _folder() as folder:
            tenfold = {step: _one(step, url, COLLECTION, folder) for step in _TENFOLD}
        sets.append(_set(shape, measurements, tenfold))
    return version, sets


def _on_live(url: str, shapes: list[Shape], rounds: int) -> tuple[str, list[SetResult]]:
    server = connect(url, from_environment(os.environ))
    facts = server.facts()
    shapes = [possible(shape, facts) for shape in shapes]
    _console.print(forecast(shapes, rounds))
    sets = []
    for shape in shapes:
        _console.print(f"Filling {shape}")
        began = time.perf_counter()
        with filled(server, shape) as collection:
            _console.print(f"  filled at {shape.vectors / (time.perf_counter() - began):,.0f} vectors a second")
            sets.append(_set(shape, _rounds(url, server, collection, rounds), {}))
    return facts.version, sets


def _workers(shape: Shape, rounds: int) -> Iterator[SideBySide]:
    """Export two collections by one worker and by two, at least twice each: neither core is kept for one of them."""
    for pace in _PACES:
        with served(shape, collections=STREAMS, pace=pace, cores=os.sched_getaffinity(0)) as url:
            for _ in range(max(2, rounds)):
                for number in (1, 2):
                    with _folder() as folder:
                        one = side_by_side(url, Path(folder), number, pace)
                    _console.print(f"  {wording.count(number, 'worker')}: {one.seconds:.2f} s", highlight=False)
                    yield one


def _increments(shape: Shape) -> tuple[tuple[Increments, ...], Depth, Measurement]:
    """Measure increments after every kind of change, on the deepest chain of a day, and of ten times the data."""
    made = []
    for name, change in changes(shape.vectors):
        with served(shape) as url, _folder() as folder:
            made.append(after_a_change(url, folder, name, change))
        _console.print(f"  {name}: {made[-1].increment.seconds:.2f} s", highlight=False)
    smaller = Shape(shape.kept, min(shape.vectors, _CHAINED), shape.dimension)
    with served(smaller) as url, _folder() as folder:
        deepest = depth(url, folder, smaller.vectors)
    with served(shape, TENFOLD) as url, _folder() as folder:
        _one(Step.FULL, url, COLLECTION, folder)
        write(url, Change(updates=shape.vectors * TENFOLD // 100, seed=1))
        large = _one(Step.INCREMENT, url, COLLECTION, folder)
    return tuple(made), deepest, large


def _rounds(url: str, server: VectorizerServer, collection: str, rounds: int) -> dict[Step, tuple[Measurement, ...]]:
    found: dict[Step, tuple[Measurement, ...]] = dict.fromkeys(_ORDER, ())
    for _ in range(rounds):
        with _folder() as folder:
            for step in _ORDER:
                found[step] += (_one(step, url, collection, folder),)
            drop(server, restored_name(collection))
    return found


def _folder() -> TemporaryDirectory[str]:
    """Make room for a round on the disk that holds the renderings; gone with what is in it."""
    FOLDER.mkdir(exist_ok=True)
    return TemporaryDirectory(prefix="round-", dir=FOLDER)


def _one(step: Step, url: str, collection: str, folder: str) -> Measurement:
    try:
        one = measured(step, url, folder, collection)
    except subprocess.CalledProcessError as error:
        _console.print(f"The step {step} failed; its own words are above. Nothing was written down.")
        raise typer.Exit(1) from error
    _console.print(f"  {step}: {one.seconds:.2f} s, {one.cpu_seconds:.2f} s of CPU", highlight=False)
    return one


def _set(shape: Shape, rounds: dict[Step, tuple[Measurement, ...]], tenfold: dict[Step, Measurement]) -> SetResult:
    return SetResult(
        kept=shape.kept,
        vectors=shape.vectors,
        dimension=shape.dimension,
        rounds=rounds,
        tenfold=tenfold,
        figures=figures(shape.kept, best(rounds), tenfold, live=not tenfold),
    )


if __name__ == "__main__":
    typer.run(main)
