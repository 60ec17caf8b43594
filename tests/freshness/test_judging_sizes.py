"""Growing, shrinking, vanishing, filling up; and all the honest ways in which sizes change."""

from __future__ import annotations

from datetime import timedelta

from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.measures import Measure
from tests.freshness.sightings import (
    COPY,
    MILLION,
    PRIMARY,
    ago,
    backup,
    concerns,
    days,
    gone,
    of_kind,
    only,
    place,
    server,
    sighting,
)

GREW, SHRANK = ConcernKind.STORE_GREW, ConcernKind.STORE_SHRANK
FULL = ConcernKind.STORE_NEARLY_FULL


def after(vectors: int = MILLION, size: int = 500 * MILLION, earlier: int = 5, **changes):
    """What is said of a newest full like this, after so many usual ones."""
    newest = backup(ago(hours=9), vectors=vectors, bytes=size, **changes)
    return concerns(sighting(place(backups=(newest, *days(earlier)))))


def test_a_backup_that_grew_more_than_its_vectors_explain_is_told():
    assert after(size=1_500 * MILLION) == ()
    found = only(GREW, after(size=1_500 * MILLION + 1))
    assert found.severity is Severity.WARNING
    assert "1.5 GB and 1,000,000 vectors; the 5 before it had 500.0 MB" in found.found


def test_a_backup_that_grew_because_much_was_loaded_is_a_note():
    assert only(GREW, after(vectors=4 * MILLION, size=2_000 * MILLION)).severity is Severity.NOTE


def test_a_backup_that_lost_vectors_is_told():
    assert after(vectors=500_000) == ()
    found = only(SHRANK, after(vectors=499_999))
    assert found.severity is Severity.WARNING
    assert "499,999 vectors" in found.found
    assert "backup-20261126-0200" in found.remedy


def test_a_backup_that_lost_bytes_and_no_vectors_is_told():
    assert after(size=250 * MILLION) == ()
    only(SHRANK, after(size=250 * MILLION - 1))


def test_a_loss_that_a_person_accepted_is_not_told_again():
    assert after(vectors=100_000, acknowledged=True) == ()
    accepted = (backup(ago(hours=9), vectors=100_000), backup(ago(hours=10), vectors=100_000, acknowledged=True))
    assert concerns(sighting(place(backups=(*accepted, *days()[1:])))) == ()


def test_what_the_configuration_leaves_out_since_then_is_not_lost():
    assert only(SHRANK, after(vectors=100_000, left_out=1)).severity is Severity.NOTE
    usual = days(5, left_out=1)
    seen = sighting(place(backups=(backup(ago(hours=9), vectors=100_000, left_out=1), *usual)))
    assert only(SHRANK, concerns(seen)).severity is Severity.WARNING


def test_what_creeps_away_below_every_days_limit_is_told_after_all():
    creeping = tuple(backup(ago(days=day, hours=10), vectors=int(MILLION * 0.9 ** (20 - day))) for day in range(21))
    only(SHRANK, concerns(sighting(place(backups=creeping))))


def test_three_earlier_backups_make_a_habit_and_two_do_not():
    assert after(vectors=1, size=1, earlier=2) == ()
    assert of_kind(SHRANK, after(vectors=1, size=1, earlier=3))


def test_a_small_store_may_double_and_halve_as_it_likes():
    small = days(5, vectors=10, bytes=1_000)
    for vectors, size in ((400, 40_000), (1, 100)):
        newest = backup(ago(hours=9), vectors=vectors, bytes=size)
        assert concerns(sighting(place(backups=(newest, *small)))) == ()


def held(*backups: int, size: int = 3_000 * MILLION, url: str = PRIMARY):
    """What was measured on the last days, oldest first; the last one this morning."""
    last = len(backups) - 1
    return {
        url: tuple(Measure(at=ago(days=last - day, hours=11), backups=n, bytes=size) for day, n in enumerate(backups))
    }


def left(number: int, measures, **changes):
    return concerns(sighting(place(backups=days(number), **changes)), measures=measures)


def test_backups_that_vanished_are_told():
    assert left(5, held(9, 9)) == ()
    found = only(SHRANK, left(4, held(9, 9)), PRIMARY)
    assert found.severity is Severity.WARNING
    assert "holds 4 backups" in found.found
    assert "it held 9" in found.found


def test_a_store_where_nothing_is_left_is_critical_however_little_it_held():
    found = of_kind(SHRANK, left(0, held(1)))
    assert found
    assert found.severity is Severity.CRITICAL
    assert of_kind(SHRANK, left(0, held(0, 0))) is None


def test_two_of_three_backups_may_go():
    assert left(1, held(3)) == ()


def test_pruning_day_by_day_is_no_vanishing():
    assert left(30, held(31, 31, 31)) == ()


def test_what_vanished_is_told_for_a_week():
    weeks = held(20, *[4] * 7)
    assert of_kind(SHRANK, left(4, {PRIMARY: weeks[PRIMARY][1:]})) is None
    assert of_kind(SHRANK, left(4, {PRIMARY: weeks[PRIMARY][:1]})) is None, "eight days old"
    assert of_kind(SHRANK, left(4, held(20, 4, 4)))


def test_a_place_that_does_not_answer_has_not_lost_its_backups():
    found = concerns(sighting(gone(), place(copy=True)), measures=held(20))
    assert of_kind(SHRANK, found) is None


def grown(size: int, **changes):
    return concerns(sighting(place(bytes=size, **changes)), measures=held(6, 6))


def test_a_store_that_doubles_within_a_day_is_told():
    assert grown(6_000 * MILLION) == ()
    found = only(GREW, grown(6_000 * MILLION + 1), PRIMARY)
    assert found.severity is Severity.WARNING
    assert "grew by 3.0 GB" in found.found


def test_a_day_of_five_fulls_is_no_odd_growth():
    measures = held(1, 1, size=500 * MILLION)
    assert concerns(sighting(place(bytes=3_000 * MILLION)), measures=measures) == ()
    assert of_kind(GREW, concerns(sighting(place(bytes=3_000 * MILLION + 1)), measures=measures))


def test_a_new_place_fills_as_it_should():
    assert grown(60_000 * MILLION, created_at=ago(days=6)) == ()
    assert grown(60_000 * MILLION, created_at=ago(days=7))


def room(free: int, **changes):
    return concerns(sighting(place(free_bytes=free), **changes))


def test_a_store_without_room_for_the_next_backup_is_critical_and_for_two_more_a_warning():
    assert room(2_200 * MILLION) == ()
    assert only(FULL, room(2_200 * MILLION - 1), PRIMARY).severity is Severity.WARNING
    assert only(FULL, room(1_200 * MILLION), PRIMARY).severity is Severity.WARNING
    found = only(FULL, room(1_200 * MILLION - 1), PRIMARY)
    assert found.severity is Severity.CRITICAL
    assert "has 1.2 GB free; at least 2.2 GB was expected" in found.found
    assert "refused before it begins" in found.risk


def test_a_run_may_need_room_for_a_while():
    assert only(FULL, room(1), PRIMARY).grace_seconds == timedelta(hours=1, minutes=4).total_seconds()


def test_a_store_that_knows_no_limit_is_never_full():
    assert concerns(sighting(place(free_bytes=None))) == ()


def test_a_copy_needs_room_for_archives_only():
    def copy(free: int):
        return concerns(sighting(place(), place(copy=True, free_bytes=free)))

    assert copy(1_500 * MILLION) == ()
    assert only(FULL, copy(1_500 * MILLION - 1), COPY).severity is Severity.WARNING
    assert only(FULL, copy(1), COPY).severity is Severity.WARNING


def test_a_new_store_is_measured_by_what_the_server_holds():
    empty = place(backups=(), created_at=ago(hours=1), free_bytes=1_200 * MILLION)
    assert of_kind(FULL, concerns(sighting(empty))) is None
    less = empty.model_copy(update={"free_bytes": 1_200 * MILLION - 1})
    assert of_kind(FULL, concerns(sighting(less)))
    assert of_kind(FULL, concerns(sighting(less, server=server(capture_bytes=None)))) is None
