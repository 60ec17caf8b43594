"""`python -m bench`: measure against the pre-rendered server, or the live one that VECTORIZER_URL names."""

import os
import subprocess
import time
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from backup_engine.model import system_clock
from backup_engine.vectorizer.credentials import from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from bench.figures import TENFOLD, best, figures
from bench.live import drop, filled, forecast, possible
from bench.measurement import Measurement, Step, measured
from bench.parameters import COLLECTION, Kept, Shape, restored_name
from bench.process import FOLDER, served
from bench.result import Result, SetResult
from bench.showing import show

_LIVE_VECTORS, _VECTORS = 20_000, 100_000
_WARMING = Shape(Kept.SQ8, 1000, 384)
_ORDER = (Step.READ, Step.GUIDE, Step.CAPTURE, Step.VERIFY_FULL, Step.VERIFY_QUICK, Step.RESTORE)

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
    _warm_up()
    version, sets = _on_live(live, shapes, rounds) if live else _on_served(shapes, rounds)
    result = Result(
        at=at,
        server=live or "pre-rendered",
        server_version=version,
        cores=os.cpu_count() or 1,
        load=load,
        sets=tuple(sets),
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
            tenfold = _one(Step.CAPTURE, url, COLLECTION, folder)
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
            sets.append(_set(shape, _rounds(url, server, collection, rounds), None))
    return facts.version, sets


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


def _set(shape: Shape, rounds: dict[Step, tuple[Measurement, ...]], tenfold: Measurement | None) -> SetResult:
    return SetResult(
        kept=shape.kept,
        vectors=shape.vectors,
        dimension=shape.dimension,
        rounds=rounds,
        tenfold=tenfold,
        figures=figures(shape.kept, best(rounds), tenfold, live=tenfold is None),
    )


if __name__ == "__main__":
    typer.run(main)
