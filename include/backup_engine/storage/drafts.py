"""Files that are being written: out of sight until they are whole and on disk, gone when their writer is.

They lie in one folder of the root whose name no key can have. A writer holds a lock on its draft as long as it lives;
the operating system lets go of it however the writer ends, so a draft that can be locked has been abandoned.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, ENOSYS, EOPNOTSUPP, EPERM, ETXTBSY, EXDEV

from backup_engine.errors import DamagedArchive, StoreUnavailable
from backup_engine.storage.contract import READ_CHUNK

DESK = "~writing"
"""The folder's name: "~" is in no key, so ``list`` never shows it and no key reaches it."""

FILE_MODE = 0o660
"""Owner and group, as far as the umask lets them; never others: backups are private."""

_DRAFT = "draft-"
_KERNEL_COPY = 64 << 20  # bytes at once: a signal is answered between two
_NO_KERNEL_COPY = frozenset({EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, ETXTBSY})
_NO_HARD_LINKS = frozenset({EPERM, EOPNOTSUPP, ENOSYS})
_LOCK_SECONDS = 60.0  # a lock is held for two or three system calls
_LOCK_PAUSE = 0.01


class Draft:
    """One file on the desk, open for writing. Errors are the operating system's.

    :param desk: the open folder; the draft's from now on, closed by ``discard``
    """

    def __init__(self, desk: int) -> None:
        self._desk = desk
        try:
            self._name, self.handle = _begin(desk)
        except OSError:
            os.close(desk)
            raise

    def write(self, chunk: bytes) -> None:
        """Append the chunk, all of it."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self.handle, rest) :]

    def append(self, source: int, size: int, name: str) -> None:
        """Append ``size`` bytes of an open file, inside the kernel where it can do that.

        :raises DamagedArchive: the file ends before
        """
        while size > 0:
            copied = _copy_in_kernel(source, self.handle, size) or self._copy_through_here(source, size)
            if not copied:
                raise DamagedArchive(f"{name} became shorter while it was copied; {size:,} more bytes were expected")
            size -= copied

    def finish(self, mtime_ns: int) -> os.stat_result:
        """Set its time and bring it to disk."""
        os.utime(self.handle, ns=(mtime_ns, mtime_ns))
        os.fsync(self.handle)
        return os.fstat(self.handle)

    def link(self, folder: int, name: str) -> bool:
        """Give it a name that must be free; False where the file system has no hard links."""
        try:
            os.link(self._name, name, src_dir_fd=self._desk, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_HARD_LINKS:
                return False
            raise
        return True

    def rename(self, folder: int, name: str) -> None:
        """Put it in the place of whatever has the name."""
        os.rename(self._name, name, src_dir_fd=self._desk, dst_dir_fd=folder)

    def discard(self) -> None:
        """Take it off the desk; what was linked or renamed stays."""
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._desk)
        os.close(self.handle)
        os.close(self._desk)

    def _copy_through_here(self, source: int, size: int) -> int:
        chunk = os.read(source, min(size, READ_CHUNK))
        self.write(chunk)
        return len(chunk)


@contextmanager
def locked(desk: int, bucket: str) -> Iterator[None]:
    """Hold one of the store's locks, against threads and processes alike.

    :raises StoreUnavailable: somebody held it for a minute
    """
    handle = os.open(f"lock-{bucket}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE, dir_fd=desk)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _lock(handle):
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"{DESK}/lock-{bucket} was held for {_LOCK_SECONDS:.0f} s: is a writer stuck?")
            time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(handle)


def sweep(desk: int) -> int:
    """Remove the drafts whose writers are gone; give how many they were."""
    return sum(_remove_abandoned(desk, name) for name in os.listdir(desk) if name.startswith(_DRAFT))


def _begin(desk: int) -> tuple[str, int]:
    while True:
        name = _DRAFT + secrets.token_hex(8)
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE, dir_fd=desk)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return name, handle
        os.close(handle)  # a sweep came between making and locking it


def _remove_abandoned(desk: int, name: str) -> bool:
    try:
        handle = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=desk)
    except (FileNotFoundError, PermissionError):  # just published, or another user's to sweep
        return False
    try:
        abandoned = _lock(handle)
        if abandoned:
            os.unlink(name, dir_fd=desk)
    except FileNotFoundError:  # published between opening and locking
        return False
    finally:
        os.close(handle)
    return abandoned


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _copy_in_kernel(source: int, target: int, size: int) -> int:
    try:
        return os.copy_file_range(source, target, min(size, _KERNEL_COPY))
    except OSError as error:
        if error.errno in _NO_KERNEL_COPY:
            return 0
        raise
