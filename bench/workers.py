"""Workers side by side: the same two collections exported by one process, and by two that share the work."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from backup_engine.archive.manifest import BackupState
from backup_engine.capture import staging
from backup_engine.capture.planning import prepare_capture
from backup_engine.capture.request import CaptureRequest
from backup_engine.commit import commit_capture
from backup_engine.model import system_clock
from backup_engine.run_key import random_run_key
from backup_engine.storage.identity import read_identity
from bench.exporting import READY
from bench.measurement import Measurement, SideBySide
from bench.parameters import COLLECTION, SECOND
from bench.process import FOLDER
from bench.steps import Place, token

STREAMS = (COLLECTION, SECOND)
_WORKER_SECONDS = 3600


def side_by_side(url: str, folder: Path, workers: int, pace: float | None) -> SideBySide:
    """Capture both collections with so many workers, and measure their exports.

    :raises RuntimeError: a worker failed; its own words are on the standard error
    """
    place = Place(url, folder)
    store = place.store()
    request = CaptureRequest(
        run_key=random_run_key(),
        deployment="bench",
        store_id=read_identity(store).store_id,
        collections=STREAMS,
        streams=len(STREAMS),
    )
    plan = prepare_capture(request, place.server(), store, system_clock, token())
    shares = [[*range(first, plan.streams, workers)] for first in range(workers)]
    seconds, busy, measured = _exported([[url, str(folder), plan.plan_key, *map(str, share)] for share in shares])
    results = [info.key for info in store.list(staging.run_prefix(request.run_key)) if "/stream-" in info.key]
    made = commit_capture(plan.plan_key, results, store, system_clock)
    assert made.state is BackupState.GOOD, made.reasons  # noqa: S101
    return SideBySide(
        workers=workers,
        pace=pace,
        seconds=seconds,
        cpu_seconds=sum(one.cpu_seconds for one in measured),
        busy=busy,
        vectors=made.vectors,
    )


def _exported(shares: Sequence[Sequence[str]]) -> tuple[float, float, list[Measurement]]:
    """Let all workers begin at once; give the time until the last one ends, and how busy the machine was."""
    os.sync()
    with ExitStack() as running:
        workers = [running.enter_context(_worker(share)) for share in shares]
        began, before = time.perf_counter(), _cores()
        for worker in workers:
            _tell(worker)
        said = [_outcome(worker) for worker in workers]
        seconds, after = time.perf_counter() - began, _cores()
    return seconds, 1 - (after[0] - before[0]) / (after[1] - before[1]), said


@contextmanager
def _worker(share: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.exporting", *share]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != READY:
                raise RuntimeError("a worker did not start")
            yield process
        finally:
            process.kill()


def _tell(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdin is not None  # noqa: S101
    worker.stdin.write("begin\n")
    worker.stdin.flush()


def _outcome(worker: "subprocess.Popen[str]") -> Measurement:
    said, _ = worker.communicate(timeout=_WORKER_SECONDS)
    if worker.returncode:
        raise RuntimeError("a worker failed")
    return Measurement.model_validate_json(said)


def _cores() -> tuple[float, float]:
    """Tell how long the cores were idle since the start of the machine, and how long there were any."""
    times = psutil.cpu_times()._asdict()
    every = sum(seconds for name, seconds in times.items() if "guest" not in name)  # guests are counted as users too
    return times["idle"] + times["iowait"], every
