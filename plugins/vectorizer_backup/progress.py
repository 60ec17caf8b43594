"""Progress of the engine's long steps, in the task's log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from backup_engine import wording
from backup_engine.model import ProgressEvent

SECONDS_BETWEEN_LINES = 5.0


class ProgressLog:
    """Writes a line every few seconds, and one when a subject is done.

    :param say: writes a line
    :param clock: seconds that only go forward
    """

    def __init__(self, say: Callable[[str], object], clock: Callable[[], float] = monotonic) -> None:
        self._say = say
        self._clock = clock
        self._next = clock()

    def __call__(self, event: ProgressEvent) -> None:
        """Write the event down if the last line is old enough, or its subject done."""
        if self._clock() >= self._next or event.done == event.total:
            self._next = self._clock() + SECONDS_BETWEEN_LINES
            self._say(wording.progress(event))
