"""`python -m bench`: the sandbox, or the live server that VECTORIZER_URL names; writes `.bench/result.json` too."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from backup_engine import wording
from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.credentials import from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from bench.data import COLLECTION, CONFIGURATION, DIMENSION, VECTORS, batches
from bench.worker import token
from sandbox.process import SandboxProcess

FOLDER = Path(__file__).resolve().parent.parent / ".bench"
STEP_SECONDS = 600
TIMEOUT = (10, 600)

Result = dict[str, Any]


def main() -> None:
    """Measure, show, and write down."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    root = f"file://{FOLDER / 'store'}"
    init_store(open_store(root), "bench", system_clock, token)
    with _server() as url, _filled(connect(url, from_environment(os.environ))):
        results = {step: _measured(step, url, root) for step in ("capture", "verify", "plan")}
        results["guide"] = _guide(url)
    document = {
        "vectors": VECTORS,
        "dimension": DIMENSION,
        "server": os.environ.get("VECTORIZER_URL", "sandbox"),
        "results": results,
        "ratios": _ratios(results),
    }
    _show(document)
    (FOLDER / "result.json").write_text(json.dumps(document, indent=1) + "\n")
    sys.stdout.write(json.dumps(document) + "\n")


@contextmanager
def _server() -> Iterator[str]:
    if url := os.environ.get("VECTORIZER_URL"):
        yield url.rstrip("/")
        return
    with SandboxProcess(FOLDER / "vectorizer") as sandbox:
        yield sandbox.url


@contextmanager
def _filled(server: VectorizerServer) -> Iterator[None]:
    server.create_collection(COLLECTION, CONFIGURATION)
    try:
        for batch in batches():
            server.upsert(COLLECTION, batch)
        yield
    finally:
        server.delete_collection(COLLECTION)


def _measured(step: str, url: str, root: str) -> Result:
    command = [sys.executable, "-m", "bench.worker", step, url, root]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=STEP_SECONDS)  # noqa: S603
    result: Result = json.loads(answer.stdout)
    return result


def _guide(url: str) -> Result:
    """Do what the guide says: the server's backup, fetched, packed, summed."""
    began, file = time.perf_counter(), FOLDER / "guide.json"
    body = {"name": "bench", "collections": [COLLECTION]}
    requests.post(f"{url}/backups/create", json=body, timeout=TIMEOUT).raise_for_status()
    with requests.get(f"{url}/backups", stream=True, timeout=TIMEOUT) as answer, file.open("wb") as output:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            output.write(chunk)
    packed = file.with_suffix(".tar.gz")
    for command in (("tar", "-czf", str(packed), "-C", str(FOLDER), file.name), ("sha256sum", str(packed))):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=STEP_SECONDS)  # noqa: S603
    return {
        "seconds": time.perf_counter() - began,
        "bytes": packed.stat().st_size,
        "fetched_bytes": file.stat().st_size,
    }


def _ratios(results: dict[str, Result]) -> dict[str, float]:
    capture, verify, guide = results["capture"], results["verify"], results["guide"]
    return {
        "capture time to guide's": capture["seconds"] / guide["seconds"],
        "capture bytes to guide's": capture["bytes"] / guide["bytes"],
        "verification rate to capture's": capture["seconds"] / verify["seconds"],
        "records a second of CPU, capture": VECTORS / capture["cpu_seconds"],
    }


def _show(document: Result) -> None:
    table = Table(
        "step", "time", "CPU", "bytes", "memory", title=f"{VECTORS:,} of {DIMENSION} dimensions, {document['server']}"
    )
    for step, one in document["results"].items():
        cpu = wording.duration(one["cpu_seconds"]) if "cpu_seconds" in one else ""
        sizes = [wording.size(one[name]) if name in one else "" for name in ("bytes", "memory_bytes")]
        table.add_row(step, wording.duration(one["seconds"]), cpu, *sizes)
    console = Console(stderr=True)
    console.print(table)
    for name, ratio in document["ratios"].items():
        console.print(f"{name}: {ratio:,.2f}")


if __name__ == "__main__":
    main()
