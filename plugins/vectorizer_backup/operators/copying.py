"""Bringing a verified backup to its copies."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine import wording
from backup_engine.archive.manifest import BackupState
from vectorizer_backup.dag_defaults import copies_asset, url_of
from vectorizer_backup.limits import COPY_TIMEOUT
from vectorizer_backup.links import BackupPlaceLink
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.tickets import BackupFacts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from airflow.sdk import Context, XComArg
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from pydantic import JsonValue

    from backup_engine.backup import Backup
    from backup_engine.deployment import Deployment


class CopyBackupOperator(BaseOperator):
    """Copies a good backup to one more store: the archive, compared there by content, then its manifest. What it
    hangs on and the store lacks comes before it.

    Run again it finishes what was interrupted, and does nothing where all is done. The event of its outlet carries the
    backup's facts as the copy has them.

    :param backup: its facts, from ``CommitBackupOperator``
    :param target: root URL of the store that gets it
    """

    template_fields = ("backup", "target")
    operator_extra_links = (BackupPlaceLink(),)

    def __init__(self, *, backup: Mapping[str, object], target: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup = backup
        self.target = target

    @property
    def place(self) -> str:
        """Where the copy lies, as people read it."""
        return url_of(self.target)

    @property
    def root(self) -> str:
        """Root URL of the store that the link leads to."""
        return self.target

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Copy.

        :raises DamagedArchive: one side is not what the manifest says
        :raises ObjectExists: the store holds another backup under this name
        :raises StoreUnavailable: a store does not answer; tried again, and brought by the sync later
        """
        from backup_engine.catalog import Catalog
        from backup_engine.copies.copying import copy_backup, missing_bases
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import new_token, place_of, store_of_ticket

        facts = BackupFacts.model_validate(self.backup)
        source = store_of_ticket(facts.store, facts.store_id)
        catalog = Catalog(source, system_clock)
        backup = catalog.find(facts.backup)
        _require_good(backup)
        target = place_of(self.target, facts.deployment)
        for one in (*missing_bases(backup, catalog.by_name, target.store), backup):
            began, progress = monotonic(), ProgressLog(self.log.info)
            report = copy_backup(
                one.folder,
                one.name,
                source,
                target.store,
                clock=system_clock,
                token=new_token(),
                to=self.place,
                progress=progress,
            )
            self.log.info("%s", copied(one.name, self.place, report.bytes, report.copied, monotonic() - began))
        told = facts.model_copy(update={"store": self.target, "store_id": target.identity.store_id, "copies": ()})
        for asset in self.outlets:
            context["outlet_events"][asset].extra = told.as_json()
        return {"backup": facts.backup, "place": self.place, "bytes": report.bytes, "copied": report.copied}


def copy_tasks(deployment: Deployment, backup: XComArg, timeout: timedelta = COPY_TIMEOUT) -> list[MappedOperator]:
    """Make the task that copies a backup to every copy of the deployment, side by side; none where there is none.

    :param backup: its facts, from ``CommitBackupOperator``
    :param timeout: of each; what is stopped then is brought by the sync
    """
    if not deployment.copies:
        return []
    copying = CopyBackupOperator.partial(
        task_id="copy_backup",
        backup=backup,
        outlets=[copies_asset(deployment.name)],
        execution_timeout=timeout,
        map_index_template="{{ task.place }}",
    )
    return [copying.expand(target=[*deployment.copy_roots])]


def copied(backup: str, place: str, size: int, written: int, seconds: float) -> str:
    """Say what a copy came to.

    :param size: bytes of the archive
    :param written: bytes of it that had to be written
    """
    if not written:
        return f"{backup} is in {place} already: {wording.size(size)}"
    rate = wording.size(written / max(seconds, 1e-3))
    took = f"{wording.size(written)} copied and read back in {wording.duration(seconds)}, {rate}/s"
    return f"{backup} is in {place}: {took}"


def _require_good(backup: Backup) -> None:
    """Believe the store: a suspect backup that somebody acknowledged since is good."""
    if backup.state is not BackupState.GOOD:
        raise AirflowSkipException(f"{backup.name} is {backup.state.value}: only good backups are copied")
