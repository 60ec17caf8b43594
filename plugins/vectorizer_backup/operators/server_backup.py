"""The server's own backup API, step by step: create, list, download, restore.

What it makes is called a *server backup* and is no backup of this product: nothing guards or verifies it once it is
made. These operators are for DAGs of your own that have to use it; what they do is counted, never believed.

Since 1.8.6 a server knows no call for one server backup: for each of these steps it sends all that it has, whole, and
builds them in its memory first (10 GiB for one of 100,000 vectors of 384 dimensions). Keep them few and small there.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from backup_engine import wording
from backup_engine.errors import InvalidInput
from backup_engine.storage.address import parse_address
from vectorizer_backup.dag_defaults import deployments
from vectorizer_backup.hooks.vectorizer import VectorizerHook
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.retrying import ErrorClassPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from airflow.sdk import Context
    from pydantic import JsonValue

    from backup_engine.model import Progress
    from backup_engine.vectorizer.server_backups.api import BackupApi
    from backup_engine.vectorizer.server_backups.saving import SavedBackup


class ServerBackupOperator(BaseOperator):
    """What the four have in common: a server, and that errors are tried again or not by their class.

    :param vectorizer_conn_id: connection of the server
    """

    template_fields: Sequence[str] = ("vectorizer_conn_id",)

    def __init__(self, *, vectorizer_conn_id: str = VectorizerHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**{"retry_policy": ErrorClassPolicy(), **kwargs})
        self.vectorizer_conn_id = vectorizer_conn_id

    @abstractmethod
    def execute(self, context: Context) -> JsonValue:
        """Do it, and hand on names and totals."""

    @property
    def api(self) -> BackupApi:
        """The backup API of the server; nothing is asked of it yet."""
        return VectorizerHook(self.vectorizer_conn_id).get_conn().backup_api


class CreateServerBackupOperator(ServerBackupOperator):
    """Has the server back up these collections into its own folder, and counts what it wrote.

    Hands on the server backup as the server lists it: id, name, date, collections, and vectors by collection. An
    attempt whose answer was lost leaves its file on the server, which has no call that deletes one.

    :param backup_name: what the server is to call it; templated
    :param collections: every name that is to be in it; templated. The server would take an empty list for "nothing"
        and answer that all went well, so an empty list is refused before it is asked
    :raises InvalidInput: no collection is named
    :raises UnknownCollection: the server does not list one of them; it would leave it out and say that all went well
    :raises UnexpectedAnswer: it does not hold what the server counts
    :raises Unsupported: this server has no backup API
    """

    template_fields = (*ServerBackupOperator.template_fields, "backup_name", "collections")

    def __init__(self, *, backup_name: str, collections: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup_name = backup_name
        self.collections = collections

    def execute(self, context: Context) -> JsonValue:
        """Create it."""
        names = _listed("collections", self.collections)
        made = self.api.create(self.backup_name, names)
        self.log.info(
            "The server made server backup %s (%r) of %s", made.id, made.name, wording.listing(names, most=20)
        )
        return made.model_dump(mode="json")


class ListServerBackupsOperator(ServerBackupOperator):
    """Lists the server's backups, the newest first, without holding their vectors in this worker's memory.

    Hands on a list of id, name, date, collections, and vectors by collection (None where the list does not tell).
    """

    def execute(self, context: Context) -> JsonValue:
        """List them."""
        found = self.api.backups()
        for one in found:
            self.log.info("%s %r of %s: %s", one.id, one.name, one.date, wording.listing(one.collections, most=20))
        self.log.info("The server lists %s", wording.count(len(found), "server backup"))
        return [one.model_dump(mode="json") for one in found]


class DownloadServerBackupOperator(ServerBackupOperator):
    """Streams a server backup into a new file or object, which appears when all of it is there, and counts what is in
    it.

    Hands on where it lies, its bytes, its SHA-256, and the vectors by collection. Where the server has a download, the
    file is that (``tar.gz``); else it is the server backup's JSON text.

    :param backup_id: the id that the server gave it; templated
    :param into: the new file's address: a path like ``/var/backups/auditors/NAME.json``, the same as ``file://`` URL,
        or in a bucket, ``s3://[connection@]bucket/auditors/NAME.json`` or ``gs://…``; templated. A folder has to be
        there, on every worker
    :raises InvalidInput: it exists already, or its folder does not
    :raises UnknownBackup: the server has none of this id
    :raises UnexpectedAnswer: the server sent something else than a server backup; nothing is left behind
    """

    template_fields = (*ServerBackupOperator.template_fields, "backup_id", "into")

    def __init__(self, *, backup_id: str, into: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup_id = backup_id
        self.into = into

    def execute(self, context: Context) -> JsonValue:
        """Download it."""
        saved = self._save(ProgressLog(self.log.info))
        self.log.info(
            "Server backup %s is in %s: %s of %s, %s, sha256 %s",
            saved.id,
            saved.path,
            wording.count(sum(saved.vectors.values()), "vector"),
            wording.count(len(saved.vectors), "collection"),
            wording.size(saved.bytes),
            saved.sha256,
        )
        return saved.model_dump(mode="json")

    def _save(self, progress: Progress) -> SavedBackup:
        from vectorizer_backup.connecting import open_root

        if self.into.startswith(("/", "file://")):
            return self.api.save(self.backup_id, Path(self.into.removeprefix("file://")), progress)
        root, name = folder_and_name(self.into)
        return self.api.save_to(self.backup_id, open_root(root), name, progress)


class RestoreServerBackupOperator(ServerBackupOperator):
    """Has the server read a server backup of its own back, and compares what it holds afterwards.

    Vectors are written over what is there; nothing is deleted. Collections that are missing are created first, with
    the metric the server backup tells, because the server would make all of them Cosine. For anything else (replace,
    rename, another server, settings) restore a real backup instead.

    While it runs it holds the restore lease of the deployment that captures this server, if there is one, so that no
    backup is made of a server that is half restored.

    Hands on the vectors of each collection: in the server backup, on the server before, and after.

    :param backup_id: the id that the server gave it; templated
    :param collections: which of it; templated. None: all of it. A server that ignores the selection is only asked when
        it is everything the server backup holds
    :raises InvalidInput: an empty list
    :raises RestoreRefused: something speaks against it; nothing was touched
    :raises Unsupported: this server would ignore the selection, or has no backup API
    :raises ComparisonFailed: the server does not hold it afterwards
    """

    template_fields = (*ServerBackupOperator.template_fields, "backup_id", "collections")

    def __init__(self, *, backup_id: str, collections: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup_id = backup_id
        self.collections = collections

    def execute(self, context: Context) -> JsonValue:
        """Restore it."""
        names = None if self.collections is None else _listed("collections", self.collections)
        with self._lease(context):
            restored = self.api.restore(self.backup_id, names)
        for name, vectors in restored.vectors.items():
            before = restored.before[name]
            found = "was not there" if before is None else f"had {wording.count(before, 'vector')}"
            self.log.info("%r: %s restored; it %s and has %s", name, f"{vectors:,}", found, f"{restored.after[name]:,}")
        return restored.model_dump(mode="json")

    def _lease(self, context: Context) -> AbstractContextManager[object]:
        from backup_engine.copies.reaching import reach
        from backup_engine.model import system_clock
        from backup_engine.restore.guard import LeasePlace, guarded
        from vectorizer_backup.connecting import open_root, owner

        known = deployments().deployments.values()
        captured = next((one for one in known if one.server.connection == self.vectorizer_conn_id), None)
        if captured is None:
            self.log.info("No deployment captures %s: no lease is taken", self.vectorizer_conn_id)
            return nullcontext()
        reached = reach(captured.roots, open_root, deployment=captured.name)
        return guarded(LeasePlace(reached.store), owner(context), system_clock)


def folder_and_name(url: str) -> tuple[str, str]:
    """Take the address of one object apart.

    :return: the address of the folder it lies in, and its name there
    :raises InvalidInput: it names a bucket and nothing in it, or is no address at all
    """
    address = parse_address(url)
    folder, _, name = address.path.rpartition("/")
    if not name:
        raise InvalidInput(f"{address.url} names a bucket; the address of a new object in it was expected: …/NAME.json")
    return str(replace(address, path=folder)), name


def _listed(field: str, names: object) -> tuple[str, ...]:
    """Take names; a text would be taken for as many names as it has letters."""
    if isinstance(names, str) or not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
        raise InvalidInput(f"{field} is {names!r}: a list of names was expected")
    if not names:
        raise InvalidInput(
            f"{field} is empty: name every collection; the server takes an empty list for nothing at all"
        )
    return tuple(names)
