"""Is what had its time let go of, is nothing else gone, and does nothing lie there that is not to be believed?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from backup_engine.archive.manifest import BackupKind
from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.measures import Measure
from backup_engine.freshness.sighting import PruningGlance
from tests.freshness.sightings import (
    COPY,
    MILLION,
    PRIMARY,
    ago,
    backup,
    concerns,
    days,
    of_kind,
    only,
    place,
    sighting,
)

OLD, SHRANK, QUARANTINED = ConcernKind.PRUNING_OLD, ConcernKind.STORE_SHRANK, ConcernKind.QUARANTINED


def pruning(at: datetime, deleted: int = 200) -> PruningGlance:
    return PruningGlance(at=at, kept=60, deleted=deleted, freed=deleted * MILLION)


def increments(number: int):
    return tuple(backup(ago(hours=hour + 11), kind=BackupKind.INCREMENTAL, bytes=MILLION) for hour in range(number))


def held(number: int, **length: float) -> dict[str, tuple[Measure, ...]]:
    return {PRIMARY: (Measure(at=ago(**length), backups=number, bytes=3_000 * MILLION),)}


def after(left: int, measures, *prunings: PruningGlance, **changes):
    backups = (*days(5), *increments(left - 5))
    found = concerns(sighting(place(backups=backups, prunings=prunings, **changes)), measures=measures)
    return of_kind(SHRANK, found)


# ------------------------------------------------------------------ what went


def test_two_hundred_increments_that_a_pruning_took_are_not_told():
    assert after(60, held(260, days=1), pruning(ago(hours=9))) is None


def test_two_hundred_that_nobody_pruned_are_told():
    found = after(60, held(260, days=1))
    assert found.severity is Severity.WARNING
    assert "holds 60 backups" in found.found
    assert "it held 260" in found.found


def test_two_hundred_that_went_beside_those_that_were_pruned_are_told_with_how_many_were():
    found = after(60, held(460, days=1), pruning(ago(hours=9)))
    assert "it held 460" in found.found
    assert "of which 200 were pruned" in found.found


def test_two_hundred_are_told_even_where_most_are_left():
    assert after(300, held(500, days=1))
    assert after(300, held(500, days=1), pruning(ago(hours=9))) is None
    assert after(451, held(500, days=1)) is None, "under fifty, where most are left, somebody cleaned up"
    assert after(450, held(500, days=1))


def test_a_pruning_before_the_measure_explains_nothing_after_it():
    assert after(60, held(260, hours=5), pruning(ago(hours=9)))


def test_several_prunings_of_a_week_are_taken_together():
    both = (pruning(ago(hours=9), 100), pruning(ago(days=1, hours=9), 100))
    assert after(60, held(260, days=2), *both) is None
    assert after(60, held(260, days=2), both[0])


def test_what_grew_back_after_a_pruning_hides_no_later_loss():
    measures = {PRIMARY: tuple(Measure(at=ago(days=day), backups=260 - 200 * (day < 3), bytes=1) for day in (5, 2))}
    assert after(60, measures, pruning(ago(days=4))) is None
    assert after(5, measures, pruning(ago(days=4)))


# ------------------------------------------------------------------ what should have gone


@pytest.mark.parametrize(
    ("overdue", "last", "told"),
    [
        (12, ago(days=4, hours=12), True),
        (0, ago(days=4, hours=12), False),
        (12, ago(hours=9), False),
        (12, ago(days=2, hours=9), False),
        (12, None, True),
        (0, None, False),
    ],
    ids=["old", "nothing is to go", "this morning", "the weekend", "never", "never, and nothing is to go"],
)
def test_pruning_that_stopped_is_told_where_something_should_have_gone(overdue, last, told):
    seen = place(overdue=overdue, prunings=() if last is None else (pruning(last),))
    found = of_kind(OLD, concerns(sighting(seen)))
    assert (found is not None) is told
    if found:
        assert found.severity is Severity.WARNING
        assert "(30d/12w/12m) would let 12 backups go" in found.found
        assert "prune --deployment production" in found.remedy


def test_where_no_full_came_since_pruning_is_not_what_is_wrong():
    late = place(overdue=12, backups=days(5)[4:], prunings=(pruning(ago(days=4)),))
    assert of_kind(OLD, concerns(sighting(late))) is None


def test_it_is_counted_from_the_first_full_that_should_have_let_something_go():
    found = only(OLD, concerns(sighting(place(overdue=3, prunings=(pruning(ago(days=9)),), backups=days(5)))))
    assert found.since == days(5)[-1].verified_at + timedelta(days=3)


# ------------------------------------------------------------------ what is not to be believed


def test_what_lies_in_quarantine_is_told_by_place_once_it_was_seen_for_a_while():
    seen = sighting(place(), place(copy=True, quarantined=("daily/x.tar.gz: no manifest names it",)))
    found = only(QUARANTINED, concerns(seen), COPY)
    assert found.severity is Severity.WARNING
    assert found.grace_seconds >= 1800
    assert "1 thing is not what a backup of production can be: daily/x.tar.gz: no manifest" in found.found


def test_a_place_that_holds_nothing_strange_is_silent():
    assert concerns(sighting()) == ()
