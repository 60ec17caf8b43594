"""A server backup as it streams in: one JSON object that holds whole collections.

``{id, name, date, collections, size, data: {<collection>: {vectors: [{id, vector, metadata}], dimension, metric}}}``;
the guide's servers put dimension and metric into ``config``. Nothing in it is believed: vectors are counted, and what
a collection says of itself comes after them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.archive.canonical import canonical_text
from backup_engine.errors import UnexpectedAnswer
from backup_engine.model import Document, Metric
from backup_engine.vectorizer.components import ComponentParser
from backup_engine.vectorizer.layout import Window
from backup_engine.vectorizer.raw_json import members
from backup_engine.vectorizer.server_backups.json_stream import JsonStream

_BEFORE_VECTOR = re.compile(rb'\{\s*"id"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"vector"\s*:\s*\[', re.DOTALL)
_BEHIND_VECTOR = re.compile(rb'\]\s*,\s*"(?:payload|metadata)"\s*:\s*(.*\S)\s*\}', re.DOTALL)
_MOST_MEMBERS = 100
_METRICS = {
    "cosine": Metric.COSINE,
    "euclidean": Metric.EUCLIDEAN,
    "euclid": Metric.EUCLIDEAN,
    "dotproduct": Metric.DOT,
    "dot": Metric.DOT,
}


class ServerBackup(Document):
    """What the server's backup API made, as the server lists it; no backup in this product's sense.

    :param date: the server's own words
    :param collections: as they were asked for; only ``vectors`` says what is in it
    :param vectors: counted, by collection; None where the list does not hold the data
    """

    id: str
    name: str
    date: str
    collections: tuple[str, ...]
    vectors: dict[str, int] | None = None


class SavedCollection:
    """One collection in a server backup.

    ``vectors`` (counted), ``dimension`` and ``metric`` are known when its records have been read.
    """

    def __init__(self, name: str, stream: JsonStream) -> None:
        self.name = name
        self.vectors = 0
        self.dimension: int | None = None
        self.metric: Metric | None = None
        self._stream = stream
        self._texts = self._walk()

    def batches(self, dimension: int | None = None) -> Iterator[pa.RecordBatch]:
        """Read its records, each window of text as one batch.

        :param dimension: what it should be; None: that of the first record
        :raises UnexpectedAnswer: a record is none, or has another dimension
        """
        what, parser = f"{self._stream.what}: collection {self.name!r}", ComponentParser()
        for texts in self._texts:
            window = records_of(texts, what)
            expected = dimension or self.dimension or 1 + window.vectors[0].count(b",")
            yield make_batch(window.ids, parser.parse(window.vectors, expected), window.payloads)
            dimension = expected
        if self.dimension not in {None, dimension} and self.vectors:
            raise UnexpectedAnswer(f"{what}: it says dimension {self.dimension}, its vectors have {dimension}")

    def passing(self) -> Iterator[int]:
        """Pass over what was not read, counting it: so many records at a time."""
        for texts in self._texts:
            yield len(texts)

    def finish(self) -> None:
        """Pass over all that was not read."""
        for _ in self.passing():
            pass

    def _walk(self) -> Iterator[list[bytes]]:
        if self._stream.peek() != b"{":
            self._stream.skip()
            return
        for key in self._stream.members():
            if key == "vectors":
                for texts in self._stream.windows():
                    self.vectors += len(texts)
                    yield texts
            elif key in {"config", "dimension", "metric"}:
                self._describe(key, self._stream.value())
            else:
                self._stream.skip()

    def _describe(self, key: str, value: object) -> None:
        said = value if key == "config" and isinstance(value, dict) else {key: value}
        dimension, metric = said.get("dimension"), said.get("metric")
        if isinstance(dimension, int) and dimension > 0:
            self.dimension = dimension
        if isinstance(metric, str):
            self.metric = _METRICS.get(metric.lower().replace("_", ""))


class BackupFile:
    """One server backup, walked through once: what stands before its data is read at once, its collections on request.

    :raises UnexpectedAnswer: this is no such file
    """

    def __init__(self, stream: JsonStream) -> None:
        self._stream = stream
        self._head: dict[str, object] = {}
        self._vectors: dict[str, int] | None = None
        self._members = stream.members()
        heard: list[bytes] = []
        stream.overhear = heard.append
        self._at_data = self._go_on()
        stream.overhear = None
        self._start = b"".join(heard)

    def copy_to(self, write: Callable[[bytes], object]) -> None:
        """Have its text written, from its first byte on, while the rest of it is read."""
        write(self._start)
        self._stream.overhear = write

    def is_called(self, word: str) -> bool:
        """Tell whether this is its id or its name.

        :raises UnexpectedAnswer: neither stands before its data
        """
        return word == self._text("id") or word == self._head.get("name")

    def collections(self) -> Iterator[SavedCollection]:
        """Give its collections in turn; what is not read of one is passed over when the next is asked for.

        :raises UnexpectedAnswer: this is no such file, it is cut, or it holds a collection twice
        """
        while self._at_data:
            if self._vectors is not None:
                raise UnexpectedAnswer(f"{self._stream.what}: the server backup holds its data twice")
            yield from self._data()
            self._at_data = self._go_on()

    def summary(self) -> ServerBackup:
        """Count what was not read, and tell what it is."""
        for _ in self.collections():
            pass
        named = self._head.get("collections")
        return ServerBackup(
            id=self._text("id"),
            name=self._text("name"),
            date=self._text("date"),
            collections=tuple(str(name) for name in named) if isinstance(named, list) else (),
            vectors=self._vectors,
        )

    def _go_on(self) -> bool:
        """Read members up to the data; tell whether there are any."""
        for key in self._members:
            if len(self._head) > _MOST_MEMBERS:
                raise self._stream.unexpected("a server backup's data was expected after its head", key.encode())
            if key == "data" and self._stream.peek() == b"{":
                return True
            if key == "data":
                self._stream.skip()
            else:
                self._head[key] = self._stream.value()
        return False

    def _data(self) -> Iterator[SavedCollection]:
        self._vectors = {}
        for name in self._stream.members():
            if name in self._vectors:
                raise UnexpectedAnswer(f"{self._stream.what}: the server backup holds the collection {name!r} twice")
            saved = SavedCollection(name, self._stream)
            yield saved
            saved.finish()
            self._vectors[name] = saved.vectors

    def _text(self, key: str) -> str:
        value = self._head.get(key)
        if not isinstance(value, str):
            raise UnexpectedAnswer(f"{self._stream.what}: a server backup with a text for {key} was expected first")
        return value


def files_of(stream: JsonStream) -> Iterator[BackupFile]:
    """Give the server backups of a list, ``{"backups": [...]}``, in turn, each as far as it has data.

    :raises UnexpectedAnswer: this is no such list
    """
    for key in stream.members():
        if key != "backups":
            stream.skip()
            continue
        for _ in stream.items():
            file = BackupFile(stream)
            yield file
            file.summary()
            stream.overhear = None
    stream.end()


def records_of(texts: list[bytes], what: str) -> Window:
    """Take records apart; ids and payloads are cut out of their text, for numbers that no parser may round. Pure.

    :param texts: each of one record: an id, a vector, and a payload, which server backups call metadata
    :raises UnexpectedAnswer: one of them is something else
    """
    window = Window()
    for text in texts:
        try:
            _add(window, text)
        except ValueError as error:
            raise UnexpectedAnswer(f"{what}: a record with id and vector was expected, found {text[:80]!r}") from error
    return window


def _add(window: Window, text: bytes) -> None:
    if _add_as_laid_out(window, text):
        return
    parts = members(canonical_text(text))
    vector, payload = parts.get("vector", ""), parts.get("payload", parts.get("metadata", "null"))
    if not vector.startswith("[") or "[" in vector[1:] or "id" not in parts:
        raise ValueError("no id, or no vector of plain components")
    key = _encodable(json.loads(parts["id"])) if parts["id"].startswith('"') else parts["id"]
    window.add(key, vector[1:-1].encode(), payload.encode())


def _add_as_laid_out(window: Window, text: bytes) -> bool:
    """Take a record laid out as servers do; not if what stands as its payload is more than that."""
    before = _BEFORE_VECTOR.match(text)
    close = text.find(b"]", before.end()) if before else -1
    behind = _BEHIND_VECTOR.fullmatch(text, close) if close >= 0 else None
    if before is None or behind is None:
        return False
    key = before[1].decode("utf-8") if b"\\" not in before[1] else json.loads(b'"' + before[1] + b'"')
    try:
        window.add(_encodable(key), text[before.end() : close], behind[1])
    except UnexpectedAnswer:
        return False
    return True


def _encodable(key: str) -> str:
    """Let an id through that UTF-8 can carry; half a surrogate pair, escaped, is one it cannot.

    :raises ValueError: this is one
    """
    key.encode("utf-8")
    return key
