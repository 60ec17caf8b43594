"""Archives for tests: made by the product's own writer, and then, where a test is about that, tampered with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.archive.collection import CollectionWriter, WrittenCollection
from backup_engine.archive.entries import END, seal
from backup_engine.archive.manifest import (
    ArchiveFacts,
    BackupKind,
    BackupState,
    Clear,
    CollectionSummary,
    Folder,
    Manifest,
    Private,
    PrivateCollection,
    ServerVersion,
    Sidecar,
    Standing,
    StoredEntry,
)
from backup_engine.archive.reading import ArchiveReader
from backup_engine.archive.tail import sidecar
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Given:
    """A collection to put into an archive."""

    name: str
    batches: Sequence[pa.RecordBatch]
    dimension: int
    metric: Metric = Metric.EUCLIDEAN
    quantization: Quantization = Quantization.NONE

    @property
    def configuration(self) -> CollectionConfiguration:
        return CollectionConfiguration(
            dimension=self.dimension, metric=self.metric, quantization=self.quantization, hnsw=Hnsw(m=16)
        )


@dataclass(frozen=True)
class Built:
    """An archive in memory and its sidecar."""

    data: bytes
    sidecar: Sidecar

    def source(self, name: str = "backup-20261122.tar.gz") -> BytesSource:
        return BytesSource(self.data, name)

    def reader(self) -> ArchiveReader:
        return ArchiveReader(self.source(), self.sidecar)

    def with_data(self, data: bytes) -> Built:
        return replace(self, data=data)

    def place(self, name: str) -> StoredEntry:
        return next(entry for entry in self.sidecar.archive.entries if entry.name == name)

    def save(self, folder: Path) -> Path:
        path = folder / "backup-20261122.tar.gz"
        path.write_bytes(self.data)
        return path


@dataclass
class BytesSource:
    """A byte source in memory that remembers what was read of it."""

    data: bytes
    name: str = "backup-20261122.tar.gz"
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        self.reads.append((offset, length))
        wanted = self.data[offset : offset + length]
        return (wanted[start : start + 1000] for start in range(0, len(wanted), 1000))


def server_quantise(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The server's quantiser, in float32 and truncating: (codes, lo, hi)."""
    lo, hi = vectors.min(axis=1), vectors.max(axis=1)
    spread = hi - lo
    scaled = (vectors - lo[:, None]) / np.where(spread > 0, spread, 1).astype(np.float32)[:, None] * np.float32(255)
    return np.where(spread[:, None] > 0, np.trunc(scaled), 0).astype(np.uint8), lo, hi


def server_dequantise(codes: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """What the server shows, in float32."""
    return codes.astype(np.float32) / np.float32(255) * (hi - lo)[:, None] + lo[:, None]


def shown_by_sq8(vectors: np.ndarray) -> np.ndarray:
    return server_dequantise(*server_quantise(np.asarray(vectors, np.float32)))


def write_collection(given: Given, key: str = "c0001") -> tuple[bytes, WrittenCollection]:
    writer = CollectionWriter(key, given.name, given.configuration, NOON)
    data = b"".join(writer.fragments(given.batches))
    return data, writer.written


def build(*collections: Given, **changes: object) -> Built:
    """A whole archive of these collections."""
    written = [write_collection(given, f"c{number:04d}") for number, given in enumerate(collections, 1)]
    manifest = manifest_of(collections, [fragment[1] for fragment in written])
    if changes:
        manifest = manifest.model_copy(update={"clear": manifest.clear.model_copy(update=changes)})
    facts, tail = sidecar(manifest, [fragment[1].stored for fragment in written])
    return Built(b"".join([*(fragment[0] for fragment in written), tail]), facts)


def manifest_of(collections: Sequence[Given], written: Sequence[WrittenCollection]) -> Manifest:
    return Manifest(
        clear=Clear(
            name="backup-20261122",
            folder=Folder.DAILY,
            kind=BackupKind.FULL,
            state=BackupState.GOOD,
            deployment="test",
            store_id="5f1e6a0c",
            run_key="0123456789abcdef",
            whole_scope=True,
            started_at=NOON - timedelta(minutes=1),
            captured_at=NOON,
            product_version="0.1.0",
            server=ServerVersion(version="3.5.0", started_at=NOON - timedelta(days=3)),
            collections=tuple(summary_of(given, done) for given, done in zip(collections, written, strict=True)),
        ),
        private=Private(
            label=None,
            server_url="http://localhost:15002",
            collections=tuple(
                PrivateCollection(
                    key=done.key,
                    name=given.name,
                    configuration=given.configuration,
                    irregular=done.irregular,
                    irregular_count=done.irregular_count,
                )
                for given, done in zip(collections, written, strict=True)
            ),
        ),
    )


def summary_of(given: Given, done: WrittenCollection) -> CollectionSummary:
    return CollectionSummary(
        key=done.key,
        standing=Standing.WHOLE,
        vectors=done.vectors,
        counted=done.vectors,
        dimension=given.dimension,
        created_at="2026-11-01T00:00:00Z",
        updated_at="2026-11-22T11:00:00Z",
        configuration_sha256=done.configuration_sha256,
        state_digest=done.state_digest,
        coded_parts=done.coded_parts,
        entries=done.entries,
    )


def rebuild(built: Built, contents: Mapping[str, bytes]) -> Built:
    """The same archive with other contents under some of its names, and manifest and sidecar made to agree: what
    somebody makes who knows the format and means harm."""
    clear = built.sidecar.manifest.clear
    reader = built.reader()
    data, collections, fragments = [], [], []
    for collection in clear.collections:
        sealed = [seal(e.name, contents.get(e.name, reader.entry(e.name)), NOON) for e in collection.entries]
        data += [item.stored for item in sealed]
        fragments.append([
            StoredEntry(name=item.entry.name, offset=0, bytes=len(item.stored), sha256=item.stored_sha256)
            for item in sealed
        ])
        collections.append(collection.model_copy(update={"entries": tuple(item.entry for item in sealed)}))
    manifest = built.sidecar.manifest.model_copy(
        update={"clear": clear.model_copy(update={"collections": tuple(collections)})}
    )
    facts, tail = sidecar(manifest, fragments)
    return Built(b"".join([*data, tail]), facts)


def assemble(members: Sequence[tuple[str, bytes]], manifest: Manifest) -> Built:
    """An archive of any members, whatever the manifest says."""
    data, entries = b"", []
    for name, content in members:
        sealed = seal(name, content, NOON)
        entries.append(StoredEntry(name=name, offset=len(data), bytes=len(sealed.stored), sha256=sealed.stored_sha256))
        data += sealed.stored
    data += END
    return Built(data, Sidecar(manifest=manifest, archive=ArchiveFacts(bytes=len(data), entries=tuple(entries))))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def two_collections() -> tuple[Given, Given]:
    """One of floats with every kind of payload, one of codes."""
    random = np.random.default_rng(7)
    floats = random.standard_normal((5, 4)).astype(np.float32)
    floats[3] = [np.nan, -0.0, 1e-40, 3e38]
    payloads = [None, "{}", '{"big":123456789012345678901234567890,"t":"é"}', '["a",1.5]', "-0.0"]
    coded = shown_by_sq8(random.standard_normal((7, 8)))
    return (
        Given("Docs & Notes/2026", [make_batch(["a", "b", "ü", "d" * 300, ""], floats, payloads)], 4),
        Given("codes", [make_batch([f"k{i}" for i in range(7)], coded, [f'{{"n":{i}}}' for i in range(7)])], 8),
    )
