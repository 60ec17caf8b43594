"""A server backup into a file or a store: all of it, counted, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic

from backup_engine.errors import InvalidInput, ObjectNotFound
from backup_engine.model import Document, Progress, ProgressEvent
from backup_engine.storage.contract import Store
from backup_engine.vectorizer.server_backups.file import SavedCollection, ServerBackup
from backup_engine.vectorizer.server_backups.routes import BackupRoutes


class SavedBackup(Document):
    """A server backup in a file.

    :param path: of the file, or the address of the object
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
    unfinished, passing = into.with_name(f".{into.name}.{os.getpid()}.part"), _Passing(backup_id, progress)
    try:
        with unfinished.open("xb") as writing:
            writing.writelines(passing.chunks(routes))
            os.fsync(writing.fileno())
        os.link(unfinished, into)
    finally:
        unfinished.unlink(missing_ok=True)
    return passing.saved(str(into))


def store_server_backup(
    routes: BackupRoutes, backup_id: str, store: Store, key: str, progress: Progress
) -> SavedBackup:
    """Do as ``BackupApi.save_to`` says."""
    try:
        store.stat(key)
    except ObjectNotFound:
        passing = _Passing(backup_id, progress)
        store.create(key, passing.chunks(routes))
        return passing.saved(f"{store.url}/{key}")
    raise InvalidInput(f"{store.url}/{key} is there already, and must be a new object")


class _Passing:
    """Gives a server backup's bytes as they come, counts what is in them, and tells how far it is."""

    def __init__(self, backup_id: str, progress: Progress) -> None:
        self._id = backup_id
        self._progress = progress
        self._heard: list[bytes] = []
        self._digest = sha256()
        self._bytes = 0
        self._started = monotonic()
        self._vectors = 0
        self._found: ServerBackup | None = None

    def chunks(self, routes: BackupRoutes) -> Iterator[bytes]:
        """Read all of it, some at a time; what was read is passed on before more is.

        :raises UnknownBackup: there is none
        """
        with routes.opened(self._id, self._heard.append) as file:
            for saved in file.collections():
                yield from self._pass(saved)
            self._found = file.summary()
        yield from self._taken()

    def saved(self, path: str) -> SavedBackup:
        """Say what it was, once all of it has passed."""
        if self._found is None:
            raise AssertionError("it was never read to its end")
        return SavedBackup(
            id=self._found.id,
            name=self._found.name,
            path=path,
            bytes=self._bytes,
            sha256=self._digest.hexdigest(),
            vectors=self._found.vectors or {},
        )

    def _pass(self, saved: SavedCollection) -> Iterator[bytes]:
        for records in saved.passing():
            self._vectors += records
            yield from self._taken()

    def _taken(self) -> Iterator[bytes]:
        heard = self._heard[:]
        self._heard.clear()
        for chunk in heard:
            self._digest.update(chunk)
            self._bytes += len(chunk)
            yield chunk
        event = ProgressEvent(
            step="download",
            subject=self._id,
            done=self._vectors,
            total=None,
            bytes=self._bytes,
            seconds=monotonic() - self._started,
        )
        self._progress(event)
