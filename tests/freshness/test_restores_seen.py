"""What restores tell: how quick they are here, and that a backup came back whole."""

from __future__ import annotations

import pytest

from backup_engine.archive.manifest import archive_key
from backup_engine.archive.reading import ArchiveReader, StoredObject, load_sidecar
from backup_engine.errors import ComparisonFailed
from backup_engine.freshness.forecasting import forecast, measured_rate, rate
from backup_engine.freshness.glancing import glance_at_restore
from backup_engine.freshness.judging import judge
from backup_engine.freshness.observing import observe
from backup_engine.freshness.seeing import see_place
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.lifecycle import finished_restores, list_restores, release_restore
from backup_engine.restore.planning import DEFAULT_RATE, prepare_restore
from backup_engine.restore.request import RestoreMode, RestoreRequest
from tests.engine.captures import SUNDAY, Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.server_fault import Fault
from tests.freshness.sightings import deployment, place, restore, sighting

ONE = deployment()


class Slow(MemoryServer):
    """Every call takes a second."""

    def _call(self, method, subject, effect):
        self._clock.pass_by(seconds=1)
        return super()._call(method, subject, effect)


class Scene:
    def __init__(self) -> None:
        self.clock = Time(SUNDAY)
        self.source = MemoryServer(clock=self.clock)
        self.source.fill("docs", 50, dimension=4)
        self.source.fill("papers", 30, dimension=4)
        self.clock.pass_by(days=1)
        self.store = new_store(self.clock)
        self.made = capture(self.source, self.store, self.clock)
        self.numbers = iter(range(100))

    def restore(self, server: MemoryServer | None = None, **changes):
        target = server or Slow(clock=self.clock)
        made = {"restore_id": f"{next(self.numbers):012x}", "backup": self.made.name, "mode": RestoreMode.NEW}
        request = RestoreRequest(**(made | changes))
        sidecar = load_sidecar(self.store, self.made.folder, self.made.name)
        plan = prepare_restore(request, sidecar.manifest, target, self.store)
        archive = StoredObject(self.store, archive_key(self.made.folder, self.made.name))
        self.clock.pass_by(hours=1)
        return execute_restore(plan, ArchiveReader(archive, sidecar), target, self.store, self.clock, owner="a test")

    def look(self):
        return observe(ONE, lambda root: self.store, lambda: self.source, self.clock)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_whole_restore_proves_the_backup_and_measures_the_time(scene):
    report = scene.restore()
    (seen,) = scene.look().restores
    assert (seen.backup, seen.whole, seen.vectors) == (scene.made.name, True, 80)
    assert seen.rate == pytest.approx(80 / report.seconds)
    judged = judge(ONE, scene.look()).protection
    assert (judged.proven, judged.proven_at) == (scene.made.name, report.finished_at)
    assert judged.rto_measured == report.seconds > 0


def test_a_restore_of_one_collection_proves_nothing_of_the_whole(scene):
    scene.restore(collections=("docs",))
    (seen,) = scene.look().restores
    assert not seen.whole
    judged = judge(ONE, scene.look()).protection
    assert (judged.proven, judged.rto_measured) == (None, None)


def test_naming_every_collection_is_whole_too(scene):
    scene.restore(collections=("docs", "papers"), rename={"docs": "other"})
    assert scene.look().restores[0].whole


def test_the_newest_restore_stands_first_and_a_released_one_still_counts(scene):
    target = Slow(clock=scene.clock)
    scene.restore(target)
    later = scene.restore(target, mode=RestoreMode.REPLACE)
    release_restore(later.restore_id, target, scene.store, scene.clock, "a test")
    assert [one.restore_id for one in scene.look().restores] == [later.restore_id, "0" * 12]


def test_a_restore_that_failed_or_was_only_planned_is_not_seen(scene):
    target = MemoryServer(clock=scene.clock)
    target.fault = Fault(call=9, error=lambda: ComparisonFailed("not the same"))
    with pytest.raises(ComparisonFailed):
        scene.restore(target)
    assert scene.look().restores == ()
    (known,) = list_restores(scene.store)
    assert glance_at_restore(known, None) is None


def test_a_restore_in_place_that_had_nothing_to_send_says_nothing_of_the_rate(scene):
    scene.restore(scene.source, mode=RestoreMode.REPLACE, in_place=True)
    (seen,) = scene.look().restores
    assert seen.whole
    assert seen.rate == 0.0
    assert judge(ONE, scene.look()).protection.rto_measured is None


def test_of_a_backup_that_is_gone_the_request_says_whether_all_was_meant(scene):
    scene.restore()
    (known,) = list_restores(scene.store)
    assert glance_at_restore(known, None).whole
    some = scene.restore(collections=("docs",))
    (other,) = [one for one in list_restores(scene.store) if one.restore_id == some.restore_id]
    assert not glance_at_restore(other, None).whole


def test_where_nothing_was_compared_nothing_is_proven(scene):
    scene.restore()
    (known,) = list_restores(scene.store)
    empty = known.model_copy(update={"report": known.report.model_copy(update={"compared": 0})})
    assert glance_at_restore(empty, None) is None


def test_a_restore_noted_in_two_places_is_seen_once(scene):
    scene.restore()
    both = deployment(copies=True)
    seen = observe(both, lambda root: scene.store, lambda: scene.source, scene.clock)
    assert len(seen.restores) == 1


def test_only_the_newest_restores_are_read(scene):
    for _ in range(12):
        scene.restore(rename={}, collections=("docs",))
    seen = see_place(ONE.root, ONE, lambda root: scene.store, scene.clock).restores
    assert [one.restore_id for one in seen] == [f"{number:012x}" for number in range(11, 1, -1)]
    assert [one.restore_id for one in finished_restores(scene.store, most=1)] == [f"{11:012x}"]


def test_the_rate_is_the_median_of_the_newest_that_say_something():
    rates = [100.0, 0.0, 300.0, 200.0, 250.0, 260.0, 9_000.0]
    assert measured_rate([restore(rate=one) for one in rates]) == 250.0


def test_a_restore_of_a_few_vectors_says_nothing_of_the_rate():
    assert measured_rate([restore(vectors=999)]) is None
    assert measured_rate([restore(vectors=1_000)]) == 400.0


def test_without_a_restore_the_usual_rate_is_taken():
    assert rate(()) == DEFAULT_RATE
    assert forecast(600, rate(())) == 600 / DEFAULT_RATE
    judged = judge(ONE, sighting(place())).protection
    assert (judged.rate, judged.rate_measured) == (DEFAULT_RATE, False)
    measured = judge(ONE, sighting(place(), restores=(restore(),))).protection
    assert (measured.rate, measured.rate_measured, measured.rto_forecast) == (400.0, True, 2_500.0)
