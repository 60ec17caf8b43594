"""What differences and histories look like to a person; names from outside cannot break out of it."""

from __future__ import annotations

from datetime import timedelta

from backup_engine.diff.description import describe_diff, describe_history
from backup_engine.diff.finding import NotTold, RecordHistory
from backup_engine.model import Metric
from tests.archive.builder import NOON
from tests.engine.diff.stage import diff, full
from tests.tables import squeezed

OLD = {"kept": ((1.0, 0.0, 0.0, 0.0), None), "moved": ((1.0, 0.0, 0.0, 0.0), None), "p": ((0.0, 1.0, 0.0, 0.0), None)}
NEW = {"kept": OLD["kept"], "moved": ((0.0, 1.0, 0.0, 0.0), "{}"), "p": (OLD["p"][0], "{}"), "new": OLD["p"]}


def test_a_difference_says_what_changed_how_much_and_how_far() -> None:
    told = describe_diff(diff(full("a", {"docs": OLD}), full("b", {"docs": NEW}, Metric.COSINE), ids=5))
    assert "What changed from a (2026-11-22 12:00:00Z) to b (2026-11-22 12:00:00Z)" in told
    assert "| docs | changed | 3 | 4 | 1 | 2 | 0 | 1 | 1 |" in squeezed(told)
    assert "metric: euclidean before, cosine after" in told
    assert "1 minus the cosine: 0.5 to 1: 1" in told
    assert "1 of the re-embedded have another payload too" in told
    assert "re embedded: `'moved'`" in told


def test_a_collection_of_one_side_has_no_figures_of_records() -> None:
    told = describe_diff(diff(full("a", {"docs": OLD}), full("b", {"new": NEW})))
    assert "| docs | removed | 3 | - | |" in squeezed(told)
    assert "| new | added | - | 4 | |" in squeezed(told)


def test_names_from_outside_stay_in_their_cell_and_on_their_line() -> None:
    name, key = "a|b\n# heading <b>", "x`\n| y"
    told = describe_diff(diff(full("a", {name: {}}), full("b", {name: {key: OLD["p"]}}), ids=1))
    assert "\n# heading" not in told
    assert "<b>" not in told.split("\n\n")[1]
    assert "a\\|b" in told
    assert repr(key) in told
    assert not any(line.startswith("| y") for line in told.splitlines())


def test_a_history_that_nobody_tells_names_those_who_do_not() -> None:
    silent = NotTold(backup="b1", captured_at=NOON + timedelta(hours=1), reason="it is damaged")
    told = describe_history(RecordHistory(collection="docs", id="x", backups=1, events=(), not_told=(silent,)))
    assert "No backup has it." in told
    assert "- b1: it is damaged" in told


def test_nothing_to_compare_is_said() -> None:
    assert "No collections." in describe_diff(diff(full("a", {}), full("b", {})))
