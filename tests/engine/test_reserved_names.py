"""Reserved names are told from every other name, whatever it looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.restore.names import Reserved, aside_name, before_name, is_reserved, parse_reserved

IDS = st.text("0123456789abcdef", min_size=12, max_size=12)


@given(st.text(max_size=20), IDS)
def test_a_reserved_name_says_whose_it_is(collection, restore_id):
    assert parse_reserved(aside_name(collection, restore_id)) == Reserved(collection, "restore", restore_id)
    assert parse_reserved(before_name(collection, restore_id)) == Reserved(collection, "before", restore_id)


@given(st.text(max_size=10), IDS, IDS)
def test_of_a_name_reserved_twice_the_last_restore_counts(collection, first, second):
    twice = before_name(aside_name(collection, first), second)
    assert parse_reserved(twice) == Reserved(aside_name(collection, first), "before", second)


@pytest.mark.parametrize(
    "name",
    [
        "docs",
        "docs__before_0123456789a",
        "docs__before_0123456789abc",
        "docs__before_0123456789AB",
        "docs__before_0123456789ab\n",
        "docs_before_0123456789ab",
        "docs__after_0123456789ab",
        "docs__before_0123456789ab_",
    ],
)
def test_a_name_that_only_looks_like_one_is_not_reserved(name):
    assert not is_reserved(name)
