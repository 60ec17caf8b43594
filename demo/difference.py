"""What is different between two readings of a server: an opinion of its own beside the product's comparison."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.vectorizer import Content

SAME_DIRECTION = 1 - 1e-6
"""The server scales what it takes in to length 1 and keeps 8 bits a component: the direction has to be the same."""


@dataclass(frozen=True)
class Difference:
    """How one collection differs from what it was.

    :param compared: records that both readings hold
    :param nearest: smallest cosine between a vector and what it was; 1 where nothing was compared
    """

    missing: int
    added: int
    compared: int
    vectors: int
    payloads: int
    nearest: float

    @property
    def same(self) -> bool:
        """Whether nothing differs, and something was compared."""
        return self.compared > 0 and not (self.missing or self.added or self.vectors or self.payloads)


def difference(before: Content, after: Content | None) -> Difference:
    """Compare record by record; a collection that is gone misses all of them."""
    if after is None:
        return Difference(len(before.ids), 0, 0, 0, 0, 1.0)
    places = {vector_id: row for row, vector_id in enumerate(after.ids)}
    both = [(row, places[vector_id]) for row, vector_id in enumerate(before.ids) if vector_id in places]
    here, there = [row for row, _ in both], [row for _, row in both]
    cosines = _cosines(before.vectors[here], after.vectors[there])
    return Difference(
        missing=len(before.ids) - len(both),
        added=len(after.ids) - len(both),
        compared=len(both),
        vectors=int((~(cosines >= SAME_DIRECTION)).sum()),  # what is no number is not the same
        payloads=sum(before.payloads[row] != after.payloads[other] for row, other in both),
        nearest=float(cosines.min(initial=1.0)),
    )


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    left, right = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    same = (left == right).all(axis=1)
    return np.where(same, 1.0, (left * right).sum(axis=1) / np.where(lengths == 0, 1.0, lengths))
