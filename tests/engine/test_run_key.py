"""Run keys: the same work has the same key, other work another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backup_engine.run_key import random_run_key, run_key

PARTS = st.lists(st.text(max_size=6), max_size=4)


@given(PARTS, PARTS)
def test_keys_are_equal_exactly_when_the_parts_are(first, second):
    assert (run_key(*first) == run_key(*second)) == (first == second)


def test_a_key_never_changes_between_versions():
    assert run_key("vectorizer_production_full_backup", "scheduled__2026-11-22") == "c51ba7fc4fcc106e"


def test_random_keys_look_like_derived_ones():
    keys = {random_run_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)
