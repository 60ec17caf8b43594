"""Servers and stores that DAG runs work on."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from backup_engine.archive.batches import vectors_of
from backup_engine.model import Metric, system_clock
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import VectorizerServer, connect
from sandbox.process import SandboxProcess
from services.seaweedfs import SeaweedFS
from tests.engine.samples import configuration, some_records


@contextmanager
def connected(connection: str, url: str) -> Iterator[None]:
    """Let Airflow have this connection."""
    variable = f"AIRFLOW_CONN_{connection.upper()}"
    os.environ[variable] = url.replace("http://", "vectorizer://")
    try:
        yield
    finally:
        del os.environ[variable]


@contextmanager
def running_sandbox(folder: Path, connection: str, **options: Any) -> Iterator[SandboxProcess]:
    """Run a sandbox behind an Airflow connection."""
    with SandboxProcess(folder, **options) as sandbox, connected(connection, sandbox.url):
        yield sandbox


@contextmanager
def lent(sandbox: SandboxProcess, connection: str) -> Iterator[VectorizerServer]:
    """Put a running sandbox behind an Airflow connection, give the client of it, and leave it empty."""
    with connected(connection, sandbox.url):
        server = connect(sandbox.url)
        yield server
    for state in server.collections():
        server.delete_collection(state.name)
    assert not server.aliases()
    for left in set(sandbox.data_dir.iterdir()) - {sandbox.log}:
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def new_store(root: Path) -> Iterator[Store]:
    """Make the store that a deployment's configuration names, and remove it afterwards."""
    store = open_store(root.as_uri())
    init_store(store, root.name, system_clock, lambda: uuid4().hex)
    yield store
    shutil.rmtree(root, ignore_errors=True)


@contextmanager
def new_stores(roots: Iterable[Path]) -> Iterator[list[Store]]:
    """Make several of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(contextmanager(new_store)(root)) for root in roots]


@contextmanager
def new_bucket(server: SeaweedFS, bucket: str, prefix: str, deployment: str) -> Iterator[Store]:
    """Make a bucket and the store in it, and remove both afterwards."""
    server.client().create_bucket(Bucket=bucket)
    store = open_store(f"s3://{bucket}/{prefix}", server.client())
    init_store(store, deployment, system_clock, lambda: uuid4().hex)
    yield store
    remove_bucket(server, bucket)


def remove_bucket(server: SeaweedFS, bucket: str) -> None:
    """Empty a bucket and delete it, as somebody does who should not have; one that is gone is fine."""
    client = server.client()
    if bucket not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
        return
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=found["Key"])
    client.delete_bucket(Bucket=bucket)


def fill(server: VectorizerServer, name: str, records: int, seed: int = 7) -> None:
    """Create a collection and its records. Euclidean ones come back with the very same bits."""
    server.create_collection(name, configuration(metric=Metric.EUCLIDEAN))
    if records:
        server.upsert(name, some_records(range(records), seed=seed))


def fill_guide(url: str, name: str, records: int, seed: int = 7) -> None:
    """Do the same to a server of the operating guide's dialect, over the routes that it has."""
    batch = some_records(range(records), seed=seed)
    rows = zip(batch["id"].to_pylist(), vectors_of(batch).tolist(), batch["payload"].to_pylist(), strict=True)
    vectors = [
        {"id": key, "embedding": vector, "payload": payload and json.loads(payload)} for key, vector, payload in rows
    ]
    dimension = len(vectors[0]["embedding"])
    for path, body in (
        ("collections", {"name": name, "dimension": dimension, "metric": "euclidean"}),
        ("insert_vectors", {"collection": name, "vectors": vectors}),
    ):
        requests.post(f"{url}/api/{path}", json=body, timeout=30).raise_for_status()


def make_ghost(server: VectorizerServer, name: str) -> None:
    """Have a collection that counts its records and lists none, as the server leaves it when it is asked for a
    collection that was just deleted.
    """
    fill(server, name, 50)
    server.flush()
    server.delete_collection(name)
    requests.get(f"{server.facts().url}/collections/{name}", timeout=10).raise_for_status()


def content(server: VectorizerServer, name: str) -> dict[str, tuple[bytes, str | None]]:
    """Read a collection: by id the bytes of the components and the payload text."""
    state = next(state for state in server.collections() if state.name == name)
    found = {}
    for batch in server.read(state).batches:
        rows = zip(batch["id"].to_pylist(), vectors_of(batch), batch["payload"].to_pylist(), strict=True)
        found.update({record_id: (vector.tobytes(), payload) for record_id, vector, payload in rows})
    return found
