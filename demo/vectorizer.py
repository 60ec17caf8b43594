"""What the demo does to its server, over plain HTTP: none of this is the product's code."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from demo.docstrings import Text

DIMENSION = 512
BATCH = 250
TIMEOUT = (5.0, 60.0)


@dataclass(frozen=True)
class Content:
    """All records of one collection, sorted by id.

    :param vectors: float32, one row an id
    """

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    payloads: tuple[Any, ...]


class Vectorizer:
    """The demo's server.

    :param url: base address, without a slash at the end
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def create(self, name: str) -> None:
        """Create a collection that keeps floats; one that is created by writing to it keeps 8 bits a component."""
        self._post("/collections", {"name": name, "dimension": DIMENSION, "metric": "cosine"})

    def write(self, name: str, texts: Iterable[Text]) -> int:
        """Have the server embed and insert texts, over those that have their ids, and tell how many went in."""
        inserted = 0
        for batch in _batches(texts):
            entries = [{"id": text.id, "text": text.text, "metadata": text.metadata} for text in batch]
            inserted += self._post("/insert_texts", {"collection": name, "texts": entries})["inserted"]
        return inserted

    def erase(self, name: str, ids: Sequence[str]) -> None:
        """Delete records."""
        self._post("/batch_delete", {"collection": name, "ids": list(ids)})

    def drop(self, name: str, survivor: str) -> None:
        """Delete a collection for good: until a flush, asking for its name would bring it back."""
        self._call("DELETE", f"/collections/{name}")
        self.save(survivor)

    def save(self, name: str) -> None:
        """Have everything written to disk, by way of any collection."""
        if not self._post(f"/collections/{name}/force-save", {})["flushed"]:
            raise RuntimeError(f"{self.url} did not write its data to disk")

    def names(self) -> list[str]:
        """List the collections."""
        return sorted(entry["name"] for entry in self._call("GET", "/collections")["collections"])

    def content(self) -> dict[str, Content]:
        """Read everything there is."""
        return {name: self._read(name) for name in self.names()}

    def _read(self, name: str) -> Content:
        count = self._post(f"/qdrant/collections/{name}/points/count", {})["result"]["count"]
        body = {"limit": count + 1, "with_vector": True, "with_payload": True}
        points = self._post(f"/qdrant/collections/{name}/points/scroll", body)["result"]["points"]
        points.sort(key=lambda point: point["id"])
        return Content(
            tuple(point["id"] for point in points),
            np.array([point["vector"] for point in points], np.float32).reshape(len(points), -1),
            tuple(point["payload"] for point in points),
        )

    def _post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
        response = self._session.request(method, self.url + path, json=body, timeout=TIMEOUT)
        response.raise_for_status()
        return response.json()


def _batches(texts: Iterable[Text]) -> Iterator[list[Text]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        yield batch
