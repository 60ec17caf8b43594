"""Progress of the engine's long steps, in the task's log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from backup_engine import wording
from backup_engine.model import ProgressEvent

SECONDS_BETWEEN_LINES = 5.0

_OF_BYTES = " backup"  # "copy backup", "compare backup": what the steps of copies are called


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
            self._say(_carried(event) if event.step.endswith(_OF_BYTES) else wording.progress(event))


def _carried(event: ProgressEvent) -> str:
    """Write how far a copy is: these events count bytes, not records."""
    rate = event.done / event.seconds if event.seconds > 0 else 0.0
    of = f" of {wording.size(event.total)}" if event.total else ""
    text = f"{event.step} {event.subject}: {wording.size(event.done)}{of}, {wording.size(rate)}/s"
    if event.total and rate and event.done < event.total:
        text += f", {wording.duration((event.total - event.done) / rate)} left"
    return text
