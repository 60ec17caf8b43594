"""A live server as what is measured: collections of the bench's own on it, and none afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from backup_engine import wording
from backup_engine.model import ServerFacts
from backup_engine.restore.flushing import flush_if_possible
from backup_engine.vectorizer.server import VectorizerServer
from bench.data import blocks
from bench.figures import REAL_RATE
from bench.parameters import COLLECTION, Kept, Shape

_SLICE = 1_000


def possible(shape: Shape, facts: ServerFacts) -> Shape:
    """Give the data set a dimension in which this server keeps floats, if it has to."""
    allowed = facts.unquantized_dimensions
    if shape.kept is Kept.SQ8 or allowed is None or shape.dimension in allowed:
        return shape
    return Shape(shape.kept, shape.vectors, min(allowed, key=lambda one: abs(one - shape.dimension)))


def forecast(shapes: list[Shape], rounds: int) -> str:
    """Say what a run will do to the server, and how long that takes at the rate servers have."""
    loaded = sum(shape.vectors for shape in shapes)
    expected = wording.duration(loaded * (1 + rounds) / REAL_RATE)
    return (
        f"Filling {wording.listing(map(str, shapes))} and restoring each takes about {expected} at "
        f"{REAL_RATE:.0f} vectors a second. The collections are deleted at the end; what the guide's way makes stays "
        f"in the server's own folder of backups ({wording.count(rounds * len(shapes), 'file')}, about "
        f"{wording.size(rounds * sum(shape.vectors * shape.dimension * 34 for shape in shapes))}), because no request "
        "deletes it, and every listing of them holds all of it."
    )


@contextmanager
def filled(server: VectorizerServer, shape: Shape) -> Iterator[str]:
    """Fill a collection of a name that nobody has, give the name, and delete it whatever happens."""
    name = f"{COLLECTION}-{uuid4().hex[:12]}"
    server.create_collection(name, shape.configuration)
    try:
        for block in blocks(shape.vectors, shape.dimension):
            batch = block.batch()
            for start in range(0, batch.num_rows, _SLICE):
                server.upsert(name, batch.slice(start, _SLICE))
        yield name
    finally:
        drop(server, name)


def drop(server: VectorizerServer, beginning: str) -> None:
    """Delete the collections whose names begin so, for good: also what a restore that failed holds aside."""
    for state in server.collections():
        if state.name.startswith(beginning):
            server.delete_collection(state.name)
    flush_if_possible(server)
