"""Where the stores under test lie: one entry per implementation."""

import errno
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import pytest

from backup_engine.storage.contract import Store
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore


@dataclass(frozen=True)
class Place:
    """One empty store to begin with.

    :param open: another handle on the same objects each time
    :param fresh: a handle on a new, empty store each time
    """

    open: Callable[[], Store]
    fresh: Callable[[], Store]


@contextmanager
def memory(_):
    store = MemoryStore()
    yield Place(open=lambda: store, fresh=MemoryStore)


@contextmanager
def local(path):
    numbers = count(1)

    def fresh():
        root = path / f"fresh-{next(numbers)}"
        root.mkdir()
        return LocalStore(root)

    (path / "root").mkdir()
    yield Place(open=lambda: LocalStore(path / "root"), fresh=fresh)


@contextmanager
def local_without_hard_links(path):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))  # what Linux answers on FAT

    with local(path) as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", refuse)
        yield place


STORES = {"memory": memory, "local": local, "local without hard links": local_without_hard_links}
SHARED = {name: STORES[name] for name in ["local", "local without hard links"]}
"""Those that several processes can open."""
