"""Where increments come between fulls: what is a recovery point then, and how old it may become."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupKind, Folder
from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.forecasting import SWITCHING
from backup_engine.freshness.glancing import glance_at_standby
from backup_engine.freshness.judging import judge
from backup_engine.freshness.points import longest_age, measured_rpo
from backup_engine.freshness.protecting import protection
from backup_engine.freshness.sighting import StandbyGlance
from backup_engine.standby.state import Promotion, StandbyState
from tests.engine.captures import capture
from tests.freshness.sightings import NOW, ago, backup, concerns, dag, deployment, of_kind, only, place, sighting, told
from tests.freshness.test_observing import Scene

OLD = ConcernKind.RECOVERY_POINT_OLD
CRITICAL = deployment(tier="critical", rpo=None, schedule={"incremental": None})
HOURLY = deployment(rpo=None, schedule={"incremental": None})


def increment(began, seconds: float = 20.0, **changes):
    """A good one that was read back right after it was read."""
    given = {
        "name": f"backup-{began:%Y%m%d-%H%M%S}",
        "kind": BackupKind.INCREMENTAL,
        "folder": Folder.INCREMENTAL,
        "seconds": seconds,
        "captured_at": began + timedelta(seconds=seconds),
        "verified_at": began + timedelta(seconds=seconds + 5),
        "bytes": 1_000_000,
    }
    return backup(began, **(given | changes))


def steps(*minutes: float, **changes):
    """Increments so many minutes ago, over a full of the night."""
    return place(backups=(*(increment(ago(minutes=one), **changes) for one in minutes), backup(ago(hours=10))))


def test_an_incremental_that_was_read_back_moves_the_recovery_point():
    seen = sighting(steps(5, 15, 25))
    assert told(concerns(seen, CRITICAL)) == []
    judged = protection(CRITICAL, seen)
    assert (judged.rpo, judged.rpo_real) == (15 * 60, 5 * 60)
    assert judged.rpo_measured == 10 * 60 + 20
    assert judged.fresh_full_at == ago(hours=10)
    assert judged.rto_forecast == judged.vectors / judged.rate, "the state is restored, not the increment"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"verified_at": None}, "it was not read back yet"),
        ({"broken": "it hangs on b, which is not there"}, "it hangs on b, which is not there"),
    ],
)
def test_one_that_was_not_read_back_or_hangs_on_what_is_gone_moves_nothing(changes, why):
    seen = sighting(place(backups=(increment(ago(minutes=5), **changes), increment(ago(minutes=16)))))
    found = of_kind(OLD, concerns(seen, CRITICAL))
    assert found
    assert found.severity is Severity.CRITICAL
    assert "is 16 min old" in found.found
    assert why in found.found
    assert "vectorizer_production_incremental_backup" in found.remedy or "incremental backup DAG" in found.remedy


def test_how_old_it_may_become_follows_the_schedule_that_brings_most_of_them():
    points = steps(5).backups
    assert longest_age(CRITICAL.terms, points) == timedelta(minutes=15)
    assert longest_age(HOURLY.terms, points) == timedelta(minutes=90)
    assert told(concerns(sighting(steps(89)), HOURLY)) == []
    late = only(OLD, tuple(one for one in concerns(sighting(steps(91)), HOURLY) if one.kind is OLD))
    assert "with backups at '0 * * * *' it is never to be older than 1 h 30 min" in late.found


def test_increments_that_take_too_long_for_the_promise_are_noted_by_their_own_length():
    quick = concerns(sighting(steps(5, 15, seconds=60.0)), CRITICAL)
    assert of_kind(ConcernKind.SCHEDULE_TOO_RARE, quick) is None
    slow = of_kind(ConcernKind.SCHEDULE_TOO_RARE, concerns(sighting(steps(5, 15, seconds=6 * 60.0)), CRITICAL))
    assert slow
    assert slow.severity is Severity.NOTE
    assert "and one takes 6 min" in slow.found
    assert "schedule: {incremental:" in slow.remedy


def test_what_could_have_been_lost_is_told_by_what_was_there_before_whichever_kind_it_is():
    full = backup(ago(hours=3), captured_at=ago(minutes=30))
    during = [increment(ago(minutes=40)), increment(ago(minutes=50))]
    assert measured_rpo(full, [full, *during]) == timedelta(minutes=10), "the full came last and moved nothing back"
    assert measured_rpo(during[0], [full, *during]) == timedelta(minutes=10, seconds=20)
    assert measured_rpo(during[1], [full, *during]) is None, "nothing was there before it"
    spoilt = increment(ago(minutes=45), verified_at=None, damaged=True)
    assert measured_rpo(during[0], [*during, spoilt]) == timedelta(minutes=10, seconds=20)


def test_a_run_that_was_not_made_is_made_good_by_what_holds_as_much():
    def of_dag(purpose, *backups):
        seen = sighting(place(backups=backups), dags=(dag(purpose, made=False, due=ago(hours=5)),))
        return of_kind(
            ConcernKind.NO_RUN, concerns(seen, deployment(rpo="48h", schedule={"incremental": "0 */4 * * *"}))
        )

    since, before = increment(ago(hours=4)), backup(ago(hours=10))
    assert of_dag("incremental_backup", since, before) is None
    assert of_dag("incremental_backup", backup(ago(hours=4))) is None, "a full holds all that an incremental would"
    assert of_dag("full_backup", since, before), "an incremental is no full"
    assert of_dag("incremental_backup", before)


def test_a_failed_full_is_made_good_by_a_full_only():
    fresh = judge(HOURLY, sighting(steps(5))).protection.fresh_for
    assert fresh == {"full_backup": ago(hours=10), "incremental_backup": ago(minutes=5)}
    nothing = judge(HOURLY, sighting(place(backups=(), created_at=NOW))).protection
    assert nothing.fresh_for == {}


def test_a_look_sees_that_a_backup_hangs_on_one_that_is_gone():
    scene = Scene()
    made = capture(scene.server, scene.store, scene.clock, "third", incremental=True)
    assert made.folder is Folder.INCREMENTAL
    scene.clock.pass_by(minutes=1)
    newest, *_ = scene.look().primary.backups
    assert (newest.name, newest.kind, newest.broken, newest.good) == (made.name, BackupKind.INCREMENTAL, "", True)
    scene.store.delete([f"{scene.second.folder}/{scene.second.name}.json"])
    scene.store.delete([f"{scene.first.folder}/{scene.first.name}.json"])
    newest, *_ = scene.look().primary.backups
    assert not newest.good
    assert f"{made.name} hangs on " in newest.broken
    damaged = of_kind(ConcernKind.NEWEST_DAMAGED, concerns(scene.look()))
    assert damaged
    assert "cannot be restored from there" in damaged.found


WITH_STANDBY = {"standby": {"connection": "spare", "url": "http://spare:15002"}, "schedule": {"incremental": None}}


def beside(*minutes: float, **standby):
    """Increments, and a standby that holds the first of them, unless something else is said."""
    held = {"connection": "spare", "backup": "b", "started_at": ago(minutes=minutes[0])} | standby
    return sighting(steps(*minutes, vectors=50_000_000).model_copy(update={"standby": StandbyGlance(**held)}))


def test_with_a_standby_that_is_up_to_date_the_time_to_restore_does_not_grow_with_the_data():
    of = deployment(tier="critical", rpo=None, **WITH_STANDBY)
    judged = judge(of, beside(5, 15))
    held = judged.protection
    assert held.rto_forecast == SWITCHING < held.rto
    assert (held.standby, held.standby_behind, held.standby_ready) == ("b", 0, True)
    assert told(judged.concerns) == []
    assert judge(of, beside(5, 15, started_at=ago(minutes=20))).protection.standby_ready


@pytest.mark.parametrize(
    ("standby", "found"),
    [
        ({"started_at": ago(minutes=21)}, "it is 16 min behind "),
        ({"wrong": ("docs is doubtful: it restarted",)}, "docs is doubtful"),
        ({"backup": None, "started_at": None, "wrong": ("nothing was brought to it yet",)}, "it is empty: nothing was"),
    ],
    ids=["behind", "doubtful", "empty"],
)
def test_a_standby_that_cannot_be_relied_on_shortens_nothing_and_is_told(standby, found):
    of = deployment(tier="critical", rpo=None, **WITH_STANDBY)
    judged = judge(of, beside(5, 15, **standby))
    assert judged.protection.rto_forecast == 50_000_000 / judged.protection.rate
    assert {one.kind for one in judged.concerns} >= {ConcernKind.STANDBY_BEHIND, ConcernKind.RESTORE_TOO_SLOW}
    assert found in of_kind(ConcernKind.STANDBY_BEHIND, judged.concerns).found


def test_what_the_primary_store_remembers_of_the_standby_is_seen():
    scene, of = Scene(), deployment(**WITH_STANDBY)
    assert scene.look().primary.standby is None
    assert scene.look(of).primary.standby.wrong == ("nothing was brought to it yet",)
    scene.store.create("standby/spare.json", [b"{}"])
    assert "does not tell what a standby holds" in scene.look(of).primary.standby.wrong[0]
    state = StandbyState(deployment="production", server_url="http://spare:15002", backup="b", started_at=NOW)
    scene.store.delete(["standby/spare.json"])
    scene.store.create("standby/spare.json", [state.model_dump_json().encode()])
    assert scene.look(of).primary.standby == StandbyGlance(connection="spare", backup="b", started_at=NOW)
    promoted = state.model_copy(update={"promoted": Promotion(at=NOW, by="dana")})
    assert "dana took it into service" in glance_at_standby("spare", promoted).wrong[0]
