"""A moment finds the newest state not after it that can be restored, says how far before it lies, and a broken chain
says what is lost and what is nearest.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import Folder, sidecar_key
from backup_engine.catalog import Catalog, how_far_before
from backup_engine.chain import all_bases, breaks
from backup_engine.errors import BrokenChain, UnknownBackup
from backup_engine.records import Verification, VerificationLevel, write_record
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import NOON
from tests.archive.lines import Line, changed, state
from tests.engine.captures import Time
from tests.engine.restores import put, with_manifest

LENGTH = 12
LINE = Line(state(range(4)))
for number in range(1, LENGTH + 1):
    LINE.add(changed(state(range(4)), [1], number))
NAMES = [built.sidecar.manifest.clear.name for built in LINE.builts]
AT = [built.sidecar.manifest.clear.captured_at for built in LINE.builts]

Numbers = set[int] | frozenset[int]


def catalog(**changes) -> Catalog:
    return Catalog(*stored(**changes))


def stored(*, without: Numbers = frozenset(), failed: Numbers = frozenset()) -> tuple[MemoryStore, Time]:
    """A full and twelve incrementals, ten minutes apart; some of them gone, some found damaged."""
    clock = Time(AT[-1] + timedelta(hours=1))
    store = MemoryStore(clock=clock)
    for number, built in enumerate(LINE.builts):
        if number not in without:
            put(store, built)
    for number in sorted(failed - without):
        note(store, clock, number, passed=False)
    return store, clock


def note(store, clock, number: int, *, passed: bool) -> None:
    figures = {"entries": 1, "vectors": 4, "bytes": 1, "seconds": 0.1, "host": "here"}
    record = Verification(at=clock(), token=f"v{number}", level=VerificationLevel.FULL, passed=passed, **figures)
    clear = LINE.builts[number].sidecar.manifest.clear
    write_record(store, clear.folder, clear.name, record)


def found(held: Catalog, moment: datetime) -> str | None:
    try:
        return held.find(moment.isoformat()).name
    except UnknownBackup:
        return None


def chain_numbers(number: int) -> set[int]:
    """A delta hangs on those whose number is its own without its lowest bits."""
    numbers = {number}
    while number:
        number &= number - 1
        numbers.add(number)
    return numbers


SOME = st.sets(st.integers(0, LENGTH), max_size=5)
SECONDS = st.integers(-700, 600 * LENGTH + 900)


@settings(max_examples=60, deadline=None)
@given(gone=SOME, failed=SOME, seconds=st.lists(SECONDS, min_size=1, max_size=6))
def test_a_moment_finds_the_newest_not_after_it_whose_chain_is_whole(gone, failed, seconds):
    held = catalog(without=gone, failed=failed)
    whole = [number for number in range(LENGTH + 1) if not chain_numbers(number) & (gone | failed)]
    answers = []
    for second in sorted(seconds):
        moment = NOON + timedelta(seconds=second)
        expected = max((number for number in whole if AT[number] <= moment), default=None)
        assert found(held, moment) == (None if expected is None else NAMES[expected])
        answers.append(-1 if expected is None else expected)
    assert answers == sorted(answers), "a later moment never finds an earlier state"


def test_a_moment_is_inclusive_to_the_microsecond_and_the_same_in_every_zone():
    held, one = catalog(), timedelta(microseconds=1)
    assert (found(held, AT[3]), found(held, AT[3] - one), found(held, AT[3] + one)) == (NAMES[3], NAMES[2], NAMES[3])
    for hours in (-12, 5.75, 14):
        zone = timezone(timedelta(hours=hours))
        assert found(held, AT[3].astimezone(zone)) == NAMES[3]
    assert found(held, AT[0] - one) is None


def test_words_skip_what_cannot_be_restored_and_a_day_means_its_full():
    held = catalog(without={8})
    assert held.find("latest").name == NAMES[7]
    assert held.find("backup-20261122").name == NAMES[0]
    assert held.find(NAMES[9]).name == NAMES[9], "a name finds even what is broken, and opening it says so"


def test_latest_verified_is_verified_and_whole():
    store, clock = stored(without={8})
    for number in (2, 9):
        note(store, clock, number, passed=True)
    assert Catalog(store, clock).find("latest-verified").name == NAMES[2]


def test_at_one_instant_the_full_comes_before_the_incremental():
    """A synthetic full stands for the incremental it was made of, whose time it has."""
    full, incremental = LINE.builts[0], LINE.builts[4]
    store, clock = MemoryStore(), Time(AT[-1])
    for name in ("backup-20261122-000000", "backup-20261122-235959"):
        clear = full.sidecar.manifest.clear.model_copy(update={"name": name, "captured_at": AT[4], "run_key": "f" * 16})
        put(store, with_manifest(full, full.sidecar.manifest.model_copy(update={"clear": clear})))
    put(store, full)
    put(store, incremental)
    assert [one.kind.value for one in Catalog(store, clock).backups()] == ["full", "full", "incremental", "full"]
    assert Catalog(store, clock).find("latest").name == "backup-20261122-235959"


@pytest.mark.parametrize(
    ("after", "words"), [({"minutes": 7}, "7 min"), ({"seconds": 0}, "0.0 s"), ({"milliseconds": 250}, "0.2 s")]
)
def test_how_far_before_the_moment_the_state_lies_is_said(after, words):
    moment = (AT[4] + timedelta(**after)).isoformat()
    backup = catalog().find(moment)
    told = how_far_before(moment, backup)
    assert told == f"{NAMES[4]} is the newest state that can be restored; it was captured {words} before {moment}"


@pytest.mark.parametrize("point", ["latest", "latest-verified", "backup-20261122", NAMES[3], "nonsense", "2026-11-22"])
def test_nothing_is_said_of_a_distance_where_no_moment_was_named(point):
    assert how_far_before(point, catalog().find(NAMES[3])) is None


def test_a_broken_link_names_what_it_takes_with_it_and_the_nearest_that_survive():
    held = catalog(without={4})
    backup = held.find(NAMES[6])
    with pytest.raises(BrokenChain) as raised:
        held.open_point(backup)
    said = str(raised.value)
    assert said.startswith(f"{NAMES[6]} hangs on {NAMES[4]}, which is not there. ")
    assert f"Lost by that: {NAMES[7]}, {NAMES[6]}, {NAMES[5]}. " in said
    assert f"{NAMES[3]} (captured 2026-11-22 12:30:00Z), {NAMES[8]} (captured 2026-11-22 13:20:00Z)" in said


def test_with_the_full_gone_nothing_survives_and_it_is_said():
    held = catalog(without={0})
    with pytest.raises(BrokenChain, match=r"Lost by that: .* and 7 more\. The nearest points .*: none;"):
        held.check_chain(held.find(NAMES[12]))
    with pytest.raises(UnknownBackup):
        held.find("latest")


def test_a_damaged_link_is_as_good_as_none():
    held = catalog(failed={8})
    with pytest.raises(BrokenChain, match=f"hangs on {NAMES[8]}, which was found damaged 2026-11-22 15:00:00Z"):
        held.check_chain(held.find(NAMES[11]))
    held.check_chain(held.find(NAMES[7]))


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, LENGTH), kept=SOME)
def test_what_does_not_belong_to_a_chain_may_go(number, kept):
    held = catalog(without=set(range(LENGTH + 1)) - chain_numbers(number) - kept)
    backup = held.find(NAMES[number])
    assert {one.name for one in all_bases(backup, held.by_name)} == {NAMES[n] for n in chain_numbers(number) - {number}}
    assert breaks(backup, held.by_name) == ()
    held.check_chain(backup)


def test_a_base_that_goes_between_listing_and_reading_is_no_surprise():
    """Manifests go first when a backup is deleted; what is open still reads, what is opened later is refused."""
    store, clock = stored()
    held = Catalog(store, clock)
    point = held.open_point(held.find(NAMES[12]))
    store.delete([sidecar_key(Folder.INCREMENTAL, NAMES[8])])
    assert sum(part.batch.num_rows for part in point.parts("c0001")) == 4
    later = Catalog(store, clock)
    with pytest.raises(BrokenChain):
        later.open_point(later.find(NAMES[12]))
