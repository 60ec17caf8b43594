"""What a look sees of prunings, of what is not to be believed, and of what should have gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import archive_key
from backup_engine.catalog import Catalog
from backup_engine.freshness.concerns import ConcernKind
from backup_engine.freshness.judging import judge
from backup_engine.freshness.observing import observe
from backup_engine.freshness.sighting import PlaceSighting
from backup_engine.pruning.journal import Journal
from backup_engine.pruning.report import Deleted, PruningReport
from backup_engine.records import Withdrawal, write_record
from tests.engine.captures import SUNDAY, Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.freshness.sightings import deployment

ONE = deployment(retention={"daily": 2, "weekly": 0, "monthly": 0, "floor": "1h"})


class Scene:
    """A store with a full of each of the last six days."""

    def __init__(self) -> None:
        self.clock = Time(SUNDAY)
        self.server = MemoryServer(clock=self.clock)
        self.server.fill("docs", 20, dimension=4)
        self.store = new_store(self.clock)
        self.made = []
        for day in range(6):
            self.clock.now = SUNDAY + timedelta(days=day)
            self.made.append(capture(self.server, self.store, self.clock, f"day-{day}"))

    def look(self) -> PlaceSighting:
        return observe(ONE, lambda _: self.store, lambda: self.server, self.clock).primary

    def prune_report(self, **changes) -> None:
        gone = Deleted(name="x", folder=self.made[0].folder, captured_at=SUNDAY, bytes=7, reason="thinned out")
        given = {"deployment": "production", "store": "memory", "plan": "p", "by": "me", "began_at": self.clock()}
        Journal(self.store, PruningReport(**(given | {"deleted": (gone,), "kept": 5} | changes)), "t1")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_store_of_its_own_backups_holds_nothing_strange(scene):
    seen = scene.look()
    assert (seen.quarantined, seen.prunings) == ((), ())


def test_what_prunings_left_written_is_seen_with_what_they_took(scene):
    scene.prune_report(ended_at=scene.clock() + timedelta(minutes=1))
    (one,) = scene.look().prunings
    assert (one.at, one.kept, one.deleted, one.freed) == (scene.clock() + timedelta(minutes=1), 5, 1, 7)


def test_a_pruning_that_died_counts_with_what_it_took_until_then(scene):
    scene.prune_report()
    (one,) = scene.look().prunings
    assert (one.at, one.deleted) == (scene.clock(), 1)


def test_what_should_have_gone_is_looked_for_only_where_nothing_was_pruned_lately(scene):
    assert scene.look().overdue > 0
    scene.prune_report()
    assert scene.look().overdue == 0
    scene.clock.pass_by(days=3, hours=1)
    assert scene.look().overdue > 0


def test_an_archive_that_is_missing_or_of_another_size_is_strange(scene):
    one, other = scene.made[0], scene.made[1]
    scene.store.delete([archive_key(one.folder, one.name)])
    scene.store.delete([archive_key(other.folder, other.name)])
    scene.store.create(archive_key(other.folder, other.name), [b"short"])
    first, second = sorted(scene.look().quarantined)
    assert {one.name in first + second, other.name in first + second} == {True}
    assert "its archive is missing" in first + second
    assert "its archive has 5 bytes" in first + second


def test_a_file_of_somebodys_is_strange_once_it_cannot_be_something_in_the_making(scene):
    scene.store.create("daily/backup-20261101.tar.gz", [b"of nobody"])
    assert scene.look().quarantined == (), "an archive comes before its manifest"
    scene.clock.pass_by(days=2, minutes=1)
    (said,) = scene.look().quarantined
    assert said.startswith("daily/backup-20261101.tar.gz: it belongs to no backup")


def test_what_a_pruning_that_died_left_is_not_strange(scene):
    scene.clock.pass_by(days=3)
    gone = Withdrawal(at=scene.clock(), token="t", plan="p", reason="thinned out")
    scene.store.create("daily/backup-20261101.tar.gz", [b"half deleted"])
    write_record(scene.store, scene.made[0].folder.DAILY, "backup-20261101", gone)
    scene.clock.pass_by(days=3)
    assert scene.look().quarantined == ()


def test_what_is_from_the_future_or_cannot_be_read_is_told_once(scene):
    folder = scene.made[0].folder
    scene.store.create(f"{folder}/backup-torn.json", [b"{"])
    scene.store.create(f"{folder}/backup-torn.tar.gz", [b"x"])
    scene.clock.now = SUNDAY + timedelta(days=4)
    seen = scene.look()
    assert len(seen.unreadable) == 1
    assert len(seen.future) == 1
    scene.clock.now = SUNDAY + timedelta(days=20)
    assert scene.look().quarantined == ()


def test_another_deployments_backup_is_told_and_counts_nowhere(scene):
    other = MemoryServer(clock=scene.clock)
    other.fill("docs", 20, dimension=4)
    capture(other, scene.store, scene.clock, "stranger", deployment="staging")
    sighting = observe(ONE, lambda _: scene.store, lambda: scene.server, scene.clock)
    (said,) = sighting.primary.quarantined
    assert "it is a backup of deployment 'staging'" in said
    assert {one.name for one in sighting.primary.backups} == {one.name for one in scene.made}
    assert ConcernKind.QUARANTINED in [one.kind for one in judge(ONE, sighting).concerns]


def test_a_look_reads_the_newest_reports_only_however_many_there_are(scene):
    for number in range(40):
        scene.clock.pass_by(hours=1)
        report = PruningReport(deployment="production", store="m", plan="p", by="me", began_at=scene.clock())
        Journal(scene.store, report, f"t{number}")
    assert len(scene.look().prunings) == 16
    assert Catalog(scene.store, scene.clock).backups()
