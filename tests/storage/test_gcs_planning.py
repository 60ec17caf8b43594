"""What is composed of what, and which checksum that must have."""

from itertools import pairwise

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.storage.gcs.checksums import decoded, encoded, extended, joined
from backup_engine.storage.gcs.planning import AT_ONCE, plan_composes


def planned(count):
    return plan_composes([f"s{number}" for number in range(count)], "target", lambda number: f"t{number}")


def expanded(name, steps):
    if name not in steps:
        return [name]
    return [leaf for source in steps[name].sources for leaf in expanded(source, steps)]


class TestPlanning:
    @given(st.integers(1, 40_000))
    def test_any_number_of_sources_comes_out_in_order(self, count):
        plan = planned(count)
        steps = {step.target: step for step in plan}
        assert len(steps) == len(plan)
        assert plan[-1].target == "target"
        assert expanded("target", steps) == [f"s{number}" for number in range(count)]

    @given(st.integers(1, 40_000))
    def test_no_request_has_more_than_32_and_what_it_needs_is_made_before(self, count):
        made = set()
        for step in planned(count):
            assert 1 <= len(step.sources) <= AT_ONCE
            assert all(not source.startswith("t") or source in made for source in step.sources)
            assert step.target not in made
            made.add(step.target)

    @given(st.integers(1, 40_000))
    def test_what_is_made_in_between_is_used_once(self, count):
        plan = planned(count)
        used = [source for step in plan for source in step.sources if source.startswith("t")]
        assert sorted(used) == sorted(step.target for step in plan[:-1])

    @pytest.mark.parametrize(
        ("count", "requests"), [(1, 1), (32, 1), (33, 2), (64, 3), (1024, 33), (1025, 34), (1056, 35)]
    )
    def test_there_are_no_more_requests_than_it_takes(self, count, requests):
        assert len(planned(count)) == requests

    def test_names_that_come_several_times_are_used_several_times(self):
        plan = plan_composes(["a", "b"] * 20, "target", lambda number: f"t{number}")
        assert [len(step.sources) for step in plan] == [32, 8, 2]
        assert expanded("target", {step.target: step for step in plan}) == ["a", "b"] * 20


class TestChecksums:
    @given(st.lists(st.binary(max_size=300), max_size=8))
    def test_the_checksum_of_the_whole_follows_from_those_of_the_parts(self, parts):
        whole = google_crc32c.value(b"".join(parts))
        assert joined((google_crc32c.value(part), len(part)) for part in parts) == whole

    def test_it_does_so_for_large_parts(self):
        parts = [bytes(range(256)) * 40_000, b"x", b"", bytes(12_345_678)]
        assert joined((extended(0, part), len(part)) for part in parts) == extended(0, b"".join(parts))

    @given(st.lists(st.binary(min_size=1, max_size=9), min_size=2, max_size=2, unique=True))
    def test_another_order_is_another_checksum(self, parts):
        if parts[0] + parts[1] != parts[1] + parts[0]:
            found = [joined((extended(0, part), len(part)) for part in order) for order in (parts, parts[::-1])]
            assert all(first != second for first, second in pairwise(found))

    def test_they_are_written_as_google_writes_them(self):
        assert encoded(extended(0, b"Hello, world!")) == "yKEG5Q=="  # of Google's documentation
        assert decoded("yKEG5Q==") == extended(0, b"Hello, world!")

    @pytest.mark.parametrize("text", [None, "", "AAAA", "not base64!", "AAAAAAAAAAA="])
    def test_what_is_no_checksum_is_none(self, text):
        assert decoded(text) is None
