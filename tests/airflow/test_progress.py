"""Progress in a task's log: often enough to see, seldom enough to read."""

from backup_engine.model import ProgressEvent
from vectorizer_backup.progress import SECONDS_BETWEEN_LINES, ProgressLog


def _event(done: int, seconds: float) -> ProgressEvent:
    return ProgressEvent(step="export", subject="docs", done=done, total=1000, bytes=done * 1500, seconds=seconds)


def test_a_line_comes_every_few_seconds_and_one_at_the_end() -> None:
    lines: list[str] = []
    now = 0.0
    log = ProgressLog(lines.append, clock=lambda: now)
    for done in range(0, 1001, 10):
        now = done / 20
        log(_event(done, now))
    assert 10 <= len(lines) <= 50 / SECONDS_BETWEEN_LINES + 2
    assert lines[-1].startswith("export docs: 1,000 of 1,000 vectors, 1.5 MB")


def test_a_line_tells_rate_and_time_left() -> None:
    lines: list[str] = []
    ProgressLog(lines.append, clock=lambda: 100.0)(_event(400, 4.0))
    assert lines == ["export docs: 400 of 1,000 vectors, 600.0 kB, 100 vectors/s, 6.0 s left"]


def test_a_copy_is_told_of_in_bytes() -> None:
    lines: list[str] = []
    event = ProgressEvent(
        step="copy backup", subject="daily/x", done=40_000_000, total=100_000_000, bytes=40_000_000, seconds=4.0
    )
    ProgressLog(lines.append, clock=lambda: 100.0)(event)
    assert lines == ["copy backup daily/x: 40.0 MB of 100.0 MB, 10.0 MB/s, 6.0 s left"]
