"""Comparing two streams of sorted rows piece by piece."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backup_engine.archive.digests import Hashes
from backup_engine.errors import DamagedArchive


def compare_rows(stored: Iterable[Hashes], calculated: Iterable[Hashes], where: str, what: str) -> None:
    """Compare rows that were stored with those that follow from something else; both come sorted.

    :param where: what holds the stored ones
    :param what: what the others follow from
    :raises DamagedArchive: they are not the same
    """
    left, right = _Rows(stored), _Rows(calculated)
    row = 0
    while rows := min(left.fill(), right.fill()):
        differing = np.flatnonzero(left.take(rows) != right.take(rows))
        if len(differing):
            raise DamagedArchive(f"{where} is not what {what} give, from row {row + int(differing[0]):,} on")
        row += rows
    if left.fill() or right.fill():
        raise DamagedArchive(f"{where} and {what} do not give equally many rows; {row:,} are equal")


class _Rows:
    """Sorted rows, some of them at hand."""

    def __init__(self, pieces: Iterable[Hashes]) -> None:
        self._coming = (piece for piece in pieces if len(piece))
        self._held: Hashes = np.empty(0, "S1")

    def fill(self) -> int:
        """Have rows at hand if there are any; tell how many."""
        if not len(self._held):
            self._held = next(self._coming, self._held)
        return len(self._held)

    def take(self, rows: int) -> Hashes:
        """Give so many of them."""
        taken, self._held = self._held[:rows], self._held[rows:]
        return taken
