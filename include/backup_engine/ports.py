"""What the engine asks of a server. ``vectorizer/`` answers over HTTP; tests answer from memory.

A batch is a ``pyarrow.RecordBatch`` of ``id: string``, ``vector: fixed_size_list<float32>[dimension]`` and
``payload: string`` (canonical JSON text; null = no payload, which is not ``{}``). A component that the server gave
as null is the quiet NaN 0x7fc00000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from backup_engine.model import CollectionConfiguration, CollectionState, Reading, ServerFacts, ServerSnapshot


class Source(Protocol):
    """A server that can be read. Never ask for a collection that ``collections`` does not list (a ghost answers)."""

    def facts(self) -> ServerFacts:
        """Version, generation, uptime, role, clock."""

    def collections(self) -> tuple[CollectionState, ...]:
        """List all collections with their true ``updated_at``, at one moment, sorted by name."""

    def configuration(self, name: str) -> CollectionConfiguration:
        """Tell what is needed to create the collection again."""

    def aliases(self) -> Mapping[str, str]:
        """Tell which collection each alias stands for."""

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        """Read the collection in insertion order, as many records a page as the limits allow.

        :param single_page: one page whatever its size: the only atomic read
        """

    def retrieve(self, name: str, ids: Sequence[str]) -> pa.RecordBatch:
        """Read these records; those that do not exist are absent from the answer."""


class Sink(Protocol):
    """A server that can be written to."""

    def create_collection(self, name: str, configuration: CollectionConfiguration) -> None:
        """Create it empty.

        :raises CollectionExists: the name is taken, by a collection or an alias
        :raises Unsupported: this server cannot make such a collection; the message says which part
        """

    def upsert(self, name: str, batch: pa.RecordBatch) -> None:
        """Write all records of the batch, whatever its size; existing ids are replaced."""

    def delete_records(self, name: str, ids: Sequence[str]) -> None:
        """Delete these records; missing ones are fine."""

    def delete_collection(self, name: str) -> None:
        """Delete it; ask for this name again only after ``flush`` or ``create_collection``."""

    def rename_collection(self, name: str, new_name: str) -> None:
        """Rename; the old name stays as an alias until ``delete_alias``."""

    def create_alias(self, alias: str, collection: str) -> None:
        """Let ``alias`` stand for ``collection``."""

    def delete_alias(self, alias: str) -> None:
        """Forget the alias; a missing one is fine."""

    def flush(self) -> None:
        """Have everything written to the server's disk.

        :raises NotFlushed: the server did not confirm it (it never does while it holds no vector at all)
        """

    def take_snapshot(self, name: str) -> str:
        """Have the server keep a copy of the collection on its own disk, and give the copy's id, which nothing
        overwrites any more. What is in it only the server knows; it can be neither fetched nor deleted.

        :raises Unsupported: this server takes none
        """

    def snapshots(self, name: str) -> tuple[ServerSnapshot, ...]:
        """List the copies there are of this collection, newest first; also of one that is gone."""

    def restore_snapshot(self, name: str, snapshot_id: str) -> None:
        """Put the copy in the collection's place, which is deleted first, with its aliases; right only while nobody
        asks for a name that the disk knows. As after a restart, vectors come back normalised and payload text trimmed.

        :raises SnapshotNotFound: there is no such copy; nothing was touched
        """


class Server(Source, Sink, Protocol):
    """Both at once: what a restore works on."""
