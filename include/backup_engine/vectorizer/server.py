"""A Vectorizer as the engine sees one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from backup_engine.errors import CollectionNotFound
from backup_engine.model import CollectionConfiguration, CollectionState, Reading, ServerFacts, ServerSnapshot
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.configuration import read_configuration
from backup_engine.vectorizer.credentials import Credentials
from backup_engine.vectorizer.reader import Reader
from backup_engine.vectorizer.retrieving import Retriever
from backup_engine.vectorizer.server_backups.api import BackupApi
from backup_engine.vectorizer.settings import ClientSettings
from backup_engine.vectorizer.snapshots import Snapshots
from backup_engine.vectorizer.state import list_collections, read_aliases, read_facts
from backup_engine.vectorizer.upserts import Upserter
from backup_engine.vectorizer.writer import Writer


class VectorizerServer:
    """Implements ``ports.Server`` over HTTP, as far as this server's version goes."""

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client
        self.backup_api = BackupApi(client)
        self._reader = Reader(client, self.backup_api)
        self._retriever = Retriever(client)
        self._writer = Writer(client)
        self._upserter = Upserter(client)
        self._snapshots = Snapshots(client)

    def __repr__(self) -> str:
        """Tell the address, never the credentials."""
        return f"VectorizerServer({self._client.url})"

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def facts(self) -> ServerFacts:
        """Version, generation, uptime, role, clock."""
        return read_facts(self._client)

    def collections(self) -> tuple[CollectionState, ...]:
        """List all collections at one moment, sorted by name; dimension 0 means that the server could not load it."""
        return list_collections(self._client)

    def configuration(self, name: str) -> CollectionConfiguration:
        """Tell what is needed to create the collection again."""
        return read_configuration(self._client, name)

    def aliases(self) -> Mapping[str, str]:
        """Tell which collection each alias stands for."""
        return read_aliases(self._client)

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        """Read the collection in insertion order, as many records a page as the limits allow.

        The batches raise ``CollectionMoved`` when what is read is no state the collection was ever in.
        """
        return self._reader.read(state, single_page=single_page)

    def retrieve(self, name: str, ids: Sequence[str]) -> pa.RecordBatch:
        """Read these records; those that do not exist are absent. Text in their payloads is trimmed by the server."""
        for state in list_collections(self._client):
            if state.name == name:
                return self._retriever.retrieve(name, ids, state.dimension)
        raise CollectionNotFound(f"{self._client.url} does not list the collection {name!r}", status=404)

    def create_collection(self, name: str, configuration: CollectionConfiguration) -> None:
        """Create it empty, exactly as configured."""
        self._upserter.forget()
        self._writer.create_collection(name, configuration)

    def upsert(self, name: str, batch: pa.RecordBatch) -> None:
        """Write all records of the batch; existing ids are replaced."""
        self._upserter.upsert(name, batch)

    def delete_records(self, name: str, ids: Sequence[str]) -> None:
        """Delete these records; missing ones are fine."""
        self._writer.delete_records(name, ids)

    def delete_collection(self, name: str) -> None:
        """Delete it; ask for this name again only after ``flush`` or ``create_collection``."""
        self._upserter.forget()
        self._writer.delete_collection(name)

    def rename_collection(self, name: str, new_name: str) -> None:
        """Rename; the old name stays as an alias until ``delete_alias``."""
        self._upserter.forget()
        self._writer.rename_collection(name, new_name)

    def create_alias(self, alias: str, collection: str) -> None:
        """Let ``alias`` stand for ``collection``."""
        self._writer.create_alias(alias, collection)

    def delete_alias(self, alias: str) -> None:
        """Forget the alias; a missing one is fine."""
        self._writer.delete_alias(alias)

    def flush(self) -> None:
        """Have everything written to the server's disk, and insist on its word that it was."""
        self._writer.flush()

    def take_snapshot(self, name: str) -> str:
        """Have the server keep a copy of the collection on its own disk; gives the id."""
        return self._snapshots.take(name)

    def snapshots(self, name: str) -> tuple[ServerSnapshot, ...]:
        """List the copies there are, newest first."""
        return self._snapshots.listed(name)

    def restore_snapshot(self, name: str, snapshot_id: str) -> None:
        """Put the copy in the collection's place."""
        self._upserter.forget()
        self._snapshots.restore(name, snapshot_id)


def connect(
    url: str, credentials: Credentials | None = None, settings: ClientSettings | None = None
) -> VectorizerServer:
    """Make a server of an address; nothing is sent yet.

    :raises ConfigurationError: the address makes no sense or carries credentials
    """
    return VectorizerServer(VectorizerClient(url, credentials, settings))
