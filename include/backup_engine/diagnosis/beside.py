"""Trying things beside each other, and taking what came of each: a value, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from backup_engine import wording
from backup_engine.errors import TransientError
from backup_engine.freshness.attempts import Attempt

T = TypeVar("T")


class Unanswered(TransientError):
    """It had not come back when the time was up."""


def begin(work: Callable[[], T], seconds: float) -> Attempt[T]:
    """Begin it, and wait no longer for it than so many seconds from now."""
    return Attempt(work, seconds, Unanswered(f"no answer within {wording.duration(seconds)}"))


def came_of(attempt: Attempt[T]) -> T | BaseException:
    """Wait for what came of it, whatever that is."""
    try:
        return attempt.outcome()
    except Exception as error:  # noqa: BLE001 - whoever is told that something broke has to be told of this too
        return error
