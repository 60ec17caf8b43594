"""How long a restore would take. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from backup_engine.freshness.sighting import RestoreGlance
from backup_engine.restore.planning import DEFAULT_RATE

_ENOUGH = 1_000  # vectors; a smaller restore tells how long its first and last request take
_NEWEST = 5

SWITCHING = 600.0
"""Seconds until a standby that is up to date serves: somebody reads the failover plan and points the clients at it. It
grows with no data; how long people take nobody can measure for them.
"""


def measured_rate(restores: Iterable[RestoreGlance]) -> float | None:
    """Tell how many vectors a second restores took here: the median of the newest; None: none tells.

    :param restores: newest first
    """
    rates = [one.rate for one in restores if one.rate > 0 and one.vectors >= _ENOUGH]
    return median(rates[:_NEWEST]) if rates else None


def rate(restores: Iterable[RestoreGlance]) -> float:
    """Tell what to reckon with: what was measured here, else what servers usually take."""
    return measured_rate(restores) or DEFAULT_RATE


def forecast(vectors: int, a_second: float) -> float:
    """Tell how many seconds a restore of so many vectors takes."""
    return vectors / a_second
