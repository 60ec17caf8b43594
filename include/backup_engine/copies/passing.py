"""Bytes of an archive on their way: checked against what its manifest says, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from backup_engine.archive.manifest import ArchiveFacts
from backup_engine.errors import DamagedArchive
from backup_engine.model import Clock, Progress, ProgressEvent


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


def metered(
    chunks: Iterable[bytes], step: str, subject: str, total: int, clock: Clock, progress: Progress
) -> Iterator[bytes]:
    """Pass bytes on and tell how many have passed; ``done`` and ``total`` of these events are bytes.

    :param step: one of ``wording.BYTE_STEPS``
    """
    began, done = clock(), 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        seconds = max(0.0, (clock() - began).total_seconds())
        progress(ProgressEvent(step=step, subject=subject, done=done, total=total, bytes=done, seconds=seconds))
