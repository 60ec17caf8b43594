"""The catalog's index: what a catalog would read of every backup, in one object that anybody may delete.

It says nothing that manifests and records do not say, and of each only as long as the listing shows it unchanged.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from pydantic import Field, ValidationError

from backup_engine import PRODUCT_VERSION
from backup_engine.archive.manifest import Folder, archive_key, records_prefix, sidecar_key
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


class CatalogIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The index as it is stored, each backup of it still as text: to read those takes nearly all of the time.

    :param product_version: of the release that wrote it: another one reads everything again and writes its own
    :param backups: an ``IndexedBackup`` each
    """

    product_version: str
    backups: tuple[msgspec.Raw, ...]
    format: Literal["vectorizer-backup-index"] = "vectorizer-backup-index"
    version: Literal[1] = 1

    def expected(self) -> list[str]:
        """Tell which keys are probably there, sorted: in a tenth of the time that ``known`` takes."""
        try:
            return sorted(key for one in self.backups for key in _NAMES.decode(one).objects())
        except msgspec.MsgspecError:  # forged or damaged
            return []

    def known(self) -> Known:
        """Read what it says; nothing is known where any of it is forged or damaged."""
        try:
            backups = [IndexedBackup.model_validate_json(bytes(one)) for one in self.backups]
        except ValidationError:
            return Known()
        keyed = ((sidecar_key(one.outline.folder, one.outline.name), one) for one in backups)
        return Known(
            outlines={key: (ListedObject(key, one.size, one.modified_at), one.outline) for key, one in keyed},
            records=dict(_records(backups)),
        )


class _Named(msgspec.Struct):
    folder: Folder
    name: str


class _Filed(msgspec.Struct):
    file: str


class _Names(msgspec.Struct):
    """Of an ``IndexedBackup`` what makes keys."""

    outline: _Named
    records: tuple[_Filed, ...]

    def objects(self) -> tuple[str, ...]:
        folder, name = self.outline.folder, self.outline.name
        prefix = records_prefix(folder, name)
        return (archive_key(folder, name), sidecar_key(folder, name), *(prefix + one.file for one in self.records))


_INDEX, _NAMES = msgspec.json.Decoder(CatalogIndex), msgspec.json.Decoder(_Names)
_NOTHING = CatalogIndex(product_version=PRODUCT_VERSION, backups=())


def load_index(store: Store) -> CatalogIndex:
    """Read the index; an empty one where there is none, or one that cannot be used.

    :raises StoreUnavailable: the store does not answer
    """
    try:
        index = _INDEX.decode(_decoded(read_bytes(store, INDEX_KEY, limit=INDEX_BYTES)))
    except (ObjectNotFound, StoreDenied, HostileArchive, DamagedArchive, zlib.error, msgspec.MsgspecError):
        # Not there, not for us, damaged, forged, or of another release: manifests and records say the same.
        return _NOTHING
    return index if index.product_version == PRODUCT_VERSION else _NOTHING


def write_index(store: Store, known: Known) -> None:
    """Write down what is known, in place of what is there."""
    data = _encoded(CatalogIndex(product_version=PRODUCT_VERSION, backups=tuple(_indexed(known))))
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
    return packer.compress(msgspec.json.encode(index)) + packer.flush()


def _records(backups: Iterable[IndexedBackup]) -> Iterator[tuple[str, tuple[ListedObject, Record]]]:
    for backup in backups:
        prefix = records_prefix(backup.outline.folder, backup.outline.name)
        for one in backup.records:
            yield prefix + one.file, (ListedObject(prefix + one.file, one.size, one.modified_at), one.record)


def _indexed(known: Known) -> Iterator[msgspec.Raw]:
    beside: dict[str, list[IndexedRecord]] = {}
    for key, (info, record) in known.records.items():
        prefix, _, file = key.rpartition("/")
        one = IndexedRecord(file=file, size=info.size, modified_at=info.modified_at, record=record)
        beside.setdefault(f"{prefix}/", []).append(one)
    for info, outline in known.outlines.values():
        records = beside.get(records_prefix(outline.folder, outline.name), ())
        backup = IndexedBackup(size=info.size, modified_at=info.modified_at, outline=outline, records=tuple(records))
        yield msgspec.Raw(backup.model_dump_json().encode())
