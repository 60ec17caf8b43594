"""What collections take of a server's memory, for whoever must choose between two copies and one."""

from __future__ import annotations

from backup_engine import wording
from backup_engine.model import CollectionConfiguration, Quantization
from backup_engine.restore.plan import Action, PlannedCollection

_GRAPH_BYTES = 9_000
"""The index's links and the server's own objects, for a vector: what is left beside components and payloads of what
3.5.0 took for 384 components as SQ8 with 0.25 kB of payload: 0.9 GiB for 100,000 and 0.4 GiB for 30,000, which makes
7,000 and 11,000."""

_SNAPSHOT_BYTES = 20
"""For a component, while a snapshot is made: floats, their JSON text, the packed text (217 MiB for 30,000 x 384)."""

_COMPONENT_BYTES = 4  # the index keeps floats, whatever the collection keeps


def memory_of(vectors: int, configuration: CollectionConfiguration) -> int:
    """Estimate the bytes that a loaded collection takes, payloads not counted: nobody tells how large they are."""
    kept = 1 if configuration.quantization is Quantization.SQ8 else _COMPONENT_BYTES
    return vectors * (configuration.dimension * (_COMPONENT_BYTES + kept) + _GRAPH_BYTES)


def snapshot_memory(vectors: int, dimension: int) -> int:
    """Estimate the bytes of the server's memory that making a snapshot takes for a moment, payloads not counted."""
    return vectors * dimension * _SNAPSHOT_BYTES


def second_copies(collections: tuple[PlannedCollection, ...]) -> str | None:
    """Say what it costs to hold replaced collections and their replacements at once; None where none is."""
    both = [item for item in collections if item.action is Action.REPLACE and not item.in_place]
    if not both:
        return None
    needed = sum(memory_of(item.vectors, item.configuration) for item in both)
    return (
        f"until the replaced collections are released, the server holds both copies: about {wording.size(needed)} more "
        "memory, and the payloads; one that has less can be restored in place, a collection after the other"
    )
