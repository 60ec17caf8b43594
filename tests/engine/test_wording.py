from datetime import UTC, datetime

import pytest

from backup_engine.model import ProgressEvent
from backup_engine.wording import count, duration, listing, markdown_table, moment, progress, size


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (34_300_000, "34.3 MB")],
)
def test_sizes_never_show_four_digits(number, text):
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12, "12 s"), (59.6, "1 min"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (273600, "3 d 4 h")],
)
def test_durations_have_at_most_two_units(seconds, text):
    assert duration(seconds) == text


def test_counts_agree_with_their_noun():
    assert [count(n, "entry") for n in (0, 1, 12345)] == ["0 entries", "1 entry", "12,345 entries"]


def test_long_listings_say_how_many_are_not_shown():
    assert listing("abcdefg", most=3) == "a, b, c and 4 more"


def test_moments_are_utc_to_the_second():
    assert moment(datetime(2026, 11, 22, 14, 37, 5, tzinfo=UTC)) == "2026-11-22 14:37:05Z"


def test_progress_tells_rate_and_time_left():
    event = ProgressEvent(step="export", subject="docs", done=5000, total=20000, bytes=8_000_000, seconds=10)
    assert progress(event) == "export docs: 5,000 of 20,000 vectors, 8.0 MB, 500 vectors/s, 30 s left"


def test_a_cell_cannot_break_out_of_its_table():
    table = markdown_table(["name"], [["a|b\nc <script>"]])
    assert table.splitlines() == ["| name |", "| --- |", "| a\\|b c &lt;script> |"]


def test_a_table_stands_in_columns_and_a_cell_that_is_too_long_does_not_widen_its_own() -> None:
    rows = [["a | long one", "12", "x"], ["b" * 61, "3", "much longer"], ["c", "4", "y"]]
    assert markdown_table(["goes", "size", "because"], rows).splitlines() == [
        "| goes          | size | because |",
        "| ---           | ---  | --- |",
        "| a \\| long one | 12   | x |",
        f"| {'b' * 61} | 3    | much longer |",
        "| c             | 4    | y |",
    ]


def test_progress_of_a_copy_is_told_in_bytes() -> None:
    event = ProgressEvent(
        step="copy", subject="backup-202611", done=250_000_000, total=1_000_000_000, bytes=250_000_000, seconds=5.0
    )
    assert progress(event) == "copy backup-202611: 250.0 MB of 1.0 GB, 50.0 MB/s, 15 s left"
    done = event.model_copy(update={"done": 1_000_000_000})
    assert progress(done) == "copy backup-202611: 1.0 GB of 1.0 GB, 200.0 MB/s"
