"""What goes wrong at the memory server, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from backup_engine.errors import ServerUnavailable


@dataclass(frozen=True)
class Fault:
    """The n-th call (from 1, pages count as calls named "page") raises, before or after it took effect.

    :param lasting: every later call raises too, without effect
    """

    call: int
    instant: Literal["before", "after"] = "before"
    error: Callable[[], BaseException] = lambda: ServerUnavailable("the server does not answer")
    lasting: bool = False
