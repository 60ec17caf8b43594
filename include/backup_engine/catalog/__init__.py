"""The catalog: which backups a store holds and how each stands, read from manifests and records, never from names."""

from backup_engine.catalog.catalog import (
    CLOCK_TOLERANCE,
    LATEST,
    LATEST_VERIFIED,
    Catalog,
    how_far_before,
    seconds_before,
)

__all__ = ["CLOCK_TOLERANCE", "LATEST", "LATEST_VERIFIED", "Catalog", "how_far_before", "seconds_before"]
