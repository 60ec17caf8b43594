"""The catalog's index: what a catalog would read of every backup, in one object that anybody may delete.

It says nothing that manifests and records do not say, and of each only as long as the listing shows it unchanged.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from backup_engine import PRODUCT_VERSION
from backup_engine.archive.manifest import records_prefix, sidecar_key
from backup_engine.errors import (
    DamagedArchive,
    HostileArchive,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreDenied,
    StoreFull,
    StoreUnavailable,
)
from backup_engine.model import Document, Moment
from backup_engine.outline import Outline
from backup_engine.records import Record
from backup_engine.storage.contract import ListedObject, Store, read_bytes

INDEX_KEY = "index/catalog.json.gz"
INDEX_BYTES = 16 << 20
"""Largest index as stored; ten thousand backups with two records each have about one MiB."""
INDEX_DECODED_BYTES = 128 << 20
"""Largest index as JSON: what bounds the memory a damaged or forged one can take."""

_GZIP = 31  # zlib's word for: with a header as gzip writes it
_LEVEL = 1


class IndexedRecord(Document):
    """A record and what a listing showed of it.

    :param file: the last part of its key
    """

    file: str
    size: int
    modified_at: Moment
    record: Annotated[Record, Field(discriminator="kind")]


class IndexedBackup(Document):
    """A manifest in short, what a listing showed of it, and its records."""

    size: int
    modified_at: Moment
    outline: Outline
    records: tuple[IndexedRecord, ...] = ()


class CatalogIndex(Document):
    """The index as it is stored.

    :param product_version: of the release that wrote it: another one reads everything again and writes its own
    """

    format: Literal["vectorizer-backup-index"] = "vectorizer-backup-index"
    version: Literal[1] = 1
    product_version: str
    backups: tuple[IndexedBackup, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of manifests and records, by key, each with what the listing showed of it then."""

    outlines: Mapping[str, tuple[ListedObject, Outline]] = field(default_factory=dict)
    records: Mapping[str, tuple[ListedObject, Record]] = field(default_factory=dict)

    def outline_of(self, info: ListedObject) -> Outline | None:
        """Give the outline of a manifest that is unchanged; None: it has to be read."""
        known = self.outlines.get(info.key)
        return known[1] if known is not None and known[0] == info else None

    def record_of(self, info: ListedObject) -> Record | None:
        """Give a record that is unchanged; None: it has to be read."""
        known = self.records.get(info.key)
        return known[1] if known is not None and known[0] == info else None

    def __len__(self) -> int:
        """Objects that need not be read."""
        return len(self.outlines) + len(self.records)


def load_index(store: Store) -> Known:
    """Read the index; nothing is known where there is none, or one that cannot be used.

    :raises StoreUnavailable: the store does not answer
    """
    try:
        index = CatalogIndex.model_validate_json(_decoded(read_bytes(store, INDEX_KEY, limit=INDEX_BYTES)))
    except (ObjectNotFound, StoreDenied, HostileArchive, DamagedArchive, zlib.error, ValidationError):
        # Not there, not for us, damaged, forged, or of another release: manifests and records say the same.
        return Known()
    if index.product_version != PRODUCT_VERSION:
        return Known()
    return Known(
        outlines={key: (ListedObject(key, one.size, one.modified_at), one.outline) for key, one in _keyed(index)},
        records=dict(_records(index)),
    )


def write_index(store: Store, known: Known) -> None:
    """Write down what is known, in place of what is there."""
    data = _encoded(_index_of(known))
    if len(data) > INDEX_BYTES:
        return
    try:
        try:
            version = store.stat(INDEX_KEY).version
        except ObjectNotFound:
            store.create(INDEX_KEY, [data])
        else:
            store.replace(INDEX_KEY, data, version=version)
    except (ObjectExists, ObjectChanged):
        return  # another reader was faster, and its index is as good
    except (ObjectNotFound, StoreDenied, StoreFull, StoreUnavailable):
        return  # who may only read, or finds the index locked, has read everything and lacks nothing


def _decoded(data: bytes) -> bytes:
    reader = zlib.decompressobj(_GZIP)
    decoded = reader.decompress(data, INDEX_DECODED_BYTES)
    if not reader.eof:
        raise HostileArchive(f"{INDEX_KEY} has more than {INDEX_DECODED_BYTES:,} bytes, or ends too early")
    return decoded


def _encoded(index: CatalogIndex) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(index.model_dump_json().encode()) + packer.flush()


def _keyed(index: CatalogIndex) -> Iterator[tuple[str, IndexedBackup]]:
    return ((sidecar_key(one.outline.folder, one.outline.name), one) for one in index.backups)


def _records(index: CatalogIndex) -> Iterator[tuple[str, tuple[ListedObject, Record]]]:
    for backup in index.backups:
        prefix = records_prefix(backup.outline.folder, backup.outline.name)
        for one in backup.records:
            yield prefix + one.file, (ListedObject(prefix + one.file, one.size, one.modified_at), one.record)


def _index_of(known: Known) -> CatalogIndex:
    beside: dict[str, list[IndexedRecord]] = {}
    for key, (info, record) in known.records.items():
        prefix, _, file = key.rpartition("/")
        one = IndexedRecord(file=file, size=info.size, modified_at=info.modified_at, record=record)
        beside.setdefault(f"{prefix}/", []).append(one)
    return CatalogIndex(product_version=PRODUCT_VERSION, backups=tuple(_indexed(known.outlines.values(), beside)))


def _indexed(
    outlines: Iterable[tuple[ListedObject, Outline]], beside: Mapping[str, list[IndexedRecord]]
) -> Iterator[IndexedBackup]:
    for info, outline in outlines:
        records = beside.get(records_prefix(outline.folder, outline.name), ())
        yield IndexedBackup(size=info.size, modified_at=info.modified_at, outline=outline, records=tuple(records))
