"""A backup in another place: copied archive first, manifest last, and compared by content on both ends."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from backup_engine.archive.documents import SIDECAR_BYTES
from backup_engine.archive.manifest import ArchiveFacts, Folder, archive_key, records_prefix, sidecar_key
from backup_engine.archive.reading import load_sidecar
from backup_engine.errors import DamagedArchive, InvalidInput, ObjectExists, ObjectNotFound
from backup_engine.model import Document
from backup_engine.names import pointer_key, reservation_key
from backup_engine.records import TRAVELLING_KINDS, UnreadableRecord, read_records, record_key
from backup_engine.storage.contract import Store, read_bytes


class CopyReport(Document):
    """What a copy came to.

    :param copied: bytes written; 0 when the backup was there already
    """

    name: str
    bytes: int
    copied: int


def checked(chunks: Iterable[bytes], facts: ArchiveFacts, where: str) -> Iterator[bytes]:
    """Pass an archive's bytes on as long as every entry is what the sidecar says.

    :param where: the archive, for messages
    :raises DamagedArchive: at the end of the first entry that differs, or when the length does
    """
    bounds = iter(facts.entries)
    entry, hasher, left, seen = next(bounds, None), sha256(), 0, 0
    left = entry.bytes if entry else 0
    for chunk in chunks:
        view = memoryview(chunk)
        seen += len(chunk)
        while entry is not None and len(view) >= left:
            hasher.update(view[:left])
            if hasher.hexdigest() != entry.sha256:
                raise DamagedArchive(f"{where}: {entry.name} is not what was stored; verify the backup, or use a copy")
            view = view[left:]
            entry, hasher = next(bounds, None), sha256()
            left = entry.bytes if entry else 0
        if entry is not None:
            hasher.update(view)
            left -= len(view)
        yield chunk
    if entry is not None or seen != facts.bytes:
        raise DamagedArchive(f"{where}: {facts.bytes:,} bytes were expected, {seen:,} found")


def copy_backup(folder: Folder, name: str, source: Store, target: Store) -> CopyReport:
    """Copy one backup; running it again finishes what was interrupted.

    :raises DamagedArchive: the source is not what its manifest says, or the target does not give back what was written
    :raises ObjectExists: the target holds another backup under this name
    """
    sidecar = load_sidecar(source, folder, name)
    if _same_sidecar(folder, name, source, target):
        return CopyReport(name=name, bytes=sidecar.archive.bytes, copied=0)
    _copy_small(source, target, reservation_key(name))
    _copy_small(source, target, pointer_key(sidecar.manifest.clear.run_key))
    key, where = archive_key(folder, name), f"{target.url}/{archive_key(folder, name)}"
    _clear_unfinished(target, key, sidecar.archive)
    if not _exists(target, key):
        target.create(key, checked(source.read(key), sidecar.archive, f"{source.url}/{key}"))
    for _ in checked(target.read(key), sidecar.archive, where):
        pass
    _copy_small(source, target, sidecar_key(folder, name))
    for record in read_records(source, folder, name):
        if not isinstance(record, UnreadableRecord) and record.kind in TRAVELLING_KINDS:
            _copy_small(source, target, record_key(records_prefix(folder, name), record))
    return CopyReport(name=name, bytes=sidecar.archive.bytes, copied=sidecar.archive.bytes)


def download_backup(folder: Folder, name: str, source: Store, file: Path) -> CopyReport:
    """Write a backup's archive to a new file, which appears when all of it is there and right.

    :raises InvalidInput: the file exists, or its directory does not
    :raises DamagedArchive: the archive is not what its manifest says
    """
    if file.exists() or not file.parent.is_dir():
        raise InvalidInput(f"{file} must be a new file in a directory that exists")
    facts = load_sidecar(source, folder, name).archive
    key, unfinished = archive_key(folder, name), file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with unfinished.open("xb") as writing:
            writing.writelines(checked(source.read(key), facts, f"{source.url}/{key}"))
            os.fsync(writing.fileno())
        os.link(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return CopyReport(name=name, bytes=facts.bytes, copied=facts.bytes)


def _same_sidecar(folder: Folder, name: str, source: Store, target: Store) -> bool:
    key = sidecar_key(folder, name)
    if not _exists(target, key):
        return False
    if read_bytes(source, key, limit=SIDECAR_BYTES) != read_bytes(target, key, limit=SIDECAR_BYTES):
        raise ObjectExists(f"{target.url}/{key} is another backup than {source.url}/{key}; copy to a root of its own")
    return True


def _clear_unfinished(target: Store, key: str, facts: ArchiveFacts) -> None:
    """Delete an archive of another length: without its manifest it is left over from a copy that died."""
    if _exists(target, key) and target.stat(key).size != facts.bytes:
        target.delete([key])


def _copy_small(source: Store, target: Store, key: str) -> None:
    if _exists(source, key) and not _exists(target, key):
        target.create(key, source.read(key))


def _exists(store: Store, key: str) -> bool:
    try:
        store.stat(key)
    except ObjectNotFound:
        return False
    return True
