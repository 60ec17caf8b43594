"""What is measured: how many records, of how many components, kept how."""

from dataclasses import dataclass
from enum import StrEnum

from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization

COLLECTION = "bench"
BUCKET = "bench"
SECOND = "bench-2"
"""Another collection with the same records, for workers that share the work."""


class Kept(StrEnum):
    """How the measured collection keeps its vectors, and so what a backup can make of them."""

    FLOATS = "floats"
    SQ8 = "sq8"


@dataclass(frozen=True, slots=True)
class Shape:
    """One data set; the same on every machine.

    :param vectors: records
    :param dimension: components of each
    """

    kept: Kept
    vectors: int
    dimension: int

    @property
    def configuration(self) -> CollectionConfiguration:
        """Say how a server would keep it."""
        quantization = Quantization.SQ8 if self.kept is Kept.SQ8 else Quantization.NONE
        return CollectionConfiguration(
            dimension=self.dimension, metric=Metric.COSINE, quantization=quantization, hnsw=Hnsw()
        )

    def __str__(self) -> str:
        """Write "100,000 x 384 as sq8"."""
        return f"{self.vectors:,} x {self.dimension} as {self.kept}"


def restored_name(collection: str) -> str:
    """Name what the restore of a measured collection makes."""
    return f"{collection}-restored"
