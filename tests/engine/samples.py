"""Configurations and records that tests of the engine share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backup_engine.archive.batches import make_batch
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization


def configuration(
    dimension: int = 8, metric: Metric = Metric.COSINE, quantization: Quantization = Quantization.SQ8
) -> CollectionConfiguration:
    """A collection's settings, as a server gives them."""
    return CollectionConfiguration(dimension=dimension, metric=metric, quantization=quantization, hnsw=Hnsw())


def some_records(numbers: Sequence[int], dimension: int = 8, seed: int = 7):
    """Records r<number>: the same number and seed give the same record; every third has no payload."""
    rows = [np.random.default_rng([seed, number]).standard_normal(dimension) for number in numbers]
    vectors = np.array(rows, np.float32).reshape(-1, dimension)
    payloads = [None if number % 3 == 0 else f'{{"number":{number},"seed":{seed}}}' for number in numbers]
    return make_batch([f"r{number}" for number in numbers], vectors, payloads)
