"""Names and folders: unique, decided from times, one slot a month, a week, a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import Folder
from backup_engine.names import Place, place_backup

START = datetime(2024, 12, 20, tzinfo=UTC)
MOMENTS = st.integers(0, 760 * 86400).map(lambda seconds: START + timedelta(seconds=seconds))
HISTORIES = st.lists(st.tuples(MOMENTS, st.booleans()), max_size=40)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def placed(history: list[tuple[datetime, bool]]) -> list[tuple[datetime, bool, Place]]:
    """Commit one after the other, in any order of times."""
    done: list[tuple[datetime, bool, Place]] = []
    for moment, slot in history:
        held = [other for other, took, _ in done if took]
        taken = {place.name for *_, place in done}
        done.append((moment, slot, place_backup(moment, slot=slot, held=held, taken=taken)))
    return done


@given(HISTORIES)
def test_no_two_backups_ever_have_one_name_whatever_their_folders(history):
    names = [place.name for *_, place in placed(history)]
    assert len(set(names)) == len(names)


@given(HISTORIES)
def test_each_month_with_a_good_full_has_exactly_one_monthly_backup(history):
    done = placed(history)
    with_slots = {(moment.year, moment.month) for moment, slot, _ in done if slot}
    monthly = [(moment.year, moment.month) for moment, _, place in done if place.folder is Folder.MONTHLY]
    assert sorted(monthly) == sorted(with_slots)


@given(HISTORIES)
def test_each_iso_week_has_at_most_one_weekly_backup_and_is_represented(history):
    done = placed(history)
    weekly = [moment.isocalendar()[:2] for moment, _, place in done if place.folder is Folder.WEEKLY]
    assert len(set(weekly)) == len(weekly)
    high = {moment.isocalendar()[:2] for moment, _, place in done if place.folder is not Folder.DAILY}
    assert {moment.isocalendar()[:2] for moment, slot, _ in done if slot} == high


@given(HISTORIES)
def test_what_takes_no_slot_lies_in_daily_under_its_second_and_blocks_no_good_name(history):
    done = placed(history)
    for moment, slot, place in done:
        if not slot:
            assert place.folder is Folder.DAILY
            assert place.name.startswith(f"backup-{moment:%Y%m%d-%H%M%S}")
    only_good = placed([(moment, True) for moment, slot, _ in done if slot])
    assert [place.folder for _, slot, place in done if slot] == [place.folder for *_, place in only_good]


@given(HISTORIES, MOMENTS)
def test_only_times_decide_never_names(history, moment):
    held = [other for other, slot in history if slot]
    assert place_backup(moment, slot=True, held=held) == place_backup(moment, slot=True, held=[*reversed(held)])


@pytest.mark.parametrize(
    ("held", "moment", "expected"),
    [
        ([], "2026-11-22T02:00", "monthly/backup-202611"),
        (["2026-11-01T02:00"], "2026-11-22T02:00", "weekly/backup-20261122"),
        (["2026-11-01T02:00", "2026-11-16T02:00"], "2026-11-22T02:00", "daily/backup-20261122"),
        (["2026-11-22T02:00"], "2026-11-22T14:30:05", "daily/backup-20261122-143005"),
        (["2026-11-30T02:00"], "2026-12-01T02:00", "monthly/backup-202612"),
        # 2026 has a week 53, which ends on 3 January 2027: one week, two years, two months
        (["2026-12-01T02:00", "2026-12-28T02:00"], "2026-12-31T23:59:59", "daily/backup-20261231"),
        (["2026-12-31T02:00"], "2027-01-01T00:00", "monthly/backup-202701"),
        (["2027-01-01T02:00"], "2027-01-03T02:00", "daily/backup-20270103"),
        (["2027-01-01T02:00"], "2027-01-04T02:00", "weekly/backup-20270104"),
        # 29 December 2025 is in week 1 of 2026, as is 1 January
        (["2025-12-01T02:00", "2025-12-29T02:00"], "2025-12-30T02:00", "daily/backup-20251230"),
        # the same week number and month a year earlier are others
        (["2025-11-16T02:00"], "2026-11-16T02:00", "monthly/backup-202611"),
    ],
)
def test_a_full_lies_in_the_highest_folder_it_qualifies_for(held, moment, expected):
    place = place_backup(at(moment), slot=True, held=[at(text) for text in held])
    assert f"{place.folder.value}/{place.name}" == expected


def test_a_taken_name_is_never_given_again():
    moment, taken, names = at("2026-11-22T02:00"), set(), []
    for _ in range(5):
        names.append(place_backup(moment, slot=True, held=[], taken=taken).name)
        taken.add(names[-1])
    second = "backup-20261122-020000"
    assert names == ["backup-202611", "backup-20261122", second, f"{second}-2", f"{second}-3"]


def test_a_backup_from_the_future_holds_only_its_own_month():
    future = at("2031-01-01T00:00")
    assert place_backup(at("2026-11-22T02:00"), slot=True, held=[future]).folder is Folder.MONTHLY
    assert place_backup(future + timedelta(days=1), slot=True, held=[future]).folder is Folder.DAILY
