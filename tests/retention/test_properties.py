"""What holds for every history and every policy: R1 to R10, R12 and C1 of the invariants that retention is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupKind, BackupState
from backup_engine.backup import Backup
from backup_engine.chain import bases_of, by_name, lacking, unbroken
from backup_engine.retention.periods import PERIODS, local
from backup_engine.retention.planning import is_sound
from backup_engine.retention.policy import Policy, Slots
from backup_engine.retention.quarantine import quarantined
from tests.retention.generated import END, elsewhere, histories, instants, policies
from tests.retention.histories import LATER, PLAIN, days, delta, full, gone, kept, left, looked, plan

JUNK = ("partial", "suspect", "chosen", "damaged", "broken")
NOWS = st.one_of(st.just(datetime(1970, 1, 1, tzinfo=UTC)), instants, st.just(LATER))


@given(histories(), policies(), NOWS, st.randoms())
def test_every_backup_is_kept_or_let_go_whatever_the_order(history, policy, now, chance):
    made = plan(history, policy, now)
    assert kept(made) | gone(made) == {one.name for one in history}
    assert not kept(made) & gone(made)
    shuffled = list(history)
    chance.shuffle(shuffled)
    assert plan(shuffled, policy, now) == made


@given(histories(), policies(), st.integers(-12, 14))
def test_how_an_instant_is_written_makes_no_difference(history, policy, hours):
    moved = [
        replace(one, outline=one.outline.model_copy(update={"captured_at": elsewhere(one.captured_at, hours)}))
        for one in history
    ]
    assert kept(plan(moved, policy)) == kept(plan(history, policy))


@given(histories(), policies(), NOWS)
def test_the_newest_good_two_verified_and_two_proven_fulls_are_never_let_go(history, policy, now):
    known = by_name(history)
    sound = [one for one in reversed(_in_order(history)) if is_sound(one, known)]
    fulls = [one for one in sound if one.kind is BackupKind.FULL]
    floor = [
        *sound[:1],
        *[one for one in sound if one.verified_at][:2],
        *[one for one in fulls if one.proven_at][:2],
    ]
    assert {one.name for one in floor} <= kept(plan(history, policy, now))


@given(histories(), policies(), instants, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_time_that_passes_without_a_backup_lets_nothing_go_but_what_was_pinned(history, policy, now, passed):
    unpinned = [replace(one, records=tuple(rec for rec in one.records if rec.kind != "pin")) for one in history]
    assert gone(plan(unpinned, policy, now)) == gone(plan(unpinned, policy, now + passed))
    assert gone(plan(history, policy, now)) <= gone(plan(history, policy, now + passed))


@given(histories(junk=False), policies(), st.timedeltas(timedelta(minutes=6), timedelta(days=4000)))
def test_a_backup_from_the_future_changes_nothing(history, policy, ahead):
    intruder = full("from the future", END + ahead)
    sizes = {f"{one.folder.value}/{one.name}.tar.gz": one.bytes for one in [*history, intruder]}
    there, quarantine = quarantined([*history, intruder], sizes, "production", (), END)
    assert [one.key for one in quarantine if "which is to come" in one.reason] == ["daily/from the future.json"]
    assert plan(there, policy, END) == plan(history, policy, END)


@given(histories(), policies(), st.lists(st.integers(1, 20_000), min_size=1, max_size=8), st.sampled_from(JUNK))
def test_junk_never_lets_a_good_one_go(history, policy, minutes, what):
    """Just before each good one lies the junk, where it would take the good one's slot."""
    times = [END, *(one.captured_at for one in history)]
    extra = [
        _junk(f"junk{number}", times[number % len(times)] - timedelta(minutes=one), what)
        for number, one in enumerate(minutes)
    ]
    assert kept(plan(history, policy)) <= kept(plan([*history, *extra], policy))


def _junk(name: str, at: datetime, what: str) -> Backup:
    match what:
        case "chosen":
            return full(name, at, whole_scope=False)
        case "damaged":
            return full(name, at, looked(at, passed=False))
        case "broken":
            return delta(name, at, full("never there", at))
        case _:
            return full(name, at, state=BackupState(what))


@given(histories(), policies(), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_larger_policy_keeps_no_less(history, policy, days_more, weeks_more, months_more):
    slots = policy.slots
    larger = Slots(daily=slots.daily + days_more, weekly=slots.weekly + weeks_more, monthly=slots.monthly + months_more)
    assert kept(plan(history, policy)) <= kept(plan(history, policy.model_copy(update={"slots": larger})))


@given(histories(), policies(), NOWS)
def test_pruning_twice_is_pruning_once(history, policy, now):
    once = left(history, plan(history, policy, now))
    assert not plan(once, policy, now).delete


@settings(max_examples=40)
@given(st.integers(2, 120), policies(), st.sets(st.integers(0, 119), max_size=30), st.sampled_from([1, 3, 7]))
def test_pruning_every_day_leaves_the_fulls_that_pruning_once_leaves(number, policy, missing, every):
    """R7: the classic hidden bug is a representative that the next pruning takes away."""
    history = [one for day, one in enumerate(days(number)) if day not in missing]
    there: list[Backup] = []
    for count, one in enumerate(history):
        there.append(one)
        if count % every == 0 or one is history[-1]:
            there = left(there, plan(there, policy))
    assert {one.name for one in there} == kept(plan(history, policy))


@given(histories(), policies())
def test_each_of_the_newest_periods_with_a_full_keeps_exactly_its_first(history, policy):
    made, known, zone = plan(history, policy), by_name(history), ZoneInfo(policy.zone)
    fulls = [one for one in _in_order(history) if one.kind is BackupKind.FULL and is_sound(one, known)]
    numbers = {"day": policy.slots.daily, "week": policy.slots.weekly, "month": policy.slots.monthly}
    for period, name_of in PERIODS.items():
        firsts: dict[str, Backup] = {}
        for one in fulls:
            firsts.setdefault(name_of(local(one.captured_at, zone)), one)
        wanted = sorted(firsts.items(), key=lambda pair: (pair[1].captured_at, pair[1].name))[::-1][: numbers[period]]
        said = {(why.split()[3], one.name) for one in made.keep for why in one.reasons if f"({period} " in why}
        assert said == {(named, one.name) for named, one in wanted}


@given(histories(), policies(), instants)
def test_what_a_kept_backup_hangs_on_is_kept_and_what_goes_goes_after_what_hangs_on_it(history, policy, now):
    made, known = plan(history, policy, now), by_name(history)
    for name in kept(made):
        assert bases_of(known[name]) <= kept(made)
    order = {one.name: place for place, one in enumerate(made.delete)}
    for name, place in order.items():
        assert all(order[base] > place for base in bases_of(known[name]) & order.keys())


@given(histories(), policies(), NOWS)
def test_every_kept_one_says_why_and_every_other_by_which_rule(history, policy, now):
    made = plan(history, policy, now)
    assert all(one.reasons and all(one.reasons) for one in made.keep)
    assert all(one.reason for one in made.delete)


@given(histories(), policies())
def test_without_the_rules_that_keep_it_a_backup_goes(history, policy):
    """R12: no reason is told that does not hold the backup."""
    bare = Policy(
        slots=Slots(daily=1, weekly=0, monthly=0),
        zone=policy.zone,
        floor=timedelta(0),
        set_aside=timedelta(0),
        chosen=timedelta(0),
        incremental=policy.incremental.model_copy(update={"all_for": timedelta(0), "thinned_for": timedelta(0)}),
    )
    slots_only = {
        one.name for one in plan(history, policy).keep if all(why.startswith("first full of") for why in one.reasons)
    }
    newest_day = {one.name for one in plan(history, bare).keep}
    assert all(name in gone(plan(history, bare)) for name in slots_only - newest_day)


@given(histories(), st.sampled_from(JUNK))
def test_all_at_once_the_same_chains_are_unbroken_as_one_by_one(history, what):
    known = by_name([*history, _junk("junk", END, what)])
    assert unbroken(known) == {name for name, one in known.items() if lacking(one, known) is None}


def test_the_checks_above_catch_a_planner_that_counts_from_now():
    """Each check has a case it fails on: thirty days counted from now keep nothing after an outage of a year."""
    history = days(60)
    now = history[-1].captured_at + timedelta(days=370)
    literal = {one.name for one in history if now - one.captured_at <= timedelta(days=30)}
    assert not literal
    assert len(kept(plan(history, PLAIN, now))) >= 30


def _in_order(history: Sequence[Backup]) -> list[Backup]:
    return sorted(history, key=lambda one: (one.captured_at, one.name))
