"""Time travel over any history of a server: the answers are those of a model that remembers what it held."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from backup_engine.catalog import Catalog
from backup_engine.diff.differing import diff_points
from backup_engine.diff.finding import find_change
from backup_engine.diff.report import StateDiff, Verdict
from tests.engine.points import point_of
from tests.engine.test_points_model import NAMES, STEPS, History

_SLOW = [HealthCheck.too_slow]


def history_of(steps) -> History:
    made = History()
    made.capture(incremental=False)
    for step in steps:
        made.happen(*step)
        made.capture()
    return made


@settings(max_examples=25, deadline=None, suppress_health_check=_SLOW)
@given(STEPS)
def test_differences_are_those_of_the_states(steps) -> None:
    history = history_of(steps)
    names = [*history.states]
    for first, second in {(names[0], names[-1]), (names[-2], names[-1]), (names[-1], names[len(names) // 2])}:
        points = (point_of(history.store, history.clock, name) for name in (first, second))
        _check(diff_points(*points, ids=1000), history.states[first], history.states[second])


def _check(found: StateDiff, before: dict, after: dict) -> None:
    assert {one.name for one in found.collections} == {*before, *after}
    for one in found.collections:
        old, new = before.get(one.name), after.get(one.name)
        if old is None or new is None:
            assert one.verdict is (Verdict.ADDED if old is None else Verdict.REMOVED)
            continue
        moved = {key for key in old.keys() & new.keys() if old[key][0] != new[key][0]}
        others = {key for key in old.keys() & new.keys() if old[key][1] != new[key][1]}
        assert one.examples.added == tuple(sorted(new.keys() - old.keys()))
        assert one.examples.deleted == tuple(sorted(old.keys() - new.keys()))
        assert one.examples.re_embedded == tuple(sorted(moved))
        assert one.records.re_embedded == len(moved)
        same_dimension = not any("dimension" in sentence for sentence in one.reconfigured)
        if same_dimension:
            assert one.examples.payload_only == tuple(sorted(others - moved))
            assert sum(each.records for each in one.shifts) + one.unmeasured == len(moved)


@settings(max_examples=25, deadline=None, suppress_health_check=_SLOW)
@given(STEPS)
def test_the_history_of_every_record_is_the_models(steps) -> None:
    history = history_of(steps)
    backups = Catalog(history.store, history.clock).backups()
    for collection in NAMES:
        ever = {key for state in history.states.values() for key in state.get(collection, {})}
        for key in sorted(ever)[:6]:
            found = find_change(history.store, backups, collection, key)
            told = [(one.what.value, one.backup, one.same_as) for one in found.events]
            assert told == _expected(history, collection, key)
            assert found.not_told == ()


def _expected(history: History, collection: str, key: str) -> list[tuple[str, str, str | None]]:
    events, first_with, last = [], {}, None
    for number, (name, state) in enumerate(history.states.items()):
        now = state.get(collection, {}).get(key)
        if now != last:
            what = "vanished" if now is None else "changed" if last else "appeared" if number else "first"
            events.append((what, name, first_with.get(now) if now else None))
        if now:
            first_with.setdefault(now, name)
        last = now
    return events
