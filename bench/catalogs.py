"""`python -m bench.catalogs WAY`: 10,000 backups listed, planned for and shown, each way in its own process."""

import io
import os
import resource
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path

import boto3
from rich.console import Console

from backup_engine.catalog import Catalog
from backup_engine.cli import tables
from backup_engine.model import Document, system_clock
from backup_engine.retention.planning import Setting, plan_retention
from backup_engine.retention.policy import Policy
from backup_engine.storage.opening import open_store
from bench.many_backups import DEPLOYMENT, STORE_ID, fill
from bench.parameters import BUCKET

BACKUPS = 10_000
PREFIX = "many"
BUDGET_SECONDS = 2.0

_SHOWN = 100
_SECONDS = 1800
_HERE = Path(__file__).resolve().parent.parent


class Way(StrEnum):
    """How the backups are read.

    * plain: a listing by boto3, and every manifest fetched, one after the other: what a script does
    * first: by a catalog that finds no index, and writes it
    * known: by a catalog that finds the index
    """

    PLAIN = "plain"
    FIRST = "first"
    KNOWN = "known"


class Listed(Document):
    """One way of reading.

    :param read: seconds until every backup was known
    :param planned: seconds for what retention decides
    :param shown: seconds for the table of the newest hundred
    :param requests: to the server
    :param memory_bytes: peak resident memory of the process
    """

    way: Way
    read: float
    planned: float = 0.0
    shown: float = 0.0
    requests: int
    memory_bytes: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.read + self.planned + self.shown


def catalogs() -> tuple[Listed, ...]:
    """Fill a store on the S3 server of the environment, and read it each way."""
    fill(boto3.client("s3"), BUCKET, f"{PREFIX}/", BACKUPS)
    command = [sys.executable, "-m", "bench.catalogs"]
    answers = (
        subprocess.run([*command, way], check=True, stdout=subprocess.PIPE, text=True, timeout=_SECONDS, cwd=_HERE)  # noqa: S603
        for way in Way
    )
    return tuple(Listed.model_validate_json(answer.stdout) for answer in answers)


def _catalog(way: Way) -> Listed:
    store = open_store(f"s3://{BUCKET}/{PREFIX}")
    requests = _counted(store._objects.client)  # type: ignore[attr-defined]  # counted where they leave
    began = time.perf_counter()
    catalog = Catalog(store, system_clock)
    backups = catalog.backups()
    if len(backups) != BACKUPS:
        raise SystemExit(f"{len(backups):,} backups were read of {BACKUPS:,}: {catalog.unreadable[:1]}")
    read = time.perf_counter()
    plan_retention(
        backups, Policy(), system_clock(), Setting(deployment=DEPLOYMENT, store=store.url, store_id=STORE_ID)
    )
    planned = time.perf_counter()
    Console(file=io.StringIO()).print(tables.many(backups[:_SHOWN], catalog.by_name))
    shown = time.perf_counter()
    return Listed(
        way=way,
        read=read - began,
        planned=planned - read,
        shown=shown - planned,
        requests=len(requests),
        memory_bytes=_memory(),
    )


def _plain() -> Listed:
    client = boto3.client("s3")
    requests = _counted(client)
    began = time.perf_counter()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/")
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    for key in keys:
        if key.count("/") == PREFIX.count("/") + 2 and key.endswith(".json"):
            client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return Listed(way=Way.PLAIN, read=time.perf_counter() - began, requests=len(requests), memory_bytes=_memory())


def _counted(client: object) -> list[str]:
    """Give the names of the requests that a client makes from now on."""
    made: list[str] = []
    events = client.meta.events  # type: ignore[attr-defined]
    events.register("before-send.s3", lambda request, **_: made.append(request.url))
    return made


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


if __name__ == "__main__":
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "1")
    asked = Way(sys.argv[1])
    print((_plain() if asked is Way.PLAIN else _catalog(asked)).model_dump_json())  # noqa: T201
