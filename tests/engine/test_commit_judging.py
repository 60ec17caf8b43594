"""Nothing short is called good: what lacks makes a backup partial, what shrank makes it suspect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupState, LeftOut, Standing
from backup_engine.commit.judging import allowed_loss, judge_capture
from tests.engine.manifests import manifest, planned, read

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3000))


def judge(now, last=None, standings=None, **changes):
    plan = planned(now, **changes)
    return judge_capture(plan, read(plan, standings), manifest(last) if last is not None else None)


@pytest.mark.parametrize("standing", [Standing.INCOMPLETE, Standing.UNREADABLE])
def test_a_collection_that_lacks_makes_the_backup_partial_and_is_named_with_its_problem(standing):
    found = judge({"docs": 10, "papers": 10}, standings={"papers": standing})
    assert found.state is BackupState.PARTIAL
    assert found.reasons == (f"'papers' is {standing.value}: it is broken",)


def test_a_fuzzy_collection_is_good():
    assert judge({"docs": 10}, standings={"docs": Standing.FUZZY}).state is BackupState.GOOD


def test_an_acknowledged_collection_may_be_unreadable():
    found = judge({"docs": 10, "old": 5}, {"docs": 10, "old": 5}, {"old": Standing.UNREADABLE}, acknowledged=("old",))
    assert found == (BackupState.GOOD, ())


def test_without_history_nothing_can_have_shrunk():
    assert judge({"docs": 1}) == (BackupState.GOOD, ())


@pytest.mark.parametrize(
    ("last", "now", "state"),
    [
        ({"docs": 100, "papers": 1000}, {"docs": 100}, "suspect"),  # gone
        ({"docs": 100, "papers": 0}, {"docs": 100}, "suspect"),  # gone, though it was empty
        ({"docs": 100}, {"docs": 80}, "good"),
        ({"docs": 100}, {"docs": 79}, "suspect"),
        ({"docs": 3}, {"docs": 1}, "good"),  # a few of few
        ({"docs": 3}, {"docs": 0}, "suspect"),  # but never all of them
        ({"docs": 1}, {"docs": 0}, "suspect"),
        ({"docs": 12}, {"docs": 2}, "good"),
        ({"docs": 12}, {"docs": 1}, "suspect"),
        ({"a": 1000, "b": 1000}, {"a": 800, "b": 800}, "good"),
        ({"a": 1000, "b": 10}, {"a": 1000, "b": 1}, "good"),
        ({"docs": 100}, {"docs": 80, "new": 5000}, "good"),
        ({"docs": 100}, {"docs": 70, "new": 5000}, "suspect"),  # growth elsewhere makes up for nothing
        ({"docs": 0}, {"docs": 0}, "good"),
    ],
)
def test_what_shrank_beyond_the_limit_is_suspect(last, now, state):
    found = judge(now, last, shrink_limit=0.2)
    assert found.state == state
    assert bool(found.reasons) == (state == "suspect")


def test_with_a_limit_of_zero_nothing_may_be_missing():
    assert judge({"docs": 99}, {"docs": 100}, shrink_limit=0).state is BackupState.SUSPECT


def test_the_reasons_name_the_collection_the_counts_and_the_limit():
    found = judge({"docs": 50}, {"docs": 100, "papers": 7}, shrink_limit=0.2)
    assert found.reasons == (
        "'docs' has 50 of the 100 vectors that backup-202611 held: 50% less, 20% are allowed",
        "'papers' is gone; backup-202611 held 7 vectors of it",
        "the whole has 50 of the 107 vectors that backup-202611 held: 53% less, 20% are allowed",
    )


def test_what_is_left_out_on_purpose_is_not_missed():
    left_out = (LeftOut(name="scratch", reason="excluded by scratch*"),)
    assert judge({"docs": 10}, {"docs": 10, "scratch": 9999}, left_out=left_out).state is BackupState.GOOD


def test_a_subset_is_not_measured_by_the_whole():
    assert judge({"docs": 10}, {"docs": 10, "papers": 9999}, collections=("docs",)).state is BackupState.GOOD


def test_a_server_that_may_not_have_loaded_makes_the_backup_suspect():
    assert judge({"docs": 10}, suspicions=("it never settled",)) == (BackupState.SUSPECT, ("it never settled",))


def test_a_partial_backup_stays_partial_and_tells_its_doubts_too():
    found = judge({"docs": 10}, {"docs": 10, "b": 5}, {"docs": Standing.INCOMPLETE})
    assert found.state is BackupState.PARTIAL
    assert len(found.reasons) > 1


@given(COUNTS, COUNTS, st.floats(0.01, 1))
def test_good_means_that_nothing_is_gone_and_nothing_shrank_too_far(last, now, limit):
    found = judge(now, last, shrink_limit=limit)
    fine = all(name in now and last[name] - now[name] <= allowed_loss(last[name], limit) for name in last)
    total = sum(last.values()) - sum(now.get(name, 0) for name in last)
    assert (found.state is BackupState.GOOD) == (fine and total <= allowed_loss(sum(last.values()), limit))


@given(COUNTS, st.floats(0, 1))
def test_a_capture_of_the_same_state_is_never_suspect(counts, limit):
    assert judge(counts, counts, shrink_limit=limit) == (BackupState.GOOD, ())


@given(st.integers(0, 10**9), st.floats(0, 0.99))
def test_emptying_is_never_allowed_and_the_allowance_grows_with_the_limit(vectors, limit):
    assert allowed_loss(vectors, limit) < max(vectors, 1)
    assert allowed_loss(vectors, limit) <= allowed_loss(vectors, 1)
