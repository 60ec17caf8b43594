"""What is kept, for how long, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.restore.lifecycle import KnownRestore, Progression, list_restores, release_restore
from backup_engine.restore.releasing import plan_releases
from backup_engine.restore.request import RestoreMode
from tests.engine.restores import ID
from tests.engine.scenes import Scene

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def finished(*, in_place: bool = False, undone: bool = False) -> tuple[Scene, KnownRestore]:
    scene = Scene(RestoreMode.REPLACE, in_place=in_place)
    scene.run()
    if undone:
        scene.undo()
    return scene, list_restores(scene.store)[0]


def reason(known: KnownRestore, now: datetime, keep: timedelta | None) -> tuple[bool, str]:
    [planned] = plan_releases([known], now, keep)
    assert planned.restore_id == known.restore_id
    return planned.release, planned.reason


@pytest.mark.parametrize("undone", [False, True])
def test_what_was_replaced_is_kept_for_the_time_and_then_let_go_of(undone):
    _, known = finished(undone=undone)
    ended = known.undone.at if known.undone else known.report.finished_at
    kept, why = reason(known, ended + 7 * DAY - timedelta(seconds=1), 7 * DAY)
    assert (kept, why) == (False, f"kept until {ended + 7 * DAY:%Y-%m-%d %H:%M:%S}Z")
    assert reason(known, ended + 7 * DAY, 7 * DAY) == (True, "it ended 7 d ago")


def test_for_ever_is_for_ever():
    _, known = finished()
    assert reason(known, NOW + 9999 * DAY, None) == (False, "what was replaced is kept for ever: release it by name")


def test_a_clock_that_is_behind_lets_go_of_nothing():
    _, known = finished()
    assert not reason(known, known.report.finished_at - 30 * DAY, timedelta(0))[0]


@pytest.mark.parametrize("undone", [False, True])
def test_what_holds_nothing_aside_is_not_released(undone):
    _, known = finished(in_place=True, undone=undone)
    assert reason(known, NOW + 99 * DAY, DAY) == (False, "it holds no collection aside")


def test_what_was_released_is_done_with():
    scene, _ = finished()
    release_restore(ID, scene.server, scene.store, scene.clock, "a test")
    assert reason(list_restores(scene.store)[0], NOW + 99 * DAY, DAY) == (False, "it was released already")


@given(
    progression=st.sampled_from([Progression.PLANNED, Progression.STARTED, Progression.UNREADABLE]),
    age=st.timedeltas(timedelta(0), 9999 * DAY),
    keep=st.none() | st.timedeltas(timedelta(0), 9999 * DAY),
)
def test_what_is_not_finished_is_never_let_go_of_by_itself(progression, age, keep):
    known = KnownRestore(restore_id=ID, progression=progression, planned_at=NOW - age)
    assert not reason(known, NOW, keep)[0]


def test_each_is_decided_for_itself_in_the_order_given():
    _, known = finished()
    planned = KnownRestore(restore_id="f" * 12, progression=Progression.PLANNED, planned_at=NOW)
    found = plan_releases([planned, known], NOW + 99 * DAY, DAY)
    assert [(one.restore_id, one.release) for one in found] == [("f" * 12, False), (ID, True)]
