"""`python -m bench.worker STEP SERVER STORE`: one measured step in a process, and so with memory, of its own."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from backup_engine.capture.request import CaptureRequest
from backup_engine.catalog import Catalog
from backup_engine.model import system_clock
from backup_engine.records import VerificationLevel
from backup_engine.restore.planning import preview_restore
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.run import run_capture
from backup_engine.run_key import random_run_key
from backup_engine.storage.identity import read_identity
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.credentials import from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.verification import verify_backup
from bench.data import COLLECTION


def token() -> str:
    """Make a word that nobody else has."""
    return uuid4().hex


def capture(server: VectorizerServer, root: str) -> dict[str, Any]:
    """Read the collection and commit it."""
    store = open_store(root)
    identity = read_identity(store)
    request = CaptureRequest(
        run_key=random_run_key(),
        deployment=identity.deployment,
        store_id=identity.store_id,
        collections=(COLLECTION,),
        streams=1,
    )
    made = run_capture(request, server, store, system_clock, token)
    return {"backup": made.name, "vectors": made.vectors, "bytes": made.bytes}


def verify(server: VectorizerServer, root: str) -> dict[str, Any]:  # noqa: ARG001
    """Read every byte of the newest backup again."""
    store = open_store(root)
    backup = Catalog(store, system_clock).backups()[0]
    report = verify_backup(store, backup.folder, backup.name, VerificationLevel.FULL, system_clock, token=token())
    return {"passed": report.passed, "vectors": report.vectors, "bytes": report.bytes}


def plan(server: VectorizerServer, root: str) -> dict[str, Any]:
    """Plan to put it back in place of what the server has."""
    backup = Catalog(open_store(root), system_clock).backups()[0]
    request = RestoreRequest(restore_id=token()[:12], backup=backup.name, mode=RestoreMode.REPLACE)
    planned = preview_restore(request, backup.manifest, server)
    return {"vectors": planned.vectors, "expected_seconds": planned.seconds, "refusals": len(planned.refusals)}


STEPS: dict[str, Callable[[VectorizerServer, str], dict[str, Any]]] = {
    "capture": capture,
    "verify": verify,
    "plan": plan,
}


def main() -> None:
    """Measure one step and print what came of it as JSON."""
    step, url, root = sys.argv[1:]
    server = connect(url, from_environment(os.environ))
    began, cpu = time.perf_counter(), time.process_time()
    result = STEPS[step](server, root)
    result |= {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "at": datetime.now(UTC).isoformat(),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
