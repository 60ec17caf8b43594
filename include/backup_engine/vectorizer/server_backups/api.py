"""The server's own backup API: made to be used by people who know what it leaves out, and as a last way to read.

What it makes is called a *server backup*, never a backup: it lies on the server's own disk, holds no settings beyond
metric and dimension, and is not checked by the server. So everything here is counted before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from backup_engine import wording
from backup_engine.errors import (
    InvalidInput,
    NothingToBackUp,
    ServerUnavailable,
    TransientError,
    UnexpectedAnswer,
    UnknownCollection,
)
from backup_engine.model import Progress, silent
from backup_engine.storage.contract import Store
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.server_backups.file import SavedCollection, ServerBackup
from backup_engine.vectorizer.server_backups.restoring import ServerRestored, restore_server_backup
from backup_engine.vectorizer.server_backups.routes import BackupRoutes
from backup_engine.vectorizer.server_backups.saving import SavedBackup, save_server_backup, store_server_backup
from backup_engine.vectorizer.state import list_collections, read_uptime, read_version


class BackupApi:
    """Server backups of one server: listed, made, read, fetched, restored."""

    def __init__(self, client: VectorizerClient) -> None:
        self._client = client
        self._routes = BackupRoutes(client)

    def probe(self) -> None:
        """Find out whether the server has one.

        :raises Unsupported: it has not
        """
        _ = self._routes.prefix

    def backups(self) -> tuple[ServerBackup, ...]:
        """List them, newest first, and count what is in them where the list holds their data.

        A Vectorizer since 0.9.6 sends all of its server backups whole for this, built in its memory.
        """
        return tuple(file.summary() for file in self._routes.listed())

    def counted(self, backup_id: str) -> ServerBackup:
        """Read one through and count what is in it.

        :raises UnknownBackup: there is none
        """
        with self._routes.opened(backup_id) as file:
            return file.summary()

    def create(self, name: str, collections: Sequence[str]) -> ServerBackup:
        """Have the server make one of these collections, and count what came of it.

        :raises InvalidInput: no name was given, or no collection (the server would make an empty one and say success)
        :raises NothingToBackUp: the server counts no vector in any of them (or has not loaded them yet)
        :raises UnknownCollection: the server does not list one of them (it would leave it out and say success)
        :raises UnexpectedAnswer: it does not hold as many vectors as the server counts, or the server broke down
        """
        before = self._counts(collections)
        if collections and not any(before.values()):
            raise NothingToBackUp(
                f"{self._client.url} counts no vector in {wording.listing(map(repr, collections))}: nothing to keep, "
                "or it has not loaded them yet"
            )
        made = self.ask_for(name, collections)
        found = self.counted(made.id)
        self._insist_on(found, before, self._counts(collections))
        return found

    def ask_for(self, name: str, collections: Sequence[str]) -> ServerBackup:
        """Have the server make one, without looking at what came of it.

        :raises UnexpectedAnswer: the server dropped the connection over it and lives on
        """
        if not name or not collections:
            raise InvalidInput("a server backup needs a name, and the name of each collection that it is to hold")
        uptime = read_uptime(self._client)
        try:
            return self._routes.create(name, list(dict.fromkeys(collections)))
        except ServerUnavailable as error:
            if not self._has_run_on(uptime):
                raise
            raise UnexpectedAnswer(
                f"the server broke off over a server backup of {wording.listing(map(repr, collections))} and goes on "
                f"running ({error}): Vectorizer {read_version(self._client)} does so over a payload that is no JSON "
                "object; read that collection another way (read_with: scroll or graphql), which takes any payload"
            ) from error

    def contents(self, backup_id: str) -> Iterator[SavedCollection]:
        """Give the collections in one as they stream in, memory flat; each is read before the next is asked for.

        :raises UnknownBackup: there is none
        :raises ServerUnavailable: it broke off
        """
        with self._routes.opened(backup_id) as file:
            yield from file.collections()

    def save(self, backup_id: str, into: Path, progress: Progress = silent) -> SavedBackup:
        """Write one to a new file, which appears when all of it is there: as it is downloaded, else its JSON text.

        :raises InvalidInput: the file exists, or its directory does not
        :raises UnknownBackup: there is none
        """
        return save_server_backup(self._routes, backup_id, into, progress)

    def save_to(self, backup_id: str, store: Store, key: str, progress: Progress = silent) -> SavedBackup:
        """Write one to a store as a new object, which appears when all of it is there; memory stays flat.

        :raises InvalidInput: there is an object of this name
        :raises UnknownBackup: there is none
        """
        return store_server_backup(self._routes, backup_id, store, key, progress)

    def restore(self, backup_id: str, collections: Sequence[str] | None = None) -> ServerRestored:
        """Have the server write one into its collections, and compare what they hold afterwards with it.

        It merges: records with ids that it does not have stay. Missing collections are created first, with the metric
        and dimension they had and the server's own settings otherwise.

        :param collections: which; None: all that are in it
        :raises UnknownBackup: there is none
        :raises Unsupported: the server would restore others too
        """
        return restore_server_backup(self._client, self._routes, backup_id, collections)

    def _counts(self, collections: Sequence[str]) -> dict[str, int]:
        listed = {state.name: state.vectors for state in list_collections(self._client) if state.dimension}
        missing = sorted(set(collections) - set(listed))
        if missing:
            raise UnknownCollection(
                f"{self._client.url} lists no collection {wording.listing(map(repr, missing))} that can be read"
            )
        return {name: listed[name] for name in collections}

    def _insist_on(self, found: ServerBackup, before: dict[str, int], after: dict[str, int]) -> None:
        held = found.vectors or {}
        wrong = [
            f"{name!r}: {held.get(name, 0):,} vectors, where the server counts {_span(before[name], after[name])}"
            for name in before
            if name not in held or not _within(held[name], before[name], after[name])
        ]
        if wrong:
            raise UnexpectedAnswer(
                f"the server backup {found.id} is not what was asked for: {'; '.join(wrong)}. {self.stays(found.id)}"
            )

    def stays(self, backup_id: str) -> str:
        """Say what becomes of one."""
        return (
            f"The server backup {backup_id} stays on the server's disk: Vectorizer {read_version(self._client)} "
            "deletes none; delete its file there by hand"
        )

    def _has_run_on(self, uptime: float | None) -> bool:
        """Tell whether the server is there, and was not started again since it had run for so long."""
        try:
            now = read_uptime(self._client)
        except TransientError:
            return False
        return uptime is not None and now is not None and now >= uptime


def _within(count: int, *bounds: int) -> bool:
    return min(bounds) <= count <= max(bounds)


def _span(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{min(first, last):,} to {max(first, last):,}"
