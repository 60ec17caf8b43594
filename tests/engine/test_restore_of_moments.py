"""What is restored from a chain is the state of its moment, whatever the mode, and wherever the restore stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial

import pytest

from backup_engine.archive.manifest import BackupKind, archive_key, sidecar_key
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.chain import all_bases, chain_of
from backup_engine.copies.reaching import find_backup
from backup_engine.errors import BrokenChain, DamagedArchive, UnknownBackup
from backup_engine.model import Metric, Quantization
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.lifecycle import resume_restore
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.report import RestoreReport
from backup_engine.restore.request import RestoreMode
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.places import overwrite
from tests.engine.restores import ID, killed, request, revive, server_kills
from tests.engine.samples import some_records
from tests.storage.faulty import FaultyStore, kill_points

NEW, MERGE, REPLACE = RestoreMode.NEW, RestoreMode.MERGE, RestoreMode.REPLACE
POINTS = 6

Contents = dict[str, dict[str, tuple[bytes, str | None]]]


class ReadStore(MemoryStore):
    """Remembers which objects were read."""

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.__dict__.setdefault("was_read", []).append(key)
        return super().read(key, offset=offset, length=length)


@dataclass
class Past:
    """A server, its full and its incrementals, and what it held at each; by now it holds something else."""

    points: int = POINTS
    clock: Time = field(default_factory=Time)
    names: list[str] = field(default_factory=list)
    contents: list[Contents] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = new_store(self.clock)
        self.server = server = MemoryServer(clock=self.clock, provider_dimension=8)
        server.fill("docs", 30, metric=Metric.EUCLIDEAN)
        server.fill("raw", 20, metric=Metric.DOT, quantization=Quantization.NONE)
        server.fill("quiet", 5, metric=Metric.EUCLIDEAN)
        self.keep()
        for number in range(1, self.points):
            server.fill("docs", 3, first=number, seed=number)
            server.erase("docs", [f"r{25 - number}"])
            if number in {2, 4}:
                server.write("raw", some_records([3, 50 + number], seed=number))
            if number == 3:
                server.erase("raw", ["r3", "r4"])
                server.fill("young", 4, metric=Metric.EUCLIDEAN)
            self.keep()
        server.write("docs", some_records(range(10, 40), seed=99))
        server.erase("raw", ["r0"])
        server.flush()

    def keep(self) -> None:
        self.clock.pass_by(minutes=10)
        self.server.flush()
        incremental = bool(self.names)
        made = capture(self.server, self.store, self.clock, f"run {len(self.names)}", incremental=incremental)
        assert made.kind is (BackupKind.INCREMENTAL if incremental else BackupKind.FULL)
        self.names.append(made.name)
        self.contents.append(self.now())

    def now(self) -> Contents:
        return {state.name: self.server.content(state.name) for state in self.server.collections()}

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.store, self.clock)

    def backup(self, number: int) -> Backup:
        return self.catalog.by_name[self.names[number]]

    def plan(self, number: int, mode: RestoreMode, **changes):
        asked = request(mode, backup=self.names[number], **changes)
        return prepare_restore(asked, self.backup(number).manifest, self.server, self.store)

    def restore(self, number: int, mode: RestoreMode, store=None, **changes) -> RestoreReport:
        plan = self.plan(number, mode, **changes)
        point = self.catalog.open_point(self.backup(number))
        return execute_restore(plan, point, self.server, store or self.store, self.clock, owner="a test")

    def resume(self) -> RestoreReport:
        self.clock.pass_by(hours=1)
        return resume_restore(ID, self.store, self.server, self.clock, owner="another process")

    def held(self) -> Contents:
        """What the server has under the names that were backed up."""
        return {name: content for name, content in self.now().items() if "__" not in name}


@pytest.mark.parametrize("number", range(POINTS))
def test_replace_brings_the_state_of_every_point_back_to_the_bit(number):
    past = Past()
    report = past.restore(number, REPLACE)
    wanted = past.contents[number]
    assert {name: past.held()[name] for name in wanted} == wanted
    assert report.vectors == report.compared == sum(len(content) for content in wanted.values())
    assert all(item.exact == item.vectors for item in report.collections)


def test_into_an_empty_server_the_order_is_that_of_the_archives_and_the_content_that_of_the_point():
    past = Past()
    past.server = MemoryServer(clock=past.clock, provider_dimension=8)
    past.restore(POINTS - 1, NEW)
    assert past.now() == past.contents[-1]


def test_replacing_in_place_and_merging_give_what_their_modes_promise():
    past = Past()
    past.restore(3, REPLACE, in_place=True)
    assert {name: past.held()[name] for name in past.contents[3]} == past.contents[3]
    past = Past()
    before = past.now()["docs"]
    past.restore(3, MERGE, collections=("docs",))
    assert past.now()["docs"] == {**before, **past.contents[3]["docs"]}


def test_one_collection_reads_only_what_it_hangs_on():
    past = Past()
    past.store.__class__ = ReadStore
    past.restore(POINTS - 1, REPLACE, collections=("raw",))
    held, backup = past.catalog, past.backup(POINTS - 1)
    chain = chain_of(backup, backup.manifest.key_of("raw"), held.by_name)
    wanted = {archive_key(link.backup.folder, link.backup.name) for link in chain}
    every = {archive_key(one.folder, one.name) for one in (*all_bases(backup, held.by_name), backup)}
    read = {key for key in past.store.was_read if key.endswith(".tar.gz")}
    assert read == wanted
    assert read < every
    assert past.now()["raw"] == past.contents[-1]["raw"]


class Scene(Past):
    """A short past, and a restore of its last point that is stopped somewhere."""

    def __init__(self) -> None:
        super().__init__(points=3)
        self.plan(2, REPLACE, collections=("docs",))
        self.server.calls.clear()

    def run(self, store=None) -> None:
        self.restore(2, REPLACE, store, collections=("docs",))


@cache
def uninterrupted() -> tuple[Contents, int]:
    scene = Scene()
    scene.run()
    calls = len(scene.server.calls)
    return scene.now(), calls


def test_killed_at_any_call_to_the_server_it_resumes_to_the_same_end():
    expected, calls = uninterrupted()
    assert calls > 20
    for fault in server_kills(calls):
        scene = Scene()
        scene.server.fault = fault
        killed(scene.run)
        revive(scene.server)
        scene.resume()
        assert scene.now() == expected, fault


def test_killed_at_any_call_to_the_store_it_resumes_to_the_same_end():
    expected, _ = uninterrupted()
    scenes: list[Scene] = []

    def prepare():
        scenes.append(Scene())
        return scenes[-1].store

    def run(store) -> None:
        scenes[-1].run(store)

    for fault in kill_points(run, prepare):
        scene = Scene()
        killed(partial(scene.run, FaultyStore(scene.store, fault)))
        revive(scene.server)
        scene.resume()
        assert scene.now() == expected, fault


# ------------------------------------------------------------------ what is refused


def test_a_chain_that_broke_between_plan_and_restore_is_refused_and_the_server_untouched():
    past = Past()
    past.plan(5, REPLACE)
    before = past.now()
    link = past.backup(4)
    past.store.delete([sidecar_key(link.folder, link.name)])
    with pytest.raises(BrokenChain, match=f"{past.names[5]} hangs on {past.names[4]}, which is not there"):
        past.resume()
    assert past.now() == before


def test_a_backup_that_is_gone_is_refused_by_its_name():
    past = Past()
    past.plan(5, REPLACE)
    backup = past.backup(5)
    past.store.delete([sidecar_key(backup.folder, backup.name)])
    with pytest.raises(UnknownBackup, match=past.names[5]):
        past.resume()


def test_a_damaged_link_stops_the_restore_before_anything_is_replaced():
    past = Past()
    before = past.now()
    full = past.backup(0)
    key = archive_key(full.folder, full.name)
    part = next(entry for entry in full.archive.entries if "part-" in entry.name)
    data = bytearray(b"".join(past.store.read(key)))
    data[part.offset + part.bytes // 2] ^= 1
    overwrite(past.store, key, bytes(data))
    with pytest.raises(DamagedArchive, match=f"{full.name}.*part-00000"):
        past.restore(5, REPLACE)
    assert past.held() == before


def test_a_collection_whose_own_chain_is_whole_comes_back_though_others_are_lost():
    past = Past()
    link = past.backup(4)
    past.store.delete([sidecar_key(link.folder, link.name)])
    with pytest.raises(BrokenChain, match=r"named one by one: 'quiet'"):
        past.catalog.check_chain(past.backup(5))
    with pytest.raises(BrokenChain, match="which is not there"):
        past.catalog.check_chain(past.backup(5), ["quiet", "docs"])
    past.server.erase("quiet", ["r1"])
    past.plan(5, REPLACE, collections=("quiet",))
    past.resume()
    assert past.now()["quiet"] == past.contents[5]["quiet"]


def test_a_place_whose_chain_is_broken_is_read_for_what_is_whole_there():
    past = Past()
    link = past.backup(4)
    past.store.delete([sidecar_key(link.folder, link.name)])
    open_root, point = lambda _: past.store, past.names[5]
    found = find_backup(["s3://one", "s3://two"], open_root, point, past.clock, collections=["quiet"])
    assert found.url == "s3://one"
    with pytest.raises(BrokenChain):
        find_backup(["s3://one", "s3://two"], open_root, point, past.clock, collections=["docs"])
