"""A catalog of thousands costs a listing: what the index knows is not read again, and nothing is believed that lies."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import Folder, records_prefix, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.catalog.index import INDEX_KEY
from backup_engine.errors import DamagedArchive, StoreDenied
from backup_engine.records import Acknowledgement, write_record
from backup_engine.storage.memory import MemoryStore
from bench.many_backups import objects
from tests.engine.captures import Time

HOURS = 26


class CountingStore(MemoryStore):
    """Counts what is asked of it, and takes no writes where it is told so."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.asked = Counter()
        self.read_only = False

    def list(self, prefix):
        self.asked["list"] += 1
        return super().list(prefix)

    def read(self, key, **range_):
        self.asked["index" if key == INDEX_KEY else "read"] += 1
        return super().read(key, **range_)

    def create(self, key, chunks):
        self._refuse()
        return super().create(key, chunks)

    def replace(self, key, data, *, version):
        self._refuse()
        return super().replace(key, data, version=version)

    def _refuse(self):
        self.asked["write"] += 1
        if self.read_only:
            raise StoreDenied("may only read")


def holding(hours: int = HOURS) -> CountingStore:
    store = CountingStore(Time())
    for key, content in objects(hours):
        store.create(key, [content])
    store.asked.clear()
    return store


def shown(catalog: Catalog):
    return [(one.outline, one.records) for one in catalog.backups()], catalog.unreadable, catalog.listed


def read(store: CountingStore, **how) -> Counter:
    store.asked.clear()
    Catalog(store, Time(), **how).backups()
    return store.asked


def forge(store: MemoryStore, change) -> None:
    content = json.loads(gzip.decompress(b"".join(store.read(INDEX_KEY))))
    change(content)
    store.replace(INDEX_KEY, gzip.compress(json.dumps(content).encode()), version=store.stat(INDEX_KEY).version)


def test_a_known_store_costs_one_read_of_the_index_and_a_listing():
    store = holding()
    first = read(store)
    assert (first["index"], first["list"], first["read"], first["write"]) == (1, len(Folder), HOURS * 5 // 2, 1)
    assert read(store) == Counter(index=1, list=len(Folder))


def test_each_object_that_the_index_does_not_know_costs_one_read():
    store = holding()
    read(store)
    backup = Catalog(store, Time()).backups()[0]
    word = Acknowledgement(at=Time()(), token="t", by="me", why="fine")
    write_record(store, backup.folder, backup.name, word)
    assert read(store) == Counter(index=1, list=len(Folder), read=1)
    assert word in Catalog(store, Time()).backups()[0].records


def test_a_manifest_is_read_when_somebody_asks_for_it_and_once():
    store = holding()
    read(store)
    store.asked.clear()
    backup = Catalog(store, Time()).backups()[0]
    assert backup.manifest.clear.name == backup.name
    assert backup.archive.bytes == backup.bytes
    assert store.asked["read"] == 1


def test_readers_of_small_stores_write_nothing():
    store = holding(10)
    assert read(store)["write"] == 0


def test_whoever_may_only_read_reads_all_the_same():
    store = holding()
    store.read_only = True
    assert len(Catalog(store, Time()).backups()) == HOURS
    assert store.asked["write"] == 1


def test_a_catalog_that_trusts_no_index_neither_reads_nor_writes_it_and_looks_again_for_a_listing():
    store = holding()
    read(store)
    asked = read(store, trust_index=False)
    assert (asked["index"], asked["write"], asked["read"]) == (0, 0, HOURS * 5 // 2)
    catalog = Catalog(store, Time(), trust_index=False)
    catalog.backups()
    store.asked.clear()
    assert shown(catalog.again()) == shown(catalog)
    assert store.asked == Counter(list=len(Folder))


def test_a_lying_index_is_caught_by_whoever_reads_the_manifest_and_never_believed_by_whoever_deletes():
    store = holding()
    read(store)
    honest = shown(Catalog(store, Time(), trust_index=False))

    def lie(content):
        for one in content["backups"]:
            one["outline"] |= {"fingerprint": "0" * 64, "state": "partial"}
            one["records"] = []

    forge(store, lie)
    lied = Catalog(store, Time()).backups()[0]
    with pytest.raises(DamagedArchive, match=f"{INDEX_KEY} is wrong: delete that object"):
        _ = lied.manifest
    assert shown(Catalog(store, Time(), trust_index=False)) == honest


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(product_version="another"),
        lambda content: content.update(version=2),
        lambda content: content.update(format="else"),
        lambda content: content.update(more=1),
        lambda content: content["backups"][7].update(more=1),
        lambda content: content["backups"][7].pop("outline"),
    ],
    ids=["another release", "another version", "another format", "an unknown field", "one deeper down", "a hole"],
)
def test_an_index_of_another_make_is_ignored_and_written_anew(change):
    store = holding()
    read(store)
    forge(store, change)
    assert read(store)["write"] == 1
    assert read(store)["read"] == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", gzip.compress(b"[" * 10_000, mtime=0), gzip.compress(bytes(200 << 20), 1, mtime=0)],
    ids=["empty", "not packed", "no document", "200 MiB of nothing"],
)
def test_a_damaged_or_huge_index_is_ignored_and_written_anew(content):
    store = holding()
    read(store)
    store.replace(INDEX_KEY, content, version=store.stat(INDEX_KEY).version)
    assert shown(Catalog(store, Time())) == shown(Catalog(store, Time(), trust_index=False))
    assert read(store)["read"] == 0


_STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "word", "spoil", "back", "drop", "tear", "look"]), st.integers(0, 99)),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_STEPS)
def test_with_an_index_a_catalog_shows_what_it_shows_without_whatever_happened(steps):
    clock = Time()
    store = MemoryStore(clock=clock)
    waiting = list(objects(HOURS + 10))
    cut = next(at for at, (key, _) in enumerate(waiting) if at > 90 and key.endswith(".tar.gz"))
    for key, content in waiting[:cut]:
        store.create(key, [content])
    waiting, old = waiting[cut:], []
    for step, number in steps:
        clock.pass_by(seconds=1)
        happen(store, clock, step, number, waiting, old)
        assert shown(Catalog(store, clock)) == shown(Catalog(store, clock, trust_index=False))


def happen(store, clock, step, number, waiting, old):
    held = Catalog(store, clock, trust_index=False).backups()
    if step in {"look", "drop", "tear", "back"}:
        change_index(store, step, number, old)
    elif step == "add":
        for new, content in waiting[:20]:
            store.create(new, [content])
        del waiting[:20]
    elif len(held) > 1:
        change_backup(store, clock, step, number, held[number % len(held)])


def change_index(store, step, number, old):
    if not [*store.list("index/")]:
        return
    now = b"".join(store.read(INDEX_KEY))
    if step == "look":
        old.append(now)
    elif step == "drop":
        store.delete([INDEX_KEY])
    else:
        content = now[:number] if step == "tear" or not old else old[number % len(old)]
        store.replace(INDEX_KEY, content, version=store.stat(INDEX_KEY).version)


def change_backup(store, clock, step, number, backup):
    key = sidecar_key(backup.folder, backup.name)
    if step == "remove":
        store.delete([key])
        if number % 2:
            store.delete([info.key for info in store.list(records_prefix(backup.folder, backup.name))])
    elif step == "spoil":
        store.replace(key, b"{}", version=store.stat(key).version)
    else:
        word = Acknowledgement(at=clock() + timedelta(seconds=number), token=f"t{clock():%M%S}", by="me", why="why")
        write_record(store, backup.folder, backup.name, word)
