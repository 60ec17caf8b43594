"""Folders below a store's root, reached step by step without following a symbolic link.

Each step is taken relative to the folder already open, so nothing that is renamed or linked meanwhile leads outside.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from backup_engine.errors import ObjectExists, UnsafeKey
from backup_engine.storage.contract import is_segment
from backup_engine.storage.refusals import not_there

FOLDER_MODE = 0o770
"""Owner and group, as far as the umask lets them; never others: backups are private."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Item:
    """One name in a folder: an object's, or a folder's when ``status`` is None."""

    name: str
    status: os.stat_result | None


def open_folder(root: Path, steps: Sequence[str], *, make: bool = False) -> int:
    """Open the folder that the steps lead to; the caller closes it.

    :param make: make the folders that are missing, durably; never the root
    :raises StoreNotInitialised: the root is not there
    :raises UnsafeKey: a step is a symbolic link
    :raises FileNotFoundError, NotADirectoryError: a step is missing, or an object
    """
    handle = _open_root(root)
    for at, name in enumerate(steps):
        try:
            inner = _step(handle, name, root.joinpath(*steps[: at + 1]), make=make)
        finally:
            os.close(handle)
        handle = inner
    return handle


@contextmanager
def opened(root: Path, steps: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Open the folder that the steps lead to, as ``open_folder`` does, for the length of the block."""
    handle = open_folder(root, steps, make=make)
    try:
        yield handle
    finally:
        os.close(handle)


def make_root(root: Path) -> None:
    """Make the root and what is missing above it, durably; a root that exists is fine."""
    for folder in [*reversed(root.parents), root]:
        if not folder.is_dir():
            with suppress(FileExistsError):  # another process was faster
                folder.mkdir(FOLDER_MODE)
            _sync_path(folder.parent)


def items(folder: int, path: Path) -> list[Item]:
    """Give objects and folders in the order their keys sort; names that are no key's are not ours, and left out.

    :raises UnsafeKey: a symbolic link, behind which objects would be missed
    """
    with os.scandir(folder) as found:
        named = [item for entry in found if is_segment(entry.name) and (item := _item(folder, entry.name, path))]
    return sorted(named, key=lambda item: item.name if item.status else f"{item.name}/")


def status(folder: int, name: str, path: Path) -> os.stat_result:
    """Describe the object of this name.

    :raises FileNotFoundError: there is none, or it is no regular file
    :raises UnsafeKey: it is a symbolic link
    """
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    _refuse_link(found, path)
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(2, "not a regular file", str(path))
    return found


def drop_empty(root: Path, steps: Sequence[str]) -> None:
    """Remove the folder if it is empty, and those above it likewise, but none directly below the root."""
    for depth in range(len(steps), 1, -1):
        with opened(root, steps[: depth - 1]) as parent:
            try:
                os.rmdir(steps[depth - 1], dir_fd=parent)
            except OSError:  # not empty, in use as a mount, or gone: all of them are reasons to leave it
                return


def _item(folder: int, name: str, path: Path) -> Item | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:  # deleted since its name was read
        return None
    _refuse_link(found, path / name)
    if stat.S_ISDIR(found.st_mode):
        return Item(name, None)
    return Item(name, found) if stat.S_ISREG(found.st_mode) else None


def _open_root(root: Path) -> int:
    try:
        return os.open(root, _FOLDER)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise not_there(root) from error


def _step(parent: int, name: str, path: Path, *, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, FOLDER_MODE, dir_fd=parent)
        os.fsync(parent)  # also when another process made it: it may not have come to this line
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        _explain(parent, name, path, error, make=make)
        raise


def _explain(parent: int, name: str, path: Path, error: OSError, *, make: bool) -> None:
    with suppress(FileNotFoundError):
        _refuse_link(os.stat(name, dir_fd=parent, follow_symlinks=False), path)
    if make and isinstance(error, NotADirectoryError):
        raise ObjectExists(f"{path} is an object, so nothing can lie below it") from error


def _refuse_link(found: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise UnsafeKey(
            f"{path} is a symbolic link; inside a store none is followed, as it may lead anywhere: "
            "put the objects in its place, or make the root itself the link"
        )


def _sync_path(folder: Path) -> None:
    handle = os.open(folder, _FOLDER)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
