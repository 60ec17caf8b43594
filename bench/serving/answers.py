"""Which answers are sent from files, and the sandbox for all others."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote

from starlette.testclient import TestClient

from bench.data import as_text, blocks, record_id, repetition_and_number
from bench.parameters import COLLECTION, Shape
from bench.rendering import BACKUP, SCROLL, Records, rendered
from bench.serving.arrangement import Arrangement, Change
from bench.serving.pieces import Piece, spans
from sandbox.collection import Collection, Record
from sandbox.database import Database
from sandbox.routes import collections as routes_of_collections
from sandbox.routes import status
from sandbox.server import create_app
from sandbox.settings import Settings

SAMPLE = 1_000
"""Records the sandbox itself holds: it answers what is asked for seldom, and counts the others."""

CHANGES = "/bench/changes"
"""Where a ``Change`` of the measured collection is posted."""

ASKED = "/bench/requests"
"""Where one reads how many requests came so far, and how many of them asked for records; this one is not among them."""

_SCROLLED = re.compile(r"/qdrant/collections/([^/]+)/points/scroll")
_BACKED_UP = re.compile(rb'"vectors":\s*\[.*?\],"dimension":', re.DOTALL)
_COLLECTION = re.compile(rb'"collection":\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    media_type: str
    pieces: list[Piece]


class Answers:
    """A sandbox that holds much more than it has in memory.

    :param folder: renderings are kept there, and the sandbox's own data
    :param repetitions: how often the data set is repeated, under other ids; at most ten
    :param collections: names of those that hold it
    """

    def __init__(
        self,
        folder: Path,
        data_dir: Path,
        shape: Shape,
        repetitions: int = 1,
        collections: Sequence[str] = (COLLECTION,),
    ) -> None:
        self._texts = rendered(folder, shape)
        for records in self._texts.values():
            records.warm()
        for routes in (
            routes_of_collections,
            status,
        ):  # a server whose embedding model has this dimension, so floats can be kept
            vars(routes).update(PROVIDER_DIMENSION=shape.dimension)
        app = create_app(data_dir)
        self._database: Database = app.state.database
        self._client = TestClient(app, raise_server_exceptions=False)
        self._lock = Lock()
        self._arranged: Arrangement | None = None
        self._asked, self._pages = 0, 0
        for name in collections:
            _hold(self._database, name, shape, repetitions)

    def answer(self, method: str, path: str, media_type: str, body: bytes) -> Answer:
        """Answer one request."""
        scrolled = _SCROLLED.fullmatch(path)
        with self._lock:
            if path in {CHANGES, ASKED}:
                return self._steered(path, body)
            self._asked += 1
            self._pages += scrolled is not None
            if method == "POST" and scrolled and body.startswith(b'{"') and self._held(unquote(scrolled[1])):
                return self._page(self._database.get(unquote(scrolled[1])), json.loads(body))
            if method == "POST" and path == "/graphql" and b"upsertVectors(" in body[:200]:
                return self._taken(body)
            return self._from_sandbox(method, path, media_type, body)

    def _steered(self, path: str, body: bytes) -> Answer:
        """Do what the bench itself asks for."""
        if path == CHANGES:
            collection = self._database.get(COLLECTION)
            before = self._arranged or Arrangement.untouched(collection.count)
            self._arranged = before.changed(Change.model_validate_json(body), SAMPLE)
            collection.count = len(self._arranged.ids)
            collection.touch()
        return Answer(200, "application/json", [json.dumps([self._asked, self._pages]).encode()])

    def _held(self, name: str) -> bool:
        """Tell whether there is a collection of this name or alias, without waking a deleted one."""
        return self._database.canonical(name) in self._database.names()

    def _page(self, collection: Collection, question: Any) -> Answer:  # noqa: ANN401  JSON
        records = self._texts[SCROLL]
        if self._arranged is not None:
            return self._arranged_page(self._arranged, question)
        first = _place(records, question.get("offset"))
        beyond = min(collection.count, first + question.get("limit", 10))
        following = _key(records, beyond - 1) if beyond < collection.count else None
        return _page_of(spans(records, first, beyond), following)

    def _arranged_page(self, arranged: Arrangement, question: Any) -> Answer:  # noqa: ANN401  JSON
        records = self._texts[SCROLL]
        first = arranged.place(_place(records, question.get("offset")))
        beyond = min(len(arranged.ids), first + question.get("limit", 10))
        following = arranged.key(beyond - 1, len(records.starts) - 1) if beyond < len(arranged.ids) else None
        return _page_of(arranged.pieces(records, first, beyond), following)

    def _taken(self, body: bytes) -> Answer:
        """Acknowledge an upsert that is only counted."""
        found = _COLLECTION.search(body)
        assert found  # noqa: S101
        taken = body.count(b'"id":')
        collection = self._database.get(json.loads(found[1]))
        collection.count += taken
        collection.touch()
        text = f'{{"data":{{"upsertVectors":{{"success":true,"message":null,"affectedCount":{taken}}}}}}}'
        return Answer(200, "application/graphql-response+json", [text.encode()])

    def _from_sandbox(self, method: str, path: str, media_type: str, body: bytes) -> Answer:
        found = self._client.request(method, path, headers={"Content-Type": media_type}, content=body)
        pieces: list[Piece] = [found.content]
        if (method, path) == ("GET", "/backups"):
            pieces = list(self._completed(found.content))
        return Answer(found.status_code, found.headers.get("content-type", ""), pieces)

    def _completed(self, listed: bytes) -> Iterator[Piece]:
        """Put all records where the sandbox put those it has."""
        at, count = 0, self._database.get(COLLECTION).count
        for sample in _BACKED_UP.finditer(listed):
            yield listed[at : sample.start()] + b'"vectors":['
            if self._arranged is not None:
                yield from self._arranged.pieces(self._texts[BACKUP], 0, count)
            else:
                yield from spans(self._texts[BACKUP], 0, count)
            yield b'],"dimension":'
            at = sample.end()
        yield listed[at:]


def _page_of(points: list[Piece], following: str | None) -> Answer:
    tail = f'],"next_page_offset":{json.dumps(following)}}}}}'.encode()
    return Answer(200, "application/json", [b'{"result":{"points":[', *points, tail])


def _hold(database: Database, name: str, shape: Shape, repetitions: int) -> None:
    settings = Settings(shape.dimension, quantization=shape.configuration.quantization.value)
    collection = database.create(name, settings)
    block = next(blocks(min(SAMPLE, shape.vectors), shape.dimension))
    collection.insert([
        Record(key, vector, as_text(payload))
        for key, vector, payload in zip(block.ids, block.vectors, block.payloads, strict=True)
    ])
    collection.count = shape.vectors * repetitions


def _place(records: Records, offset: str | None) -> int:
    if offset is None:
        return 0
    repetition, number = repetition_and_number(offset)
    return repetition * (len(records.starts) - 1) + number


def _key(records: Records, at: int) -> str:
    return record_id(*divmod(at, len(records.starts) - 1))
