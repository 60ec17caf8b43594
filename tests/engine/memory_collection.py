"""One collection of the memory server, with the real server's way of keeping, counting and listing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.archive.canonical import canonical_json
from backup_engine.errors import RequestRefused
from backup_engine.model import CollectionConfiguration, CollectionState, Metric, Quantization

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Saved:
    """What the server's disk knows of a collection: what its last flush wrote."""

    configuration: CollectionConfiguration
    records: dict[str, tuple[Floats, str | None]]


@dataclass
class MemoryCollection:
    """Records in insertion order; ``count`` is kept apart from what is listed, as in the server.

    :param hidden: ids that listings leave out although they are there: an upsert in flight
    """

    configuration: CollectionConfiguration
    now: Callable[[], str]
    records: dict[str, tuple[Floats, str | None]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    count: int = 0
    created_at: str = ""
    updated_at: str = ""
    _order: dict[int, str] = field(default_factory=dict)
    _places: dict[str, list[int]] = field(default_factory=dict)
    _next: int = 0

    def __post_init__(self):
        self.created_at = self.updated_at = self.now()

    def state(self, name: str) -> CollectionState:
        dimension = self.configuration.dimension
        return CollectionState(
            name=name, vectors=self.count, dimension=dimension, created_at=self.created_at, updated_at=self.updated_at
        )

    def ids(self) -> list[str]:
        """Ids as every listing gives them; in a ghost that was written to, some twice."""
        return [key for key in self._order.values() if key in self.records and key not in self.hidden]

    def batch(self, ids: Sequence[str], *, by_id: bool = False):
        """The records of these ids, in this order; those that are not there are left out.

        :param by_id: asked for by id: the server trims the text of their payloads
        """
        found = [key for key in ids if key in self.records]
        vectors = np.array([self.records[key][0] for key in found], np.float32).reshape(
            -1, self.configuration.dimension
        )
        vectors[~np.isfinite(vectors)] = np.nan  # infinities leave the server as null
        payloads = [self.records[key][1] for key in found]
        return make_batch(found, vectors, [trimmed(payload) for payload in payloads] if by_id else payloads)

    def upsert(self, batch) -> None:
        """Existing ids are deleted before the dimension is looked at, then all are inserted: they move to the end."""
        ids = batch.column("id").to_pylist()
        for key in ids:
            self._remove(key)
        dimension = batch.schema.field("vector").type.list_size
        if dimension != self.configuration.dimension:
            expected = self.configuration.dimension
            raise RequestRefused(f"dimension mismatch: expected {expected}, got {dimension}", status=400)
        kept = keep(vectors_of(batch), self.configuration)
        for key, vector, payload in zip(ids, kept, batch.column("payload").to_pylist(), strict=True):
            self._remove(key)
            self._list(key)
            self.records[key] = (vector, payload)
        self.touch()

    def delete(self, ids: Iterable[str]) -> None:
        for key in ids:
            self._remove(key)
        self.touch()

    def touch(self) -> None:
        self.updated_at = self.now()

    def saved(self) -> Saved:
        return Saved(self.configuration, {key: self.records[key] for key in self.ids()})

    @classmethod
    def ghost(cls, saved: Saved, now: Callable[[], str]) -> MemoryCollection:
        """A deleted collection that was asked for before a flush: where it keeps codes it counts and lists nothing."""
        made = cls(saved.configuration, now)
        if saved.configuration.quantization is not Quantization.SQ8:
            made.records = dict(saved.records)
        for key in saved.records:
            made._list(key)
        return made

    @classmethod
    def loaded(cls, saved: Saved, now: Callable[[], str], *, like_a_start: bool = True) -> MemoryCollection:
        """A collection from disk: every vector normalised, payload text trimmed; after a start SQ8 whatever it was, out
        of a snapshot as it was.
        """
        forced = {"quantization": Quantization.SQ8} if like_a_start else {}
        made = cls(saved.configuration.model_copy(update=forced), now)
        as_it_is = made.configuration.model_copy(update={"metric": Metric.EUCLIDEAN})
        for key, (vector, payload) in saved.records.items():
            made.records[key] = (keep(normalise_when_loaded(vector[None, :]), as_it_is)[0], trimmed(payload))
            made._list(key)
        return made

    def _list(self, key: str) -> None:
        self._order[self._next] = key
        self._places.setdefault(key, []).append(self._next)
        self._next += 1
        self.count += 1

    def _remove(self, key: str) -> None:
        if self.records.pop(key, None) is None:
            return
        for place in self._places.pop(key, []):
            del self._order[place]
        self.count -= 1


def trimmed(payload: str | None) -> str | None:
    """Payload text as the server gives it by id and keeps it after a restart: plain line ends, no blanks at ends."""

    def trim(value: object) -> object:
        match value:
            case str():
                return "\n".join(line.rstrip() for line in value.replace("\r\n", "\n").split("\n")).strip()
            case dict():
                return {key: trim(item) for key, item in value.items()}
            case list():
                return [trim(item) for item in value]
        return value

    return None if payload is None else canonical_json(trim(json.loads(payload)))


def keep(vectors: Floats, configuration: CollectionConfiguration) -> Floats:
    """What a reader gets back of what was written."""
    kept = normalise(vectors) if configuration.metric is Metric.COSINE else vectors.copy()
    if configuration.quantization is Quantization.SQ8:
        return quantise(kept)
    if configuration.quantization is Quantization.BINARY:
        middle = (kept.min(axis=1) + kept.max(axis=1)) / np.float32(2)
        return np.where(kept > middle[:, None], np.float32(1), np.float32(-1))
    return kept


def normalise(vectors: Floats) -> Floats:
    """Unit length; a vector without a finite length above zero stays as it is."""
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        usable = np.isfinite(lengths) & (lengths != 0)
        return vectors * np.where(usable, np.float32(1) / lengths, np.float32(1)).astype(np.float32)[:, None]


def normalise_when_loaded(vectors: Floats) -> Floats:
    """Unit length, but for what is within a millionth of it already."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.where((np.abs(lengths - 1) <= 1e-6)[:, None], vectors, normalise(vectors))


def quantise(vectors: Floats) -> Floats:
    """Through 8-bit codes and back, per vector, every step rounded to float32; the quantiser truncates."""
    low = np.fmin.reduce(vectors, axis=1)[:, None]
    high = np.fmax.reduce(vectors, axis=1)[:, None]
    with np.errstate(all="ignore"):
        spread = high - low
        scaled = np.nan_to_num(((vectors - low) / spread) * np.float32(255), nan=0.0, posinf=255.0, neginf=0.0)
        codes = np.where(spread > 0, np.clip(scaled, 0, 255), 0).astype(np.uint8)
        return (codes.astype(np.float32) / np.float32(255)) * spread + low
