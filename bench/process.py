"""The serving process: started beside what is measured, on another core if there is one."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.cores import on_cores, other_cores
from bench.parameters import COLLECTION, Shape

FOLDER = Path(__file__).resolve().parent.parent / ".bench"
RENDERED = FOLDER / "rendered"
READY = "listening on "
_END_SECONDS = 30


@contextmanager
def served(
    shape: Shape,
    repetitions: int = 1,
    rendered: Path = RENDERED,
    *,
    collections: Sequence[str] = (COLLECTION,),
    pace: float | None = None,
    cores: set[int] | None = None,
) -> Iterator[str]:
    """Serve a data set and give the address; the first time, it is rendered before.

    :param repetitions: how often the data set is repeated, under other ids
    :param rendered: where renderings are kept
    :param collections: names of those that hold it
    :param pace: bytes a second of each answer; as fast as it can without
    :param cores: which it keeps to; without, those that nothing is measured on
    :raises RuntimeError: it did not start; its own words are on the standard error
    """
    data = [shape.kept, str(shape.vectors), str(shape.dimension)]
    options = ["--repetitions", str(repetitions), "--rendered", str(rendered), "--collections", *collections]
    if pace is not None:
        options += ["--pace", str(pace)]
    with on_cores(cores or other_cores()):
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "bench.serving", *data, *options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=FOLDER.parent,
        )
    assert process.stdout is not None  # noqa: S101
    try:
        line = process.stdout.readline()
        if not line.startswith(READY):
            raise RuntimeError(f"the serving process of {shape} did not start")
        yield line.removeprefix(READY).strip()
    finally:
        process.terminate()
        process.wait(_END_SECONDS)
        process.stdout.close()
