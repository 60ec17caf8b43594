"""`python -m bench.steps STEP SERVER FOLDER [COLLECTION]`: one measured step, alone in its process.

The clocks start when everything is imported, as it is in a worker that waits for its task.
"""

import os
import re
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from backup_engine.archive.manifest import BackupState
from backup_engine.backup import Backup
from backup_engine.capture.request import CaptureRequest
from backup_engine.catalog import Catalog
from backup_engine.chain import by_name
from backup_engine.copies.copying import copy_backup
from backup_engine.model import system_clock
from backup_engine.records import VerificationLevel
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.planning import preview_restore
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.restore_point import open_restore_point
from backup_engine.run import run_capture
from backup_engine.run_key import random_run_key
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.credentials import from_environment
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.verification import verify_backup
from bench.guide import authorization, back_up_as_the_guide_says
from bench.measurement import Measurement, Step
from bench.parameters import BUCKET, COLLECTION, restored_name
from bench.plain import read_plainly

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step works.

    :param folder: holds the store, and what the guide's way leaves
    :param collection: the one that is measured
    """

    url: str
    folder: Path
    collection: str = COLLECTION

    def server(self) -> VectorizerServer:
        """Reach the server."""
        return connect(self.url, from_environment(os.environ))

    def store(self) -> Store:
        """Open the store, made by whoever comes first."""
        store = open_store(f"file://{self.folder / 'store'}")
        init_store(store, "bench", system_clock, token)
        return store

    def bucket(self, name: str) -> Store:
        """Open a store on the S3 server, made by whoever comes first.

        :param name: tells the stores of one folder apart
        """
        store = open_store(self.bucket_url(name))
        init_store(store, "bench", system_clock, token)
        return store

    def bucket_url(self, name: str) -> str:
        """Say where such a store lies."""
        return f"s3://{BUCKET}/{re.sub(r'[^A-Za-z0-9-]', '-', self.folder.name)}/{name}"

    def newest(self, store: Store) -> Backup:
        """Find the backup that a capture left."""
        return Catalog(store, system_clock).backups()[0]


@dataclass(frozen=True, slots=True)
class Done:
    """What a step handled: records, and bytes of its outcome."""

    vectors: int
    bytes: int


def token() -> str:
    """Make a word that nobody else has."""
    return uuid4().hex


def read(place: Place) -> Done:
    """Fetch what a capture reads with a client that does nothing else."""
    vectors = next(state.vectors for state in place.server().collections() if state.name == place.collection)
    headers = authorization(place.url, from_environment(os.environ))
    return Done(vectors, read_plainly(place.url, place.collection, vectors, headers))


def guide(place: Place) -> Done:
    """Do what the operating guide says."""
    return Done(0, back_up_as_the_guide_says(place.url, place.collection, place.folder))


def capture(place: Place) -> Done:
    """Read the collection and commit it."""
    return _captured(place, place.store())


def capture_to_s3(place: Place) -> Done:
    """Read the collection and commit it in a store on the S3 server."""
    return _captured(place, place.bucket("primary"))


def full(place: Place) -> Done:
    """Read the whole scope, here the one collection, and commit it."""
    return whole_scope(place, incremental=False)


def increment(place: Place) -> Done:
    """Store what changed since the newest backup."""
    return whole_scope(place, incremental=True)


def copy_to_s3(place: Place) -> Done:
    """Copy the newest backup of the local store."""
    return _copied(place, place.store(), "copy")


def copy_s3_to_s3(place: Place) -> Done:
    """Copy the newest backup of the S3 server's primary to another store there."""
    return _copied(place, place.bucket("primary"), "copy-of-primary")


def _captured(place: Place, store: Store) -> Done:
    return _made(place, store, _request(store).model_copy(update={"collections": (place.collection,)}))


def whole_scope(place: Place, *, incremental: bool) -> Done:
    """Make a backup that others can build on, or build on it."""
    store = place.store()
    return _made(place, store, _request(store, include=(place.collection,), incremental=incremental))


def _request(store: Store, *, include: tuple[str, ...] = ("*",), incremental: bool = False) -> CaptureRequest:
    return CaptureRequest(
        run_key=random_run_key(),
        deployment="bench",
        store_id=init_store(store, "bench", system_clock, token).store_id,
        include=include,
        incremental=incremental,
        streams=1,
    )


def _made(place: Place, store: Store, request: CaptureRequest) -> Done:
    made = run_capture(request, place.server(), store, system_clock, token, temporary=place.folder)
    assert made.state is BackupState.GOOD, made.reasons  # noqa: S101
    return Done(made.vectors, made.bytes)


def _copied(place: Place, source: Store, name: str) -> Done:
    backup, target = place.newest(source), place.bucket(name)
    report = copy_backup(
        backup.folder, backup.name, source, target, clock=system_clock, token=token(), to=place.bucket_url(name)
    )
    assert report.copied == report.compared == backup.archive.bytes, report  # noqa: S101
    return Done(backup.manifest.clear.vectors, report.bytes)


def verify_full(place: Place) -> Done:
    """Read every byte of the newest backup again."""
    return _verified(place, VerificationLevel.FULL)


def verify_quick(place: Place) -> Done:
    """Look whether the newest backup is there and lists."""
    return _verified(place, VerificationLevel.QUICK)


def restore(place: Place) -> Done:
    """Plan to bring the newest backup back under another name, load it, compare all of it, and publish it."""
    store, server = place.store(), place.server()
    backup = place.newest(store)
    request = RestoreRequest(
        restore_id=token()[:12],
        backup=backup.name,
        rename={place.collection: restored_name(place.collection)},
        mode=RestoreMode.NEW,
    )
    plan = preview_restore(request, backup.manifest, server)
    backups = by_name(Catalog(store, system_clock).backups())
    point = open_restore_point(store, backup, backups, temporary=place.folder)
    report = execute_restore(plan, point, server, store, system_clock, owner="bench", temporary=place.folder)
    assert report.compared == report.vectors > 0, report.notes  # noqa: S101
    return Done(report.vectors, backup.archive.bytes)


STEPS: dict[Step, Callable[[Place], Done]] = {
    Step.READ: read,
    Step.GUIDE: guide,
    Step.CAPTURE: capture,
    Step.VERIFY_FULL: verify_full,
    Step.VERIFY_QUICK: verify_quick,
    Step.RESTORE: restore,
    Step.CAPTURE_TO_S3: capture_to_s3,
    Step.COPY_TO_S3: copy_to_s3,
    Step.COPY_S3_TO_S3: copy_s3_to_s3,
    Step.FULL: full,
    Step.INCREMENT: increment,
}


def main() -> None:
    """Measure one step and print what came of it."""
    step, url, folder, *collection = sys.argv[1:]
    began, used = time.perf_counter(), cpu_seconds()
    done = STEPS[Step(step)](Place(url, Path(folder).absolute(), *collection))
    measured = Measurement(
        seconds=time.perf_counter() - began,
        cpu_seconds=cpu_seconds() - used,
        memory_bytes=memory_bytes(),
        vectors=done.vectors,
        bytes=done.bytes,
    )
    sys.stdout.write(measured.model_dump_json() + "\n")


def _verified(place: Place, level: VerificationLevel) -> Done:
    store = place.store()
    backup = place.newest(store)
    report = verify_backup(
        store, backup.folder, backup.name, level, system_clock, token=token(), temporary=place.folder
    )
    assert report.passed, report.problems  # noqa: S101
    return Done(backup.manifest.clear.vectors, report.bytes)


def cpu_seconds() -> float:
    """Sum up user and system time of this process and of all it started."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def memory_bytes() -> int:
    """Tell the peak of this program's own memory; ``ru_maxrss`` would know that of whoever started it too."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
