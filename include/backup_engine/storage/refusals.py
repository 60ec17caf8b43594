"""What an operating system's error means to somebody who waits for a backup."""

from __future__ import annotations

import errno
import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backup_engine.errors import (
    BackupError,
    ObjectExists,
    ObjectNotFound,
    StoreDenied,
    StoreFull,
    StoreNotInitialised,
    StoreUnavailable,
)

_MEANINGS: tuple[tuple[frozenset[int], type[BackupError], str], ...] = (
    (frozenset({errno.ENOENT, errno.ENOTDIR}), ObjectNotFound, "does not exist"),
    (frozenset({errno.EEXIST}), ObjectExists, "exists already; it was to be created, and is left as it is"),
    (
        frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG}),
        StoreFull,
        "there is no room ({reason}): free some, or raise the quota, and run again",
    ),
    (
        frozenset({errno.EACCES, errno.EPERM, errno.EROFS}),
        StoreDenied,
        "{user} may not do this ({reason}): grant that user read and write access",
    ),
    (
        frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}),
        StoreDenied,
        "this file system cannot do what a store needs ({reason}): use one with locks and renaming",
    ),
    (
        frozenset({errno.EXDEV}),
        StoreDenied,
        "it lies on another file system than its store's root ({reason}): let the whole store lie on one",
    ),
)


@contextmanager
def told(root: Path, key: str) -> Iterator[None]:
    """Turn what the operating system refuses inside the block into an error of the store contract."""
    try:
        yield
    except OSError as error:
        raise _meaning(error, root / key) from error


def not_there(root: Path) -> StoreNotInitialised:
    """Say that there is no directory where the store should be."""
    return StoreNotInitialised(
        f"{socket.gethostname()}: {root} is not a directory, so there is no store: "
        "mount or share it on this host, or make a new one with `store init`"
    )


def _meaning(error: OSError, path: Path) -> BackupError:
    place = f"{socket.gethostname()}: {path}"
    for codes, kind, words in _MEANINGS:
        if error.errno in codes:
            return kind(f"{place}: {words.format(reason=error.strerror, user=_user())}")
    return StoreUnavailable(f"{place}: {error.strerror or error}")


def _user() -> str:
    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:  # a container's user without an entry
        return f"user {os.geteuid()}"
