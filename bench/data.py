"""What is measured with: random vectors, which no codec can make much smaller, and short payloads."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.archive.canonical import canonical_json
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization

COLLECTION = "bench"
VECTORS, DIMENSION, BATCH = 20_000, 384, 1_000
CONFIGURATION = CollectionConfiguration(
    dimension=DIMENSION, metric=Metric.COSINE, quantization=Quantization.SQ8, hnsw=Hnsw()
)


def batches() -> Iterator[pa.RecordBatch]:
    """Make the same records on every machine."""
    source = np.random.default_rng(20261122)
    for start in range(0, VECTORS, BATCH):
        vectors = source.standard_normal((BATCH, DIMENSION), dtype=np.float32)
        ids = [f"document-{number:06}" for number in range(start, start + BATCH)]
        payloads = [canonical_json({"source": "bench", "number": number, "text": _words(number)}) for number in ids]
        yield make_batch(ids, vectors, payloads)


def _words(seed: str) -> str:
    source = np.random.default_rng(int(seed.rsplit("-", 1)[1]))
    return " ".join(f"word{number}" for number in source.integers(0, 5000, 24))
