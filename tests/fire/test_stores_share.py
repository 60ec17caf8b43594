"""Restoring one collection from S3 reads its share of the archive and at most a tenth more, counted on the wire."""

from __future__ import annotations

import pytest

from backup_engine.model import Metric, Quantization, system_clock
from backup_engine.records import VerificationLevel
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from tests.engine.captures import STORE_ID, capture
from tests.engine.memory_server import MemoryServer
from tests.fire.stores_scene import BUCKET, Journey, content, ground
from tests.fire.trips import backup_in, restore

NAMES = ("first", "second", "third", "fourth")
ALLOWED = 1.1


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with ground(tmp_path_factory.mktemp("seaweedfs")) as made:
        yield made


@pytest.fixture(scope="module")
def server() -> MemoryServer:
    made = MemoryServer(provider_dimension=None, page_records=5000)
    for seed, name in enumerate(NAMES):
        made.fill(name, 1800, dimension=1024, metric=Metric.EUCLIDEAN, quantization=Quantization.NONE, seed=seed)
    return made


@pytest.fixture(scope="module")
def store(place, server):
    opened = open_store(f"s3://{BUCKET}/share", place.client())
    init_store(opened, "production", system_clock, lambda: STORE_ID)
    capture(server, opened, system_clock)
    return opened


@pytest.fixture(scope="module")
def backup(store):
    return backup_in(store, "latest")


def share(backup, name: str) -> int:
    """Stored bytes of a collection's entries."""
    (key,) = (one.key for one in backup.manifest.private.collections if one.name == name)
    (listed,) = (one for one in backup.manifest.clear.collections if one.key == key)
    names = {entry.name for entry in listed.entries}
    return sum(entry.bytes for entry in backup.archive.entries if entry.name in names)


def read_by(place, work) -> int:
    place.proxy.clear()
    work()
    return place.proxy.bytes_down()


@pytest.mark.parametrize("name", [NAMES[0], NAMES[-1]])
def test_one_collection_s_restore_reads_its_share_and_at_most_a_tenth_more(place, server, store, backup, name):
    assert backup.archive.bytes > 20_000_000
    target = MemoryServer(provider_dimension=None)
    read = read_by(place, lambda: restore(backup.name, store, target, collections=(name,)))
    assert content(target) == {name: content(server)[name]}
    assert share(backup, name) * 0.9 < read <= share(backup, name) * ALLOWED


def test_a_whole_restore_reads_the_archive_once(place, server, store, backup):
    """And so would be found by the test above, if one collection's restore read them all."""
    target = MemoryServer(provider_dimension=None)
    read = read_by(place, lambda: restore(backup.name, store, target))
    assert content(target) == content(server)
    assert share(backup, NAMES[0]) * 3 < read <= backup.archive.bytes * ALLOWED


def test_a_quick_verification_reads_next_to_nothing_and_a_full_one_all_of_it_once(place, store, backup):
    journey = Journey(place, None)
    for level, most in ((VerificationLevel.QUICK, 0.01), (VerificationLevel.FULL, ALLOWED)):
        read = read_by(place, lambda level=level: journey.verify(backup, store, level))
        assert read <= backup.archive.bytes * most
        assert level is VerificationLevel.QUICK or read > backup.archive.bytes * 0.9
