"""A server backup into a file: all of it, counted, or no file."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from backup_engine.errors import InvalidInput
from backup_engine.model import Document, Progress, ProgressEvent
from backup_engine.vectorizer.server_backups.file import BackupFile, SavedCollection, ServerBackup
from backup_engine.vectorizer.server_backups.routes import BackupRoutes


class SavedBackup(Document):
    """A server backup in a file.

    :param sha256: of the file
    :param vectors: counted in it, by collection
    """

    id: str
    name: str
    path: str
    bytes: int
    sha256: str
    vectors: dict[str, int]


def save_server_backup(routes: BackupRoutes, backup_id: str, into: Path, progress: Progress) -> SavedBackup:
    """Do as ``BackupApi.save`` says."""
    if into.exists() or not into.parent.is_dir():
        raise InvalidInput(f"{into} must be a new file in a directory that exists")
    unfinished = into.with_name(f".{into.name}.{os.getpid()}.part")
    try:
        with unfinished.open("xb") as writing:
            keeper = _Keeper(writing, backup_id, progress)
            with routes.opened(backup_id, keeper.keep) as file:
                found = keeper.follow(file)
            os.fsync(writing.fileno())
        os.link(unfinished, into)
    finally:
        unfinished.unlink(missing_ok=True)
    return SavedBackup(
        id=found.id,
        name=found.name,
        path=str(into),
        bytes=keeper.bytes,
        sha256=keeper.digest.hexdigest(),
        vectors=found.vectors or {},
    )


class _Keeper:
    """Writes what passes by, and tells how far it is."""

    def __init__(self, writing: BinaryIO, subject: str, progress: Progress) -> None:
        self.digest = sha256()
        self.bytes = 0
        self._writing = writing
        self._subject = subject
        self._progress = progress
        self._started = monotonic()
        self._done = 0
        self._current: SavedCollection | None = None

    def keep(self, chunk: bytes) -> None:
        """Write some of it."""
        self.digest.update(chunk)
        self._writing.write(chunk)
        self.bytes += len(chunk)
        vectors = self._done + (self._current.vectors if self._current else 0)
        seconds = monotonic() - self._started
        self._progress(
            ProgressEvent(
                step="download", subject=self._subject, done=vectors, total=None, bytes=self.bytes, seconds=seconds
            )
        )

    def follow(self, file: BackupFile) -> ServerBackup:
        """Have all of it read."""
        for saved in file.collections():
            self._current = saved
            saved.finish()
            self._done, self._current = self._done + saved.vectors, None
        return file.summary()
