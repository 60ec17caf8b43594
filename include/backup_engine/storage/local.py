"""A store in a directory: of this machine, or of a share that every worker mounts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EEXIST
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from backup_engine.errors import (
    DamagedArchive,
    InvalidInput,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreDenied,
    StoreUnavailable,
)
from backup_engine.model import Clock, system_clock
from backup_engine.storage import folders
from backup_engine.storage.contract import (
    READ_CHUNK,
    ListedObject,
    ObjectInfo,
    checked_key,
    checked_prefix,
    checked_range,
)
from backup_engine.storage.drafts import DESK, Draft, locked, sweep
from backup_engine.storage.refusals import told

_PUBLISHING_ATTEMPTS = 100
_MILLISECOND = 1_000_000  # in nanoseconds
_OBJECT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a FIFO must not hold us


class LocalStore:
    """Objects as plain files below one root.

    * Every write goes to a draft in the root's ``~writing`` folder, which no key can name, then to disk, then to its
      name by a hard link, which fails when the name is taken. Where a file system has no hard links (FAT, some
      network shares) a lock, a look and a rename do the same among this product's writers.
    * ``replace`` and ``delete`` hold an advisory lock (``flock``) in the same folder.
    * A version is inode, size and time of the file; the time is the clock's to the millisecond and random below it.
    * Files are 0660 and folders 0770 less the umask. Workers that run as different users need a common group, the
      root with its set-group-id bit, and the umask 007.
    * Symbolic links inside the root are refused wherever they are met; the root itself may be one.
    * A key cannot be a folder of others too: ``ObjectExists``.

    Safe to use from several threads and processes.

    :param root: an absolute path; never made, except by ``create_root``
    """

    def __init__(self, root: Path, clock: Clock = system_clock) -> None:
        if not root.is_absolute():
            raise InvalidInput(f"{str(root)!r} is not an absolute path; a store's root must not depend on where one is")
        self._root = root
        self._clock = clock
        self._swept = False

    @property
    def url(self) -> str:
        """The root as a ``file://`` URL."""
        return self._root.as_uri()

    def create_root(self) -> None:
        """Make the root directory where it is missing; for ``init_store``, and nothing else."""
        with told(self._root, ""):
            folders.make_root(self._root)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Walk the folders below the prefix; each one is listed as it is when the walk comes to it."""
        steps = checked_prefix(prefix).split("/")[:-1]
        return self._walk(steps, self._items(steps))

    def stat(self, key: str) -> ObjectInfo:
        """Describe the file."""
        steps, name = _split(key)
        with told(self._root, key), folders.opened(self._root, steps) as folder:
            return _info(key, folders.status(folder, name, self._root / key))

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a range of the file that has the name now, also when another takes its place meanwhile."""
        file = self._open(key)
        try:
            size = os.fstat(file.fileno()).st_size
            start, end = checked_range(f"{self.url}/{key}", size, offset, length)
        except BaseException:
            file.close()
            raise
        return self._stream(key, file, start, end)

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        """Write a new file; a taken key is refused before the first chunk is asked for, and again at the end."""
        self._require_free(key)
        with self._draft(key) as draft:
            for chunk in chunks:
                with told(self._root, key):
                    draft.write(chunk)
            return self._publish(draft, key)

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        """Put a new file in the place of the one that was seen."""
        steps, name = _split(key)
        with self._draft(key) as draft, told(self._root, key):
            draft.write(data)
            written = draft.finish(self._stamp())
            with self._locked(key):
                self._require_version(key, version)
                with folders.opened(self._root, steps) as folder:
                    draft.rename(folder, name)
                    os.fsync(folder)
        return _info(key, written)

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        """Write a new file of the sources and the tail, copied by the kernel where it can."""
        self._require_free(key)
        with self._draft(key) as draft:
            for source in sources:
                with self._open(source) as file, told(self._root, key):
                    draft.append(file.fileno(), os.fstat(file.fileno()).st_size, f"{self.url}/{source}")
            with told(self._root, key):
                draft.write(tail)
            return self._publish(draft, key)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the files one after the other, each durably before the next; all keys are checked before the first."""
        refused = []
        for key in [checked_key(key) for key in keys]:
            try:
                self._delete(key)
            except ObjectNotFound:
                continue
            except StoreDenied as error:
                refused.append(error)
        if refused:
            raise refused[0]

    def free_bytes(self) -> int | None:
        """Tell what the file system leaves to this user."""
        with told(self._root, ""), folders.opened(self._root, ()) as folder:
            found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def sweep(self) -> int:
        """Remove the drafts of killed writers, and tell how many that were; a store's first write does it too."""
        with told(self._root, DESK), folders.opened(self._root, (DESK,), make=True) as desk:
            self._swept = True
            return sweep(desk)

    def _items(self, steps: Sequence[str]) -> Sequence[folders.Item]:
        path = self._root.joinpath(*steps)
        try:
            with told(self._root, "/".join(steps)), folders.opened(self._root, steps) as folder:
                return folders.items(folder, path)
        except ObjectNotFound:  # no object has this prefix (any more)
            return ()

    def _walk(self, steps: Sequence[str], items: Sequence[folders.Item]) -> Iterator[ListedObject]:
        for item in items:
            below = [*steps, item.name]
            if item.status is None:
                yield from self._walk(below, self._items(below))
            else:
                yield _info("/".join(below), item.status).listed

    def _open(self, key: str) -> FileIO:
        steps, name = _split(key)
        with told(self._root, key), folders.opened(self._root, steps) as folder:
            folders.status(folder, name, self._root / key)
            return FileIO(name, opener=lambda path, _: os.open(path, _OBJECT, dir_fd=folder))

    def _stream(self, key: str, file: FileIO, start: int, end: int) -> Iterator[bytes]:
        with file:
            file.seek(start)
            while start < end:
                with told(self._root, key):
                    chunk = file.read(min(READ_CHUNK, end - start))
                if not chunk:
                    raise DamagedArchive(f"{self.url}/{key} ends at {start:,} and had {end:,} bytes: it was truncated")
                start += len(chunk)
                yield chunk

    @contextmanager
    def _draft(self, key: str) -> Iterator[Draft]:
        checked_key(key)
        if not self._swept:
            self.sweep()
        with told(self._root, key):
            draft = Draft(folders.open_folder(self._root, (DESK,), make=True))
        try:
            yield draft  # not told: what the caller's chunks raise is the caller's
        finally:
            with told(self._root, key):
                draft.discard()

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        bucket = blake2b(key.encode(), digest_size=1).hexdigest()
        with folders.opened(self._root, (DESK,), make=True) as desk, locked(desk, bucket):
            yield

    def _publish(self, draft: Draft, key: str) -> ObjectInfo:
        steps, name = _split(key)
        with told(self._root, key):
            written = draft.finish(self._stamp())
            for _ in range(_PUBLISHING_ATTEMPTS):
                with suppress(FileNotFoundError), folders.opened(self._root, steps, make=True) as folder:
                    self._give_name(draft, folder, key, name)
                    os.fsync(folder)
                    return _info(key, written)
        raise StoreUnavailable(f"{self.url}/{key}: its folder or its draft was removed each time it was to be named")

    def _give_name(self, draft: Draft, folder: int, key: str, name: str) -> None:
        if draft.link(folder, name):
            return
        with self._locked(key):
            if name in os.listdir(folder):
                raise FileExistsError(EEXIST, os.strerror(EEXIST))
            draft.rename(folder, name)

    def _stamp(self) -> int:
        milliseconds = int(self._clock().timestamp() * 1000)
        return milliseconds * _MILLISECOND + secrets.randbelow(_MILLISECOND)

    def _require_free(self, key: str) -> None:
        try:
            self.stat(key)
        except ObjectNotFound:
            return
        raise ObjectExists(f"{self.url}/{key} exists already; it was to be created, and is left as it is")

    def _require_version(self, key: str, version: str) -> None:
        try:
            found = self.stat(key).version
        except ObjectNotFound as error:
            raise ObjectChanged(f"{self.url}/{key} is gone since it was read as version {version}") from error
        if found != version:
            raise ObjectChanged(f"{self.url}/{key} was version {version} when it was read, now {found}: read again")

    def _delete(self, key: str) -> None:
        steps, name = _split(key)
        with told(self._root, key):
            with self._locked(key), folders.opened(self._root, steps) as folder:
                folders.status(folder, name, self._root / key)
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
            folders.drop_empty(self._root, steps)


def _split(key: str) -> tuple[list[str], str]:
    *steps, name = checked_key(key).split("/")
    return steps, name


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    version = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
    modified_at = datetime.fromtimestamp(found.st_mtime_ns // _MILLISECOND / 1000, UTC)
    return ObjectInfo(key, found.st_size, modified_at, version)
