"""Collections of every kind on a server over HTTP, what they hold, and readers that never rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from urllib.parse import quote

import requests

from backup_engine.model import Metric, Quantization
from backup_engine.vectorizer.server import VectorizerServer
from tests.archive.builder import Built, Given, build
from tests.engine.samples import configuration, some_records

KINDS = {
    "cosine": (48, Metric.COSINE, Quantization.SQ8, 300),
    "euclidean": (32, Metric.EUCLIDEAN, Quantization.SQ8, 200),
    "dot": (16, Metric.DOT, Quantization.SQ8, 50),
    "floats": (512, Metric.EUCLIDEAN, Quantization.NONE, 40),
    "cosine floats": (512, Metric.COSINE, Quantization.NONE, 40),
    "binary": (32, Metric.EUCLIDEAN, Quantization.BINARY, 20),
    "one": (1, Metric.EUCLIDEAN, Quantization.SQ8, 5),
    "void": (8, Metric.COSINE, Quantization.SQ8, 0),
    "empty": (8, Metric.COSINE, Quantization.SQ8, 10),
    "cleanup": (8, Metric.COSINE, Quantization.SQ8, 10),
    "ünï & spaces": (8, Metric.COSINE, Quantization.SQ8, 10),
    "a/b": (8, Metric.COSINE, Quantization.SQ8, 10),
}


def fill(server: VectorizerServer, name: str) -> None:
    dimension, metric, quantization, records = KINDS[name]
    server.create_collection(name, configuration(dimension, metric, quantization))
    if records:
        server.upsert(name, some_records(range(records), dimension))


def backup_of(server: VectorizerServer, *names: str) -> Built:
    given = []
    for state in [one for one in server.collections() if not names or one.name in names]:
        kept = server.configuration(state.name)
        batches = list(server.read(state).batches)
        given.append(Given(state.name, batches, kept.dimension, kept.metric, kept.quantization))
    return build(*given)


def content(server: VectorizerServer, name: str) -> dict[str, tuple[object, object]]:
    state = next(state for state in server.collections() if state.name == name)
    rows = [row for batch in server.read(state).batches for row in batch.to_pylist()]
    return {row["id"]: (row["vector"], row["payload"]) for row in rows}


@contextmanager
def readers(url: str, name: str) -> Iterator[Counter[int]]:
    """Three readers of a collection that never rest; gives how often each count was seen."""
    path = f"{url}/qdrant/collections/{quote(name, safe='')}/points/count"
    seen: Counter[int] = Counter()
    ended = Event()

    def read() -> None:
        with requests.Session() as session:
            while not ended.is_set():
                answer = session.post(path, json={"exact": True}, timeout=30)
                if answer.ok:
                    seen[answer.json()["result"]["count"]] += 1

    threads = [Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()
