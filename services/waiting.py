"""Waiting by asking, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(question: Callable[[], T | None], wanted: str, deadline_seconds: float, interval_seconds: float = 0.5) -> T:
    """Ask until there is an answer.

    :param question: gives something false while there is none
    :raises TimeoutError: no answer within the deadline; ``wanted`` says what was waited for
    """
    end = time.monotonic() + deadline_seconds
    while not (answer := question()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline_seconds:.0f} s for {wanted}")
        time.sleep(interval_seconds)
    return answer
