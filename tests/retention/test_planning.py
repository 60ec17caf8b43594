"""What is kept and why, by example."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.retention.planning import CopyHolding
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots, parse_slots
from tests.retention.histories import (
    LATER,
    PLAIN,
    SETTING,
    START,
    days,
    delta,
    full,
    gone,
    hourly,
    kept,
    left,
    looked,
    pin,
    plan,
    proof,
    reasons,
    unpin,
)


def test_a_year_of_daily_fulls_leaves_thirty_days_twelve_weeks_and_twelve_months():
    made = plan(days(400))
    assert len(made.keep) == 30 + 8 + 11  # eight of the weeks and eleven of the months begin before the thirty days do
    assert reasons(made, "full-0399") == ("the newest good backup", "the newest good full", *_slots("full-0399", made))
    assert reasons(made, "full-0059") == ("first full of 2026-03 (month 12 of 12)",)


def _slots(name: str, made) -> tuple[str, ...]:
    return tuple(why for why in reasons(made, name) if why.startswith("first full of"))


def test_the_first_full_of_a_day_stands_for_it():
    first, second = full("first", START), full("second", START + timedelta(hours=3))
    made = plan([second, first, *days(3, start=START + timedelta(days=1))])
    assert "first full of 2026-01-01 (day 4 of 30)" in reasons(made, "first")
    assert gone(made) == {"second"}
    assert made.delete[0].reason == "stands for no day, week or month of 30d/12w/12m"


def test_an_outage_uses_nothing_up():
    before = days(40)
    after = full("after", START + timedelta(days=40 + 370))
    made = plan([*before, after])
    assert len(kept(made) & {one.name for one in before}) >= 29


def test_weeks_are_iso_weeks_and_the_year_that_begins_in_one_belongs_to_it():
    made = plan(days(10, start=datetime(2026, 12, 25, 2, tzinfo=UTC)), Policy(slots=Slots(daily=0, monthly=0)))
    assert "first full of 2026-W53 (week 1 of 12)" in reasons(made, "full-0003")


def test_days_are_those_of_the_zone():
    late, early = (
        full("late", datetime(2026, 3, 1, 22, 30, tzinfo=UTC)),
        full("early", datetime(2026, 3, 1, 2, tzinfo=UTC)),
    )
    policy = PLAIN.model_copy(update={"zone": "Europe/Berlin"})
    assert "first full of 2026-03-01 (day 1 of 30)" in reasons(plan([late, early], policy), "early")
    later = full("later", datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    assert "first full of 2026-03-02 (day 1 of 30)" in reasons(plan([later, early], policy), "later")
    assert gone(plan([full("x", late.captured_at), later, early, *days(2, start=START)], policy)) == {"x"}


def test_the_newest_verified_and_proven_stay_whatever_the_policy():
    every = days(100)
    every[3] = full("proven", every[3].captured_at, proof(LATER))
    every[5] = full("verified", every[5].captured_at, looked(LATER))
    every[7] = full("verified too", every[7].captured_at, looked(LATER))
    made = plan(every, Policy(slots=Slots(daily=1, weekly=0, monthly=0), floor=timedelta(0)))
    assert kept(made) == {"full-0099", "proven", "verified", "verified too"}


def test_what_was_found_damaged_since_is_no_proof():
    every = days(100)
    every[3] = full("damaged", every[3].captured_at, looked(LATER), looked(LATER + timedelta(days=1), passed=False))
    assert "damaged" in gone(plan(every))


ODD = {
    "partial": full("odd", START - timedelta(minutes=5), state=BackupState.PARTIAL),
    "suspect": full("odd", START - timedelta(minutes=5), state=BackupState.SUSPECT),
    "found damaged": full("odd", START - timedelta(minutes=5), looked(START, passed=False)),
    "hangs on what is not there": delta("odd", START - timedelta(minutes=5), full("gone", START - timedelta(days=1))),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_not_sound_goes_after_a_week_and_takes_no_slot(what: str):
    odd = ODD[what]
    assert "first full of 2026-01-01 (day 6 of 30)" in reasons(plan([odd, *days(6)]), "full-0000")
    assert reasons(plan([odd, *days(6)]), "odd") == (f"{what}: kept for 7 d",)
    assert gone(plan([odd, *days(8)])) == {"odd"}


def test_a_backup_of_chosen_collections_is_kept_for_a_month():
    odd = full("chosen", START, whole_scope=False)
    assert "chosen" in kept(plan([odd, *days(29)]))
    assert "chosen" in gone(plan([odd, *days(32)]))


def test_nothing_goes_while_nothing_good_is_there():
    every = [full(f"odd {day}", START + timedelta(days=day), state=BackupState.PARTIAL) for day in range(90)]
    made = plan(every)
    assert not made.delete
    assert made.anchor is None
    assert reasons(made, "odd 0") == ("there is no good backup here: nothing goes",)


def test_incrementals_are_all_kept_for_a_day_then_one_in_eight_hours_then_none():
    fulls = days(40)
    every = [*fulls, *(one for base in fulls for one in hourly(base, range(1, 24)))]
    made = plan(every)
    of_day = {name for name in kept(made) if name.startswith("full-0030-")}
    assert {"full-0030-08", "full-0030-16"} <= of_day
    assert len(of_day) <= 4  # two of those stretches begin in the day before
    assert not {name for name in kept(made) if name.startswith("full-0005-")}
    assert {f"full-0039-{hour:02d}" for hour in range(1, 24)} <= kept(made)
    thinned = next(one for one in made.delete if one.name == "full-0030-09")
    assert thinned.reason == "thinned out: another one stands for its 8 h"


def test_what_a_kept_one_hangs_on_is_kept():
    base = full("base", START)
    on = delta("on", START + timedelta(hours=1), base, pin(START, LATER))
    made = plan([base, on, *days(500, start=START + timedelta(days=1))], now=LATER - timedelta(days=1))
    assert reasons(made, "on") == ("pinned by anna until 2100-01-01 00:00:00Z: audit",)
    assert "base" in kept(made)


def test_a_pin_holds_until_it_ends_or_is_taken_off():
    old = full("old", START, pin(START, START + timedelta(days=900)))
    every = [old, *days(500, start=START + timedelta(days=1))]
    assert "old" in kept(plan(every, now=START + timedelta(days=899)))
    assert "old" in gone(plan(every, now=START + timedelta(days=901)))
    off = replace(old, records=(*old.records, unpin(START + timedelta(days=1))))
    assert "old" in gone(plan([off, *every[1:]], now=START + timedelta(days=899)))


def test_what_is_in_use_stays_and_says_for_what():
    setting = replace(SETTING, in_use={"full-0002": "restore 0123 is started and not finished"})
    assert reasons(plan(days(90), setting=setting), "full-0002") == ("restore 0123 is started and not finished",)


def test_a_backup_waits_for_its_copy_and_then_a_person_is_asked():
    every = days(40)
    policy = Policy(slots=Slots(daily=2, weekly=0, monthly=0), floor=timedelta(0))
    names = frozenset(one.name for one in every)
    there = replace(SETTING, copies=(CopyHolding("s3://copy", names - {"full-0036", "full-0001"}),))
    made = plan(every, policy, setting=there)
    assert reasons(made, "full-0036") == ("waits for its copy in s3://copy",)
    assert [one.asks for one in made.delete if one.asks] == [
        "full-0001 is not in s3://copy: it would be gone for good there"
    ]
    assert made.questions
    assert "full-0001" in made.questions[0]
    silent = replace(SETTING, copies=(CopyHolding("s3://copy", None),))
    assert all(one.asks for one in plan(every, policy, setting=silent).delete)


def test_a_copy_keeps_what_the_primary_holds():
    setting = replace(SETTING, primary=frozenset({"full-0001"}))
    assert reasons(plan(days(90), setting=setting), "full-0001") == ("the primary holds it",)


def test_much_at_once_is_asked_about_and_thinning_is_not():
    every = days(400)
    made = plan(every, setting=replace(SETTING, share_limit=0.3))
    assert "351 of 400 good backups would go at once (88 %" in made.questions[0]
    assert not plan(every[-31:], setting=replace(SETTING, share_limit=0.3)).questions
    base = full("base", START)
    day = [base, *hourly(base, range(1, 24)), *days(3, start=START + timedelta(days=1))]
    thinned = plan(day, setting=replace(SETTING, share_limit=0.01))
    assert len(thinned.delete) > 10
    assert not thinned.questions


def test_what_hangs_on_others_goes_before_them():
    base = full("base", START)
    every = [base, *hourly(base, range(1, 24)), *days(500, start=START + timedelta(days=1))]
    order = [one.name for one in plan(every).delete]
    hanging = {one.name: {base.name for base in one.outline.bases} for one in every}
    for name in order:
        assert not any(order.index(base) < order.index(name) for base in hanging[name] if base in order)


def test_pruning_again_finds_nothing_to_do():
    every = days(400)
    once = left(every, plan(every))
    assert not plan(once).delete


def test_a_policy_is_written_as_people_do():
    assert parse_slots("30d/12w/12m") == Slots()
    assert str(Slots()) == "30d/12w/12m"
    for wrong in ("30d", "30d/12w/12y", "0d/0w/0m", "-1d/0w/0m", ""):
        with pytest.raises(ValueError, match=r"policy|at least one"):
            parse_slots(wrong)


def test_lengths_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="fits into it evenly"):
        IncrementalRetention(every=timedelta(hours=7))
    with pytest.raises(ValueError, match="shorter than"):
        IncrementalRetention(all_for=timedelta(days=9), thinned_for=timedelta(days=3))
    with pytest.raises(ValueError, match="no time zone"):
        Policy(zone="Mars/Olympus")
