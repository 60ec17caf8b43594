"""What reading left behind: a result for each collection, a document for each stream."""

from __future__ import annotations

from pydantic import Field

from backup_engine.archive.manifest import CollectionSummary, PrivateCollection, Standing, StoredEntry
from backup_engine.model import Document, Moment


class Fragment(Document):
    """A collection's part of the archive, to be.

    :param stored: where its entries lie in it
    """

    key: str
    bytes: int = Field(ge=0)
    stored: tuple[StoredEntry, ...]


class CollectionResult(Document):
    """One collection as it was read.

    :param fragment: None when nothing could be read
    """

    summary: CollectionSummary
    private: PrivateCollection
    fragment: Fragment | None

    @property
    def complete(self) -> bool:
        """All of it was read."""
        return self.summary.standing in {Standing.WHOLE, Standing.FUZZY}


class DroppedCollection(Document):
    """A collection that vanished from the server after it was planned."""

    key: str
    name: str


class StreamResult(Document):
    """What one stream left in staging.

    :param ended_at: when its last collection was read
    """

    stream: int
    ended_at: Moment
    collections: tuple[CollectionResult, ...]
    dropped: tuple[DroppedCollection, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every collection it accounts for."""
        return (*(one.summary.key for one in self.collections), *(one.key for one in self.dropped))


class StreamSummary(Document):
    """What travels between tasks: where the result lies, and totals.

    :param bytes: stored in fragments
    :param problems: a sentence for each collection that is not whole or fuzzy
    """

    result_key: str
    vectors: int
    bytes: int
    problems: tuple[str, ...] = ()
