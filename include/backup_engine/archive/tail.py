"""The last entries of an archive, and the sidecar beside it: what turns joined fragments into a backup."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine.archive.canonical import canonical_json
from backup_engine.archive.entries import END, Sealed, seal
from backup_engine.archive.limits import MANIFEST_NAME, README_NAME, check_sidecar
from backup_engine.archive.manifest import ArchiveFacts, Manifest, Sidecar, StoredEntry
from backup_engine.model import Document

README = """\
A backup of a Vectorizer server, made by vectorizer-backup, format version 1.
It needs no special software: this is a plain .tar.gz of JSON and Parquet files.

manifest.json                    what was captured, when, from where; the SHA-256 of every other file but this one
collections/<key>-<name>/
  config.json                    the collection's real name and configuration
  part-00000.parquet ...         the records: id, payload (JSON text; null = none), and the vector: either as
                                 vector (floats), or as codes (a byte per component), lo and hi, which stand for
                                 (code / 255) * (hi - lo) + lo, calculated in 32-bit floats
  deleted.parquet                in an incremental, whose parts hold what changed: ids of the records that are gone
  digests.parquet                a hash of every id and of every record, to compare two backups without reading them

An incremental needs others: manifest.json names, as "base" of each collection, the backup that holds the rest.

DuckDB: SELECT * FROM read_parquet('collections/*/part-*.parquet', union_by_name = true);
Restore: vectorizer-backup restore --archive FILE --server URL
The whole format: docs/format.md of vectorizer-backup.
"""


def document_bytes(document: Document) -> bytes:
    """Write a document as canonical JSON, the form of manifest.json and of the sidecar."""
    return canonical_json(document.model_dump(mode="json")).encode("utf-8")


def archive_tail(manifest: Manifest) -> bytes:
    """Give what follows the fragments: README.txt, manifest.json, the end of the archive."""
    return b"".join([*(sealed.stored for sealed in _last_entries(manifest)), END])


def sidecar(manifest: Manifest, fragments: Sequence[Sequence[StoredEntry]]) -> tuple[Sidecar, bytes]:
    """Describe the archive made of these fragments and the tail; give the tail too.

    :param fragments: the stored entries of each fragment, in the order in which they are joined; their offsets count
        from the start of the fragment
    :raises HostileArchive: it would exceed what a reader accepts, or the fragments are not those of the manifest
    """
    entries: list[StoredEntry] = []
    position = 0
    for fragment in fragments:
        for entry in fragment:
            entries.append(entry.model_copy(update={"offset": position}))
            position += entry.bytes
    for sealed in _last_entries(manifest):
        size = len(sealed.stored)
        entries.append(StoredEntry(name=sealed.entry.name, offset=position, bytes=size, sha256=sealed.stored_sha256))
        position += size
    facts = ArchiveFacts(bytes=position + len(END), entries=tuple(entries))
    result = Sidecar(manifest=manifest, archive=facts)
    check_sidecar(result, facts.bytes, manifest.clear.name)
    return result, archive_tail(manifest)


def _last_entries(manifest: Manifest) -> tuple[Sealed, Sealed]:
    at = manifest.clear.captured_at
    return seal(README_NAME, README.encode("ascii"), at), seal(MANIFEST_NAME, document_bytes(manifest), at)
