"""What is measured of each step, and the process it is measured in."""

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from backup_engine.model import Document
from bench.cores import measuring_core, on_cores

_STEP_SECONDS = 3600
_HERE = Path(__file__).resolve().parent.parent


class Step(StrEnum):
    """What is measured.

    * read: fetching what a capture reads, with a client that does nothing else
    * guide: the server's own backup, download, tar -czf, sha256sum
    * capture: from the first question to the committed backup
    * verify-full, verify-quick: the two levels of verification
    * restore: plan, load, compare, publish
    * capture-to-s3: as capture, the primary is an S3 server
    * copy-to-s3: the newest backup of the local store, copied to the S3 server and compared
    * copy-s3-to-s3: the newest backup of the primary on the S3 server, copied to another store there
    * full: as capture, of the deployment's whole scope: what increments build on
    * increment: what changed since the newest backup, read and committed
    """

    READ = "read"
    GUIDE = "guide"
    CAPTURE = "capture"
    VERIFY_FULL = "verify-full"
    VERIFY_QUICK = "verify-quick"
    RESTORE = "restore"
    CAPTURE_TO_S3 = "capture-to-s3"
    COPY_TO_S3 = "copy-to-s3"
    COPY_S3_TO_S3 = "copy-s3-to-s3"
    FULL = "full"
    INCREMENT = "increment"


class Measurement(Document):
    """One run of one step.

    :param seconds: on the clock
    :param cpu_seconds: user and system, of the whole process tree
    :param memory_bytes: peak resident memory of the step's own process
    :param vectors: records handled; 0 where nobody counted
    :param bytes: of the outcome: answer, tar.gz, archive, what was read of it
    """

    seconds: float
    cpu_seconds: float
    memory_bytes: int
    vectors: int
    bytes: int


class SideBySide(Document):
    """Two collections exported by so many workers.

    :param workers: processes, each with its streams one after the other
    :param pace: bytes a second of each answer of the server; None is as fast as it can
    :param seconds: from the word to begin until the last one had ended
    :param cpu_seconds: user and system, of all workers
    :param busy: share of the machine's cores that was not idle meanwhile, whatever they did
    :param vectors: records exported
    """

    workers: int
    pace: float | None
    seconds: float
    cpu_seconds: float
    busy: float
    vectors: int


class Increments(Document):
    """What one kind of change came to.

    :param change: in words
    :param scattered: it meets records all over the collection
    :param full: the whole of it before the change
    :param increment: what was made of the change
    :param restic: bytes that restic added for the same change in the guide's file; None: it is not installed
    :param unchanged: requests that another increment took when nothing had changed since
    :param pages: of these, those that asked for records
    """

    change: str
    scattered: bool
    full: Measurement
    increment: Measurement
    restic: int | None
    unchanged: int
    pages: int


class Depth(Document):
    """What the deepest chain of a day costs.

    :param links: archives it hangs on
    :param chain: its restore
    :param full: the restore of a full of the same state
    """

    links: int
    chain: Measurement
    full: Measurement


def measured(step: Step, url: str, folder: str, collection: str) -> Measurement:
    """Run one step in a process of its own, alone on one core, when the disk has nothing left to write.

    :raises subprocess.CalledProcessError: the step failed; its own words are on the standard error
    """
    command = [sys.executable, "-m", "bench.steps", step, url, folder, collection]
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    os.sync()
    with on_cores(measuring_core()):
        answer = subprocess.run(  # noqa: S603
            command, check=True, stdout=subprocess.PIPE, text=True, timeout=_STEP_SECONDS, cwd=_HERE, env=compiled
        )
    return Measurement.model_validate_json(answer.stdout)
