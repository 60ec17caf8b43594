"""One collection in memory, with the server's way of counting and listing."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from sandbox import clock, payloads
from sandbox.failures import InvalidDimensionError, VectorNotFoundError
from sandbox.payloads import Json
from sandbox.quantisation import Floats, normalise, normalise_when_loaded, shelf_for
from sandbox.settings import Settings

INDEX_BYTES_PER_VECTOR = 100
HISTORY_EVERY_SECONDS = 60
BYTES_OF_A_POINTER = 8


@dataclass(frozen=True)
class Record:
    """One vector with its payload as compact JSON text; None is no payload, which is not `null`."""

    id: str
    vector: Sequence[float | None] | Floats
    payload: str | None


@dataclass(frozen=True)
class Page:
    """Records side by side: ids, vectors (n x dimension), payload texts."""

    ids: list[str]
    vectors: Floats
    payloads: list[str | None]


@dataclass
class Sizes:
    """Bytes as the details show them."""

    index: int = 0
    payload: int = 0

    @property
    def total(self) -> int:
        """Index and payload."""
        return self.index + self.payload


@dataclass
class _Order:
    """Ids in the order of insertion; one id may be listed more than once (see `Collection.as_ghost`)."""

    entries: dict[int, str] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)
    following: int = 0

    def append(self, vector_id: str) -> None:
        self.entries[self.following] = vector_id
        self.places.setdefault(vector_id, []).append(self.following)
        self.following += 1

    def remove(self, vector_id: str) -> None:
        for place in self.places.pop(vector_id, []):
            del self.entries[place]


class Collection:
    """Vectors of one collection.

    `count` is kept apart from what is listed, as in the server: a ghost counts what it does not list.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self._created_at = self._updated_at = clock.now()
        self.count = 0
        self.history: list[dict[str, int]] = []
        self._order = _Order()
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._payloads: list[str | None] = []
        self._shelf = shelf_for(settings.quantization, settings.dimension)
        self._id_bytes = 0
        self._payload_bytes = 0

    @classmethod
    def loaded(cls, name: str, settings: Settings, page: Page) -> Self:
        """Read a collection from disk: text and length of every vector are normalised."""
        collection = cls(name, settings)
        collection.arrive(page)
        return collection

    def arrive(self, page: Page) -> None:
        """Take in what was read from disk, all at once."""
        vectors = normalise_when_loaded(page.vectors)
        self._store(Page(page.ids, vectors, _normalised(page.payloads)))
        self._count_loaded(page.ids)

    @classmethod
    def as_ghost(cls, name: str, settings: Settings, page: Page) -> Self:
        """Bring back a deleted collection that was asked for before a flush.

        The server loads it into its full-precision map. Where the collection keeps quantized vectors it
        then counts them and lists none; an id written again is listed once for the load and once for itself.
        """
        collection = cls(name, settings)
        if not settings.keeps_quantized:
            collection._store(Page(page.ids, page.vectors, _normalised(page.payloads)))
        collection._count_loaded(page.ids)
        return collection

    @property
    def created_at(self) -> str:
        """When it was made; of a sharded one nobody knows."""
        return self._created_at if self.settings.shards is None else clock.now()

    @property
    def updated_at(self) -> str:
        """When it was last written to; of a sharded one nobody knows."""
        return self._updated_at if self.settings.shards is None else clock.now()

    def __contains__(self, vector_id: str) -> bool:
        """Say whether the record is stored, whatever the collection counts."""
        return vector_id in self._rows

    def ids(self) -> list[str]:
        """Give the ids in the order of insertion, as every listing does; none of a sharded collection."""
        return self.found_ids() if self.settings.shards is None else []

    def found_ids(self) -> list[str]:
        """Give the ids that a search looks through."""
        return [vector_id for vector_id in self._order.entries.values() if vector_id in self._rows]

    def page(self, ids: Sequence[str]) -> Page:
        """Give the records of ids that are there, in the order given."""
        rows = [self._rows[vector_id] for vector_id in ids]
        vectors = self._shelf.read(np.array(rows, np.intp))
        return Page(list(ids), vectors, [self._payloads[row] for row in rows])

    def everything(self) -> Page:
        """Give all records of a listing."""
        return self.page(self.ids())

    def insert(self, records: Sequence[Record]) -> None:
        """Add or replace records; all or nothing on dimension.

        :raises InvalidDimensionError: before anything is stored
        """
        for record in records:
            if len(record.vector) != self.settings.dimension:
                raise InvalidDimensionError(self.settings.dimension, len(record.vector))
        if not records:
            return
        vectors = as_floats([record.vector for record in records])
        if self.settings.metric == "Cosine":
            vectors = normalise(vectors)
        ids = [record.id for record in records]
        for vector_id in self._store(Page(ids, vectors, [record.payload for record in records])):
            self._order.append(vector_id)
            self.count += 1
        self.touch()

    def delete(self, vector_id: str) -> None:
        """Take one record out.

        :raises VectorNotFoundError: when it is not stored, whatever the collection counts
        """
        row = self._rows.pop(vector_id, None)
        if row is None:
            raise VectorNotFoundError(vector_id)
        self._forget_bytes(vector_id, row)
        self._payloads[row] = None
        self._free.append(row)
        self._order.remove(vector_id)
        self.count -= 1
        self.touch()

    def touch(self) -> None:
        """Note that something was written."""
        self._updated_at = clock.now()

    def sample_count(self) -> None:
        """Remember the count, at most once a minute; asking for the details does this."""
        if self.settings.shards is not None:
            return
        at = int(time.time())
        if not self.history or at - self.history[-1]["at"] >= HISTORY_EVERY_SECONDS:
            self.history.append({"at": at, "count": self.count})

    def sizes(self) -> Sizes:
        """Sum up the bytes of index and payloads; binary collections show nothing, sharded ones a pointer each."""
        if self.settings.shards is not None:
            return Sizes(BYTES_OF_A_POINTER * self.count, BYTES_OF_A_POINTER * self.count)
        if self.settings.quantization == "binary":
            return Sizes()
        vectors = len(self._rows) * (self._shelf.bytes_per_vector + INDEX_BYTES_PER_VECTOR)
        return Sizes(vectors + self._id_bytes, self._payload_bytes)

    def _store(self, page: Page) -> list[str]:
        """Put records into rows; gives the ids that were new."""
        new: list[str] = []
        rows: list[int] = []
        for vector_id, payload in zip(page.ids, page.payloads, strict=True):
            row = self._rows.get(vector_id)
            if row is None:
                row = self._new_row(vector_id)
                new.append(vector_id)
            else:
                self._forget_bytes(vector_id, row)
            self._payloads[row] = payload
            self._id_bytes += len(vector_id.encode())
            self._payload_bytes += _bytes_of(payload)
            rows.append(row)
        self._shelf.reserve(len(self._payloads))
        self._shelf.write(np.array(rows, np.intp), page.vectors)
        return new

    def _new_row(self, vector_id: str) -> int:
        if self._free:
            row = self._free.pop()
        else:
            row = len(self._payloads)
            self._payloads.append(None)
        self._rows[vector_id] = row
        return row

    def _forget_bytes(self, vector_id: str, row: int) -> None:
        self._id_bytes -= len(vector_id.encode())
        self._payload_bytes -= _bytes_of(self._payloads[row])

    def _count_loaded(self, ids: Iterable[str]) -> None:
        for vector_id in ids:
            self._order.append(vector_id)
            self.count += 1
        if self.count:
            self.touch()


def as_floats(vectors: Sequence[Json]) -> Floats:
    """Make float32 by way of float64, as the server reads numbers; beyond float32 is infinite."""
    with np.errstate(over="ignore"):
        return np.array(vectors, dtype=np.float64).astype(np.float32)


def _normalised(texts: list[str | None]) -> list[str | None]:
    return [None if text is None else payloads.normalized(text) for text in texts]


def _bytes_of(payload: str | None) -> int:
    return 0 if payload is None else len(payload.encode())
