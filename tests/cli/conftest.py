from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import pytest
import requests

from backup_engine.cli.main import main
from sandbox.process import SandboxProcess

UPSERT = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success}}"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


class Vectorizer:
    """A server as a person with curl sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fill(self, collection: str, count: int, dimension: int = 16, metric: str = "Euclid") -> None:
        body = {"vectors": {"size": dimension, "distance": metric}}
        assert requests.put(f"{self.url}/qdrant/collections/{collection}", json=body, timeout=10).ok
        self.write(collection, [(f"r{number}", _vector(number, dimension)) for number in range(count)])

    def write(self, collection: str, records) -> None:
        vectors = [{"id": key, "data": data, "payload": {"of": key}} for key, data in records]
        variables = {"i": {"collection": collection, "vectors": vectors}}
        answer = requests.post(f"{self.url}/graphql", json={"query": UPSERT, "variables": variables}, timeout=30)
        assert "errors" not in answer.json()

    def content(self, collection: str):
        body = {"limit": 10_000, "with_vector": True, "with_payload": True}
        answer = requests.post(f"{self.url}/qdrant/collections/{collection}/points/scroll", json=body, timeout=30)
        return {point["id"]: (point["vector"], point["payload"]) for point in answer.json()["result"]["points"]}

    def names(self) -> dict[str, int]:
        listed = requests.get(f"{self.url}/collections", timeout=10).json()["collections"]
        return {collection["name"]: collection["vector_count"] for collection in listed}

    def delete(self, collection: str) -> None:
        survivor = next(name for name in self.names() if name != collection)
        assert requests.delete(f"{self.url}/collections/{collection}", timeout=10).ok
        assert requests.post(f"{self.url}/collections/{survivor}/force-save", timeout=30).json()["flushed"]


def _vector(number: int, dimension: int) -> list[float]:
    return [((number * 31 + place * 17) % 97) / 97 - 0.4 for place in range(dimension)]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run one command as its user would, in this process."""

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["vectorizer-backup", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else int(bool(code)), captured.out, captured.err)

    return command


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A sandbox with two collections, shared by a module: tests that change it restore it."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as process:
        vectorizer = Vectorizer(process.url)
        vectorizer.fill("docs", 300)
        vectorizer.fill("notes", 40, metric="Cosine")
        yield vectorizer


@pytest.fixture
def store(tmp_path, run) -> str:
    """An initialised store's URL."""
    url = f"file://{tmp_path}/backups/prod"
    assert run("store", "init", url).code == 0
    return url
