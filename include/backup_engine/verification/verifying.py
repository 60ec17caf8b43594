"""Verify one backup, at one level, and keep the result beside it."""

from __future__ import annotations

import socket
from pathlib import Path

from backup_engine.archive.entries import MEMBER_START, claimed_entry
from backup_engine.archive.manifest import Content, Folder, Manifest, Sidecar, StoredEntry, archive_key, sidecar_key
from backup_engine.archive.reading import ArchiveReader, StoredObject, load_sidecar
from backup_engine.archive.sources import ByteSource, read_range
from backup_engine.errors import DamagedArchive, ObjectNotFound, UnknownBackup
from backup_engine.model import Clock, Progress, silent
from backup_engine.records import Verification, VerificationLevel, write_record
from backup_engine.storage.contract import Store
from backup_engine.verification.bases import Bases
from backup_engine.verification.check import Check
from backup_engine.verification.contents import verify_contents
from backup_engine.verification.report import VerificationReport


def verify_backup(
    store: Store,
    folder: Folder,
    name: str,
    level: VerificationLevel,
    clock: Clock,
    *,
    token: str,
    progress: Progress = silent,
    temporary: Path | None = None,
) -> VerificationReport:
    """Verify one backup and keep the result as a record beside it, a failure too. A bad backup raises nothing.

    :param token: tells this attempt's record from others of the same second
    :param temporary: where digests are spilled (32 bytes a record); None for the system's place
    :raises UnknownBackup: there is no manifest under this name, so no backup
    """
    _require_manifest(store, folder, name)
    check = Check(store, folder, name, clock, progress, temporary)
    with check.noting():
        _verify(check, level)
    report = check.report(level)
    write_record(store, folder, name, _record(report, token))
    return report


def _verify(check: Check, level: VerificationLevel) -> None:
    sidecar = load_sidecar(check.store, check.folder, check.name)
    source = StoredObject(check.store, archive_key(check.folder, check.name))
    reader = ArchiveReader(source, sidecar, temporary=check.temporary)
    with check.noting():
        reader.check_frame()
    check.collections = len(sidecar.manifest.clear.collections)
    if level is VerificationLevel.FULL:
        verify_contents(check, reader)
    else:
        _verify_listing(check, source, sidecar)
        _verify_bases(check, sidecar.manifest)
    held = check.vectors if level is VerificationLevel.FULL else sidecar.manifest.clear.vectors
    if not (held or check.problems or sidecar.manifest.clear.allowed_empty):
        check.blame("there is no vector in it, and nobody said that an empty backup is fine: nothing was compared")


def _verify_listing(check: Check, source: ByteSource, sidecar: Sidecar) -> None:
    """Read the start of every member: each is the tar entry that the manifest says, where it says."""
    names = {item.key: item.name for item in sidecar.manifest.private.collections}
    listed = {
        entry.name: (entry.bytes, names[one.key]) for one in sidecar.manifest.clear.collections for entry in one.entries
    }
    for stored in sidecar.archive.entries:
        size, owner = listed.get(stored.name, (None, None))
        with check.noting(collection=owner, entry=stored.name):
            _verify_member(check, source, stored, size)


def _verify_bases(check: Check, manifest: Manifest) -> None:
    """Read the manifests of what it hangs on: all of it is there, and is what was meant."""
    bases = Bases(check.store, manifest.clear, check.temporary)
    for summary, private in manifest.each():
        if summary.content is not Content.WHOLE:
            with check.noting(collection=private.name):
                bases.check(summary)


def _verify_member(check: Check, source: ByteSource, stored: StoredEntry, size: int | None) -> None:
    start = read_range(source, stored.offset, MEMBER_START)
    check.entries += 1
    check.bytes += len(start)
    name, content = claimed_entry(start, source.name)
    if name != stored.name or size not in {None, content}:
        raise DamagedArchive(f"the archive has {name!r} of {content:,} bytes there")


def _require_manifest(store: Store, folder: Folder, name: str) -> None:
    """Tell a backup whose manifest is bad from no backup at all."""
    try:
        store.stat(sidecar_key(folder, name))
    except ObjectNotFound as error:
        raise UnknownBackup(f"{store.url} has no backup {folder.value}/{name}: no manifest has that name") from error


def _record(report: VerificationReport, token: str) -> Verification:
    return Verification(
        at=report.at,
        token=token,
        level=report.level,
        passed=report.passed,
        entries=report.entries,
        vectors=report.vectors,
        bytes=report.bytes,
        seconds=report.seconds,
        problems=tuple(map(str, report.problems)),
        host=socket.gethostname(),
    )
