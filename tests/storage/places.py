"""Where the stores under test lie: one entry per implementation."""

import errno
import os
from contextlib import contextmanager
from itertools import count

import pytest

from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from tests.storage.gcs_places import GCS
from tests.storage.place import Place
from tests.storage.s3_places import S3


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


LOCAL = {"local": local, "local without hard links": local_without_hard_links}
SHARED = {**LOCAL, **S3, **GCS}
"""Those that several processes can open."""
STORES = {"memory": memory, **SHARED}
