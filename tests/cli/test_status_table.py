"""What the table of `vectorizer-backup status` promises: figures where they are known, and words where they are not."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from backup_engine.cli.standing import row_of, table_of
from backup_engine.freshness.concerns import ConcernKind, Severity
from tests.freshness.standing import COPY, ago, concern, judgement, nothing, place, protection


def said(judgements, unjudged=None, width=152) -> str:
    console = Console(width=width, highlight=False, record=True, file=StringIO())
    console.print(table_of(judgements, unjudged or {}))
    return console.export_text()


def test_a_row_says_what_was_promised_and_how_it_is():
    assert row_of(protection()) == (
        "prod", "production", "1 h", "10 h", "10 h ago", "9 h ago", "3 d ago", "1 of 1 up to date", "4 h", "2 h 10 min",
    )  # fmt: skip


def test_without_any_backup_the_row_says_so_in_words():
    assert row_of(nothing())[3:] == (
        "all is lost", "none", "never", "never", "1 without backup", "4 h", "nothing there",
    )  # fmt: skip


def test_where_no_place_answers_nothing_is_known_and_nothing_is_called_lost():
    gone = nothing(places=(place(answers=False), place(COPY, answers=False)))
    assert row_of(gone)[3:] == ("unknown", "unknown", "unknown", "unknown", "0 of 1 answer", "4 h", "unknown")


def test_a_newer_backup_that_was_not_read_back_is_marked_and_does_not_make_the_real_rpo_younger():
    row = row_of(protection(newest="c", newest_at=ago(minutes=3)))
    assert (row[3], row[4]) == ("10 h", "3 min ago, unread")


def test_a_forecast_that_was_not_measured_here_says_about():
    assert row_of(protection(rate_measured=False))[-1] == "about 2 h 10 min"


@pytest.mark.parametrize(
    ("copies", "words"),
    [
        ((), "none"),
        ((place(COPY), place("gs://b/prod", copy_of_it=True, behind=3600.0)), "1 of 2 up to date"),
        ((place(COPY, answers=False), place("gs://b/prod", copy_of_it=True)), "1 of 2 up to date"),
    ],
)
def test_copies_are_counted_where_they_are_seen_to_hold_the_newest(copies, words):
    assert row_of(protection(places=(place(), *copies)))[7] == words


def test_concerns_of_all_deployments_stand_together_worst_first_with_their_remedy():
    one = judgement(None, concern(ConcernKind.ONE_PLACE, Severity.NOTE), concern(ConcernKind.COPY_BEHIND))
    other = judgement(protection(deployment="other"), concern(ConcernKind.RECOVERY_POINT_OLD, Severity.CRITICAL))
    text = said([one, other], {"": concern(ConcernKind.CONFIGURATION_UNREADABLE, Severity.CRITICAL)})
    places = [
        text.index(kind) for kind in ("recovery-point-old", "configuration-unreadable", "copy-behind", "one-place")
    ]
    assert sorted(places[:2]) + places[2:] == sorted(places)
    assert text.count("mend it") == 4
    assert "the configuration" in text


def test_it_fits_152_columns_and_a_name_is_never_cut():
    name = "a-deployment-with-a-name-of-forty-chars"
    text = said([judgement(nothing(deployment=name), concern(ConcernKind.COPY_BEHIND, subject="x" * 300))])
    assert max(map(len, text.splitlines())) <= 152
    joined = "".join(line.split(" ")[0] for line in text.splitlines()[1:3])
    assert joined == name or name in text


def test_square_brackets_in_what_was_found_are_shown_and_not_read_as_markup():
    odd = concern(ConcernKind.COPY_BEHIND).model_copy(update={"found": "[red]gone[/red] [x]"})
    assert "[red]gone[/red] [x]" in said([judgement(None, odd)])


def test_when_nothing_is_wrong_it_says_so():
    assert "Nothing is wrong." in said([judgement()])
