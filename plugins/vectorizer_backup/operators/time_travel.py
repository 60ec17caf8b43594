"""What changed between two backups, and when a record did: for DAGs of your own, before somebody restores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.retrying import ErrorClassPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from pydantic import JsonValue

    from backup_engine.catalog import Catalog
    from backup_engine.deployment import Deployment
    from backup_engine.diff.report import StateDiff
    from backup_engine.storage.contract import Store

LIVE = "live"
"""Stands for what the server holds now."""


class TimeTravelOperator(BaseOperator):
    """Reads a deployment's backups: in the primary store, or when that is gone in the first copy that answers.

    :param deployment: whose backups
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**{"retry_policy": ErrorClassPolicy(), **kwargs})
        self.deployment = deployment

    def catalog(self) -> tuple[Store, Catalog]:
        """Open the store, and tell what it holds."""
        from backup_engine.catalog import Catalog
        from backup_engine.copies.reaching import reach
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import open_root

        reached = reach(self.deployment.roots, open_root, deployment=self.deployment.name)
        for sentence in reached.passed_over:
            self.log.warning("%s; reading from %s", sentence, reached.store.url)
        return reached.store, Catalog(reached.store, system_clock)

    def tell(self, text: str) -> None:
        """Write the outcome into the log."""
        for line in text.splitlines():
            self.log.info("%s", line)


class DiffBackupsOperator(TimeTravelOperator):
    """Tells what changed between two backups, or between a backup and the server, collection by collection.

    Hands on the difference as ``vectorizer-backup diff --json`` prints it.

    :param first: the earlier state: a backup's name, ``latest``, ``latest-verified`` or a time; templated
    :param second: the later one: the same, or ``live``, for what the server holds now; templated
    :param collections: only these; none: all that either has; templated
    :param ids: how many ids of each kind to name for each collection, at most
    :raises UnknownBackup: there is no such backup
    :raises UnknownCollection: neither side has a collection that is named
    :raises BrokenChain: a backup that one of them hangs on is missing or damaged
    """

    template_fields = ("first", "second", "collections")

    def __init__(
        self, *, first: str, second: str = LIVE, collections: Sequence[str] = (), ids: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.first = first
        self.second = second
        self.collections = collections
        self.ids = ids

    def execute(self, context: Context) -> JsonValue:
        """Compare."""
        from backup_engine.diff.description import describe_diff

        found = self._compare()
        self.tell(describe_diff(found))
        return found.model_dump(mode="json")

    def _compare(self) -> StateDiff:
        from backup_engine.diff.differing import diff_points
        from backup_engine.diff.live import diff_with_server
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import server_of

        _, catalog = self.catalog()
        first, wanted = catalog.open_point(catalog.find(self.first)), tuple(self.collections)
        if self.second != LIVE:
            second = catalog.open_point(catalog.find(self.second))
            return diff_points(first, second, collections=wanted, ids=self.ids)
        server = server_of(self.deployment.server.connection, self.deployment.server.read_with)
        progress = ProgressLog(self.log.info)
        return diff_with_server(first, server, system_clock, collections=wanted, ids=self.ids, progress=progress)


class FindChangeOperator(TimeTravelOperator):
    """Tells in which backups a record appeared, changed and vanished: where its last good version is.

    Hands on the history as ``vectorizer-backup find-change --json`` prints it.

    :param collection: the collection that the record is in; templated
    :param record_id: the record's id; templated
    :raises UnknownCollection: no backup holds the collection
    """

    template_fields = ("collection", "record_id")

    def __init__(self, *, collection: str, record_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.collection = collection
        self.record_id = record_id

    def execute(self, context: Context) -> JsonValue:
        """Look."""
        from backup_engine.diff.description import describe_history
        from backup_engine.diff.finding import find_change

        store, catalog = self.catalog()
        history = find_change(store, catalog.backups(), self.collection, self.record_id)
        self.tell(describe_history(history))
        return history.model_dump(mode="json")
