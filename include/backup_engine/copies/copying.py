"""A backup in another place: archive first, manifest last, compared by content there, and then written down here."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from backup_engine import wording
from backup_engine.archive.manifest import Folder, archive_key, sidecar_key
from backup_engine.archive.reading import load_sidecar
from backup_engine.backup import Backup
from backup_engine.chain import Backups, all_bases
from backup_engine.copies.passage import Passage, begin_passage
from backup_engine.copies.passing import checked
from backup_engine.errors import DamagedArchive, InvalidInput, ObjectExists, ObjectNotFound
from backup_engine.model import Clock, Document, Progress, silent
from backup_engine.records import (
    TRAVELLING_KINDS,
    Copied,
    UnreadableRecord,
    Verification,
    VerificationLevel,
    Withdrawal,
    read_records,
    write_record,
)
from backup_engine.storage.address import parse_address
from backup_engine.storage.capacity import check_room
from backup_engine.storage.contract import Store

_TRIES = 3  # an archive without its manifest may be anything; what replaces it may break once more


class CopyReport(Document):
    """What a copy came to.

    :param bytes: of the archive
    :param copied: bytes written; 0 when the archive was there already
    :param compared: bytes read again and found right where they were written; 0 when that had been done before
    """

    name: str
    bytes: int
    copied: int
    compared: int = 0


def copy_backup(
    folder: Folder,
    name: str,
    source: Store,
    target: Store,
    *,
    clock: Clock,
    token: str,
    to: str,
    progress: Progress = silent,
) -> CopyReport:
    """Copy one backup. Running it again finishes what was interrupted, and several at once come to the same.

    The target is read again, whole, before its manifest is written, so at every instant it has the backup or has it
    not. The source is given a record of it and is not changed otherwise.

    :param token: tells this attempt's record from others of the same second
    :param to: the target's address; connection and options are not written down
    :raises DamagedArchive: the source is not what its manifest says, or the target does not give back what was written
    :raises ObjectExists: the target holds another backup under this name, or another run is about to make one
    :raises InvalidInput: both are the same store, or stores of different deployments; or the source is about to delete
        the backup
    :raises ObjectNotFound: the source has no such backup (any more)
    """
    address = parse_address(to).url
    passage = begin_passage(folder, name, source, target, clock, token, progress)
    _check_not_withdrawn(passage)
    known = passage.recorded()
    copied, compared = _bring(passage, known=known)
    _bring_records(passage)
    if compared:
        _vouch(passage)
    if compared or not known:
        size = passage.facts.bytes
        record = Copied(at=clock(), token=token, to=address, store_id=passage.target_id, bytes=size)
        with suppress(ObjectExists):  # this very attempt wrote it, and did not hear so
            write_record(source, folder, name, record)
    return CopyReport(name=name, bytes=passage.facts.bytes, copied=copied, compared=compared)


def _check_not_withdrawn(passage: Passage) -> None:
    read = read_records(passage.source, passage.folder, passage.name)
    withdrawal = next((record for record in read if isinstance(record, Withdrawal)), None)
    if withdrawal is not None:
        raise InvalidInput(
            f"{passage.name} is about to be deleted from {passage.source.url} since "
            f"{wording.moment(withdrawal.at)} ({withdrawal.reason}); nothing was copied. The next pruning deletes "
            "it or takes that back"
        )


def missing_bases(backup: Backup, backups: Backups, target: Store) -> tuple[Backup, ...]:
    """Give what a backup hangs on and the target does not hold, the oldest first: without it the copy restores nothing.

    :param backups: those of the source, by name
    """
    return tuple(base for base in all_bases(backup, backups) if not _holds(target, base))


def _holds(store: Store, backup: Backup) -> bool:
    try:
        store.stat(sidecar_key(backup.folder, backup.name))
    except ObjectNotFound:
        return False
    return True


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


def _bring(passage: Passage, *, known: bool) -> tuple[int, int]:
    """Give the bytes that were written and those that were compared."""
    if passage.arrived():
        passage.check_size()
        return 0, 0 if known else passage.compare()
    passage.reserve()
    copied, compared = _bring_archive(passage)
    passage.write_manifest()
    return copied, compared


def _bring_archive(passage: Passage) -> tuple[int, int]:
    """Have the archive there and right. One that lies there without its manifest may be of a copy that died."""
    copied = 0
    for tries_left in reversed(range(_TRIES)):
        found = passage.found()
        if found is not None and found.size != passage.facts.bytes:
            passage.clear(found)
            found = None
        if found is None:
            copied += _send(passage)
            found = passage.found()
        try:
            return copied, passage.compare()
        except (DamagedArchive, ObjectNotFound):
            if not tries_left:
                raise
            if found is not None:
                passage.clear(found)
    raise AssertionError("unreachable: the last try returns or raises")


def _send(passage: Passage) -> int:
    check_room(passage.target, passage.facts.bytes)
    try:
        passage.target.create(passage.archive, passage.read_source("copy"))
    except ObjectExists:  # another worker at the same copy was faster
        return 0
    return passage.facts.bytes


def _vouch(passage: Passage) -> None:
    """Let the source's full verification count at the target too: the very bytes it is about were just read there.

    So `latest-verified` finds the backup where the primary is gone, without decoding it once more in every copy.
    """
    read = read_records(passage.source, passage.folder, passage.name)
    looked = [record for record in read if isinstance(record, Verification)]
    full = [one for one in looked if one.passed and one.level is VerificationLevel.FULL]
    if not full or not looked[-1].passed:
        return
    token = f"{passage.token}-copied"  # a repair verifies once more, within the same second
    seen = {"at": passage.clock(), "token": token, "bytes": passage.facts.bytes, "host": socket.gethostname()}
    with suppress(ObjectExists):  # this very attempt wrote it, and did not hear so
        write_record(passage.target, passage.folder, passage.name, full[-1].model_copy(update=seen))


def _bring_records(passage: Passage) -> None:
    """Bring what is about the content: what people said of the backup."""
    for record in read_records(passage.source, passage.folder, passage.name):
        if not isinstance(record, UnreadableRecord) and record.kind in TRAVELLING_KINDS:
            with suppress(ObjectExists):  # it is there already; records never change
                write_record(passage.target, passage.folder, passage.name, record)
