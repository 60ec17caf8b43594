"""Exact nearest neighbours; the server's index is approximate, at these sizes it finds the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sandbox.collection import Collection, as_floats
from sandbox.failures import InvalidDimensionError
from sandbox.quantisation import Floats, normalise


@dataclass(frozen=True)
class Hit:
    """One neighbour, the best first."""

    id: str
    score: float
    vector: Floats
    payload: str | None


def nearest(collection: Collection, vector: Sequence[float], limit: int) -> list[Hit]:
    """Return at most `limit` neighbours by cosine similarity, whatever the metric: so does the server.

    :raises InvalidDimensionError: when the vector has another length than the collection's
    """
    if len(vector) != collection.settings.dimension:
        raise InvalidDimensionError(collection.settings.dimension, len(vector))
    page = collection.page(collection.found_ids())
    if not page.ids:
        return []
    scores = np.nan_to_num(normalise(page.vectors) @ normalise(as_floats([vector]))[0])
    best = np.argsort(-scores, kind="stable")[:limit]
    return [
        Hit(page.ids[row], float(np.clip(scores[row], -1, 1)), page.vectors[row], page.payloads[row]) for row in best
    ]
