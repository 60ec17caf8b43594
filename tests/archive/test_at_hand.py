"""What comes from afar is fetched once, and only what came whole is read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backup_engine.archive import sources
from backup_engine.archive.sources import AtHand, StoredObject, read_range
from backup_engine.errors import DamagedArchive
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore

DATA = os.urandom(3 << 20)


class Far:
    """A source that counts what it gives, and may break off."""

    name = "s3://far/archive"
    size = len(DATA)

    def __init__(self) -> None:
        self.given = 0
        self.breaks_after = len(DATA)

    def read(self, offset: int, length: int):
        for start in range(offset, offset + length, 1 << 16):
            if start >= self.breaks_after:
                raise DamagedArchive("it ends early")
            chunk = DATA[start : min(start + (1 << 16), offset + length)]
            self.given += len(chunk)
            yield chunk


@pytest.fixture
def far() -> Far:
    return Far()


def test_a_range_is_fetched_once_however_often_it_is_read(far, tmp_path):
    near = AtHand(far, tmp_path)
    for _ in range(3):
        assert read_range(near, 1000, 2 << 20) == DATA[1000 : 1000 + (2 << 20)]
        assert read_range(near, 0, 1000) == DATA[:1000]
    assert far.given == (2 << 20) + 1000
    assert (near.name, near.size) == (far.name, far.size)


def test_a_range_that_did_not_come_whole_is_fetched_again(far, tmp_path):
    near = AtHand(far, tmp_path)
    far.breaks_after = 1 << 20
    with pytest.raises(DamagedArchive):
        read_range(near, 0, len(DATA))
    assert next(near.read(0, 100_000)) == DATA[: 1 << 16]  # nobody reads on
    far.breaks_after = len(DATA)
    assert read_range(near, 0, len(DATA)) == DATA
    assert read_range(near, 0, 100_000) == DATA[:100_000]


def test_where_there_is_no_room_it_is_fetched_each_time(far, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_SPARE", 1 << 60)
    near = AtHand(far, tmp_path)
    assert [read_range(near, 0, 5000) for _ in range(2)] == [DATA[:5000]] * 2
    assert far.given == 10_000
    assert [*tmp_path.iterdir()] == []


def test_a_disk_that_fills_up_meanwhile_does_no_harm(far):
    near = AtHand(far, Full(Path("/")))
    assert [read_range(near, 0, 200_000) for _ in range(2)] == [DATA[:200_000]] * 2
    assert far.given == 400_000


class Full(type(Path())):
    """A directory whose every file is /dev/full."""

    def __truediv__(self, name: str) -> Path:
        return Device("/dev/full")


class Device(type(Path())):
    def exists(self, **_: bool) -> bool:
        return False

    def with_suffix(self, suffix: str) -> Path:
        return self

    def unlink(self, missing_ok: bool = False) -> None:
        """It stays."""


def test_what_lies_near_is_not_far(tmp_path):
    for store in (LocalStore(tmp_path), MemoryStore()):
        store.create("daily/x.tar.gz", [b"x"])
        assert not StoredObject(store, "daily/x.tar.gz").far
