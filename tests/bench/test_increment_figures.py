"""What increments are held to, and that each budget can be missed."""

from collections.abc import Callable

import pytest

from bench.increment_figures import increment_figures
from bench.measurement import Depth, Increments, Measurement
from tests.bench.test_figures import MIB, measurement, missed

GOOD = Increments(
    change="some",
    scattered=True,
    full=measurement(4.0, 1000),
    increment=measurement(5.0, 50),
    restic=1000,
    unchanged=3,
    pages=0,
)
DEEP = Depth(links=8, chain=measurement(15.0), full=measurement(10.0))
LARGE = measurement(50.0, memory=512 * MIB)

Run = tuple[Increments, Depth, Measurement]


def test_a_good_run_misses_no_budget() -> None:
    found = increment_figures([GOOD], DEEP, LARGE)
    assert missed(found) == []
    assert [one.name for one in found if one.met is None] == ["some: requests when nothing changed since"]


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        (lambda: (GOOD.model_copy(update={"increment": measurement(5.0, 51)}), DEEP, LARGE), "what restic adds"),
        (lambda: (GOOD.model_copy(update={"increment": measurement(5.1, 50)}), DEEP, LARGE), "a full read"),
        (lambda: (GOOD.model_copy(update={"pages": 1}), DEEP, LARGE), "for records"),
        (lambda: (GOOD, DEEP.model_copy(update={"chain": measurement(15.1)}), LARGE), "chain of 8"),
        (lambda: (GOOD, DEEP, measurement(50.0, memory=513 * MIB)), "memory"),
    ],
)
def test_each_budget_can_be_missed(worse: Callable[[], Run], name: str) -> None:
    one, deep, large = worse()
    (found,) = missed(increment_figures([one], deep, large))
    assert name in found


def test_what_restic_is_best_at_is_shown_and_has_no_budget() -> None:
    appended = GOOD.model_copy(update={"scattered": False, "restic": 10})
    found = increment_figures([appended], None, None)
    assert missed(found) == []
    assert any("restic" in one.name for one in found)


def test_without_restic_nothing_is_said_of_it() -> None:
    found = increment_figures([GOOD.model_copy(update={"restic": None})], None, None)
    assert not any("restic" in one.name for one in found)
