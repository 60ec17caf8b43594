"""What the difference between two backups promises: counted as a model counts, named on demand, and read sparingly."""

from __future__ import annotations

from math import cos, sin, sqrt

import pytest
from hypothesis import given, settings

from backup_engine.archive.manifest import LeftOut, Standing
from backup_engine.diff.differing import MOST_IDS, diff_points
from backup_engine.diff.report import Verdict
from backup_engine.errors import DamagedArchive, InvalidInput, UnknownCollection
from backup_engine.model import Metric
from tests.archive.builder import Built
from tests.engine.diff.stage import diff, diff_of, full, only, point_in, store_with
from tests.engine.diff.test_states import states
from tests.engine.places import flipped, overwrite
from tests.engine.restores import with_private, with_summary

A = (1.0, 0.0, 0.0, 0.0)
B = (0.0, 1.0, 0.0, 0.0)
REST = {f"rest {number}": ((float(number), 1.0, 2.0, 3.0), None) for number in range(20)}


@settings(max_examples=60, deadline=None)
@given(states, states)
def test_counts_are_those_of_a_model(before, after) -> None:
    found = diff_of(before, after).records
    both = set(before) & set(after)
    bits = {key: (_bits(before[key][0]), _bits(after[key][0])) for key in both}
    moved = {key for key in both if bits[key][0] != bits[key][1]}
    others = {key for key in both if before[key][1] != after[key][1]}
    assert (found.added, found.deleted) == (len(set(after) - set(before)), len(set(before) - set(after)))
    assert (found.changed, found.re_embedded) == (len(moved | others), len(moved))
    assert (found.payload_only, found.payload_too) == (len(others - moved), len(others & moved))


def _bits(vector) -> tuple[str, ...]:
    return tuple(map(float.hex, vector))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({}, {"x": (A, None)}, "added"),
        ({"x": (A, None)}, {}, "deleted"),
        ({"x": (A, None)}, {"x": (B, None)}, "re_embedded"),
        ({"x": (A, None)}, {"x": (B, "{}")}, "re_embedded"),
        ({"x": (A, None)}, {"x": (A, "{}")}, "payload_only"),
        ({"x": (A, "null")}, {"x": (A, None)}, "payload_only"),
    ],
)
def test_ids_are_named_on_demand_as_what_they_are(before, after, kind) -> None:
    found = diff_of(REST | before, REST | after, ids=3)
    assert {name: ids for name, ids in found.examples.model_dump().items() if ids} == {kind: ("x",)}
    assert diff_of(REST | before, REST | after).examples.model_dump() == dict.fromkeys(found.examples.model_dump(), ())


def test_no_more_ids_are_named_than_were_asked_for() -> None:
    before = {f"old {number}": (A, None) for number in range(9)} | {f"both {n}": (A, None) for n in range(9)}
    after = {f"new {number}": (A, None) for number in range(9)} | {f"both {n}": (B, None) for n in range(9)}
    found = diff_of(before, after, ids=4)
    examples = found.examples
    assert [len(examples.added), len(examples.deleted), len(examples.re_embedded)] == [4, 4, 4]
    assert (found.records.added, found.records.deleted, found.records.re_embedded) == (9, 9, 9)
    assert set(examples.deleted) <= set(before)
    with pytest.raises(InvalidInput, match="0 to 10,000 can be named"):
        diff_of(before, after, ids=MOST_IDS + 1)


def test_cosine_shifts_are_counted_by_how_far_a_vector_moved() -> None:
    def turned(angle: float):
        return (cos(angle), sin(angle), 0.0, 0.0)

    before = dict.fromkeys("abcdefgh", (A, None))
    turns = {"a": 0.0003, "b": 0.05, "c": 0.3, "d": 1.0, "e": 1.5, "f": 3.0}
    after = {key: (turned(angle), None) for key, angle in turns.items()}
    after |= {"g": ((0.0, 0.0, 0.0, 0.0), None), "h": (tuple(5 * one for one in A), None)}
    found = diff_of(before, after)
    assert [one.records for one in found.shifts] == [2, 0, 1, 1, 1, 1, 1]
    assert (found.unmeasured, found.records.re_embedded) == (1, 8)
    assert sum(one.records for one in found.shifts) + found.unmeasured == found.records.re_embedded


def test_equal_states_cost_no_read_of_any_archive() -> None:
    a, b = full("a", {"docs": REST}), full("b", {"docs": REST})
    store = store_with(a, b)
    points = [point_in(store, name) for name in "ab"]
    for name in "ab":
        key = f"daily/{name}.tar.gz"
        overwrite(store, key, bytes(len(a.data)))
    found = diff_points(*points)
    assert (found.same, only(found).verdict) == (True, Verdict.SAME)


def test_damage_is_met_and_told_never_counted() -> None:
    b = full("b", {"docs": REST | {"x": (A, None)}})
    store = store_with(full("a", {"docs": REST}), b)
    points = [point_in(store, name) for name in "ab"]
    part = next(one for one in b.sidecar.archive.entries if "part-" in one.name)
    damaged = b.data[: part.offset] + flipped(b.data[part.offset :][: part.bytes]) + b.data[part.offset + part.bytes :]
    overwrite(store, "daily/b.tar.gz", damaged)
    with pytest.raises(DamagedArchive):
        diff_points(*points, ids=1)


def test_another_dimension_makes_every_common_record_re_embedded() -> None:
    before = {"x": (A, None), "y": (A, None), "gone": (A, None)}
    after = {"x": ((1.0, 0.0), None), "y": ((0.0, 1.0), None)}
    found = diff_of(before, after, ids=9)
    assert found.reconfigured == ("dimension: 4 before, 2 after",)
    assert (found.records.re_embedded, found.records.payload_only, found.shifts) == (2, 0, ())
    assert (found.examples.re_embedded, found.examples.deleted) == (("x", "y"), ("gone",))


def test_a_setting_that_changed_is_told_although_no_record_did() -> None:
    found = diff(full("a", {"docs": REST}), full("b", {"docs": REST}, Metric.COSINE))
    assert (only(found).verdict, found.same) == (Verdict.CHANGED, False)
    assert only(found).reconfigured == ("metric: euclidean before, cosine after",)


def test_a_collection_of_one_side_only_is_told_with_its_size() -> None:
    found = diff(full("a", {"docs": REST, "old": REST}), full("b", {"docs": REST, "new": {}}))
    told = {one.name: (one.verdict, one.before, one.after) for one in found.collections}
    assert told == {
        "docs": (Verdict.SAME, 20, 20),
        "new": (Verdict.ADDED, None, 0),
        "old": (Verdict.REMOVED, 20, None),
    }


def test_what_a_backup_left_out_or_was_not_asked_for_is_not_called_gone() -> None:
    whole = full("a", {"docs": REST, "old": REST})
    left_out = with_private(full("b", {"docs": REST}), left_out=(LeftOut(name="old", reason="excluded"),))
    subset = full("b", {"docs": REST}, whole_scope=False)
    for other in (left_out, subset):
        assert [one.name for one in diff(whole, other).collections] == ["docs"]
        assert [one.name for one in diff(other, whole).collections] == ["docs"]
    asked = diff(whole, subset, collections=["old"])
    assert only(asked).verdict is Verdict.REMOVED


def test_what_could_not_be_read_is_unknown_and_never_the_same() -> None:
    a = full("a", {"docs": REST})
    b = _unreadable(full("b", {"docs": {}}))
    found = diff(a, b)
    assert (only(found).verdict, found.same) == (Verdict.UNKNOWN, False)
    assert only(found).remarks == ("it could not be read for b: it is broken",)


def test_an_incomplete_side_is_said_to_be_that() -> None:
    b = with_summary(full("b", {"docs": REST}), standing=Standing.INCOMPLETE, counted=25)
    found = only(diff(full("a", {"docs": REST | {"x": (A, None)}}), b))
    assert found.records.deleted == 1
    assert "b holds 20 of 25 records only" in found.remarks[0]


def test_a_name_that_neither_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownCollection, match=r"'dcos'.*'docs'"):
        diff(full("a", {"docs": REST}), full("b", {"docs": REST}), collections=["dcos"])


def test_only_the_named_collections_are_compared() -> None:
    found = diff(full("a", {"x": REST, "y": REST}), full("b", {"x": {}, "y": {}}), collections=["y"])
    assert [(one.name, one.records.deleted) for one in found.collections] == [("y", 20)]


def test_large_changes_meet_however_they_are_spread() -> None:
    length = sqrt(0.5)
    before = {f"r{number}": (A, None) for number in range(3000)}
    after = {f"r{number}": ((length, length, 0.0, 0.0), None) for number in reversed(range(3000))}
    found = diff_of(before, after)
    assert found.records.re_embedded == sum(one.records for one in found.shifts if one.up_to == 0.5) == 3000


def _unreadable(built: Built) -> Built:
    """The same, but its collection could not be read."""
    private = built.sidecar.manifest.private.collections[0]
    broken = private.model_copy(update={"configuration": None, "problem": "it is broken"})
    return with_private(with_summary(built, standing=Standing.UNREADABLE, state_digest=""), collections=(broken,))
