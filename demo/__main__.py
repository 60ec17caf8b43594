"""`python -m demo [--once]`: exit code 0 when everything was restored as it was."""

import argparse
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import requests

from backup_engine import wording
from demo import docstrings
from demo.memory import MemoryWatch, process_bytes
from demo.screen import Screen
from demo.stage import APPROVER, BUCKET, DEPLOYMENT, REQUESTER, ROOT, DemoError, Stage, airflow_for, fresh_folder
from demo.story import Story
from demo.vectorizer import Content, Vectorizer
from sandbox.process import SandboxError, SandboxProcess
from services.airflow_client import AirflowError
from services.airflow_process import AirflowProcess
from services.process import ServiceError
from services.seaweedfs import SeaweedFS

SECONDS, BYTES = 180, 3 << 30
"""What the demo promises to take at most, once everything is installed."""

QUANTIZED = frozenset({"docs-stdlib-data", "docs-stdlib-system"})

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130


class InterruptedDemo(BaseException):
    """Ctrl-C, or somebody closed the terminal: clean up and go."""


def main() -> int:
    """Play the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself instead of leaving Airflow up")
    once: bool = parser.parse_args().once
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    screen = Screen()
    try:
        with (
            fresh_folder(ROOT / ".demo") as folder,
            SandboxProcess(folder / "vectorizer") as sandbox,
            SeaweedFS(folder / "off-site") as bucket,
        ):
            return _play(folder, sandbox, bucket, screen, once=once)
    except (DemoError, AirflowError, TimeoutError, SandboxError, ServiceError, requests.RequestException) as error:
        screen.broken(str(error))
        return 1
    except InterruptedDemo:
        screen.broken("interrupted; everything was stopped")
        return INTERRUPTED


def _play(folder: Path, sandbox: SandboxProcess, bucket: SeaweedFS, screen: Screen, *, once: bool) -> int:
    airflow, server = airflow_for(folder, sandbox.url, bucket), Vectorizer(sandbox.url)
    bucket.client().create_bucket(Bucket=BUCKET)

    def memory() -> int:
        return airflow.memory_bytes() + sum(process_bytes(pid) for pid in (sandbox.pid, bucket.pid, os.getpid()))

    screen.title("A server with data, a disk and a bucket for its backups, and an Airflow")
    screen.done(f"a small Vectorizer listens at {sandbox.url}, an S3 server at {bucket.url}")
    screen.begun("Airflow starts (SQLite, LocalExecutor)")
    with MemoryWatch(memory) as watch, ThreadPoolExecutor(1) as pool:
        loading = pool.submit(_load, server, screen)
        with airflow:
            screen.done(f"Airflow is up at {airflow.url}")
            stage = Stage(folder, server, airflow)
            before = loading.result()
            for url in (stage.store, stage.copy):
                store = stage.command("store", "init", url, "--deployment", DEPLOYMENT)
                screen.done(f"the store {store['store']} is made: id {store['store_id']}")
            same = Story(stage, screen, before).tell()
            _sum_up(screen, watch.peak, same=same)
            if not once:
                _stay(screen, airflow)
    return 0 if same else 1


def _load(server: Vectorizer, screen: Screen) -> dict[str, Content]:
    began = screen.seconds
    texts = docstrings.collect()
    for name, documents in texts.items():
        if name not in QUANTIZED:
            server.create(name)
        server.write(name, documents)
    server.save(next(iter(texts)))
    content = server.content()
    total = sum(len(one.ids) for one in content.values())
    counts = ", ".join(f"{name} {len(one.ids):,}" for name, one in content.items())
    screen.done(
        f"{wording.count(total, 'docstring')} of Python's standard library, embedded by the server in "
        f"{wording.duration(screen.seconds - began)}: {counts}"
    )
    return content


def _sum_up(screen: Screen, peak: int, *, same: bool) -> None:
    screen.title("Result")
    if same:
        screen.done("everything is as it was before the accident")
    else:
        screen.broken("NOT everything is as it was before the accident: see above")
    took = f"{wording.duration(screen.seconds)} since the start, of {wording.duration(SECONDS)} promised"
    room = f"{wording.size(peak)} of memory at the peak, Airflow and server included, of {wording.size(BYTES)} promised"
    (screen.done if screen.seconds <= SECONDS and peak <= BYTES else screen.broken)(f"{took}; {room}")


def _stay(screen: Screen, airflow: AirflowProcess) -> None:
    screen.title(f"Look around: {airflow.url}")
    for user in (REQUESTER, APPROVER):
        screen.done(f"user {user}, password {airflow.passwords[user]}")
    screen.begun("Ctrl-C ends everything")
    try:
        signal.pause()
    except InterruptedDemo:
        screen.begun("stopping Airflow and the server")


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # the cleaning up is not interrupted
    raise InterruptedDemo


if __name__ == "__main__":
    sys.exit(main())
