"""Making a full of a chain, inside the store and without the server: for DAGs of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine import wording
from vectorizer_backup.links import BackupPlaceLink
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.retrying import ErrorClassPolicy
from vectorizer_backup.tickets import facts_of

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

    from backup_engine.catalog import Catalog
    from backup_engine.deployment import Deployment


class SynthesizeOperator(BaseOperator):
    """Stores the state of an incremental whole: a full of the same moment, that hangs on nothing.

    Run again it goes on where it was, and finds what it has made. Hands on the full's facts, as
    ``VerifyBackupOperator`` takes them; verify it, as every backup.

    :param deployment: whose backups
    :param backup: the incremental: a name, ``latest`` or a time; templated
    :param if_costly: end skipped unless a restore from the chain would read much more than one of a full
    :raises InvalidInput: it is a full
    :raises RestoreRefused: it is not good
    :raises BrokenChain: a backup that it hangs on is missing or damaged
    :raises DamagedArchive: its chain does not come to its state; nothing is committed
    """

    template_fields = ("backup",)
    operator_extra_links = (BackupPlaceLink(),)

    def __init__(
        self, *, deployment: Deployment, backup: str = "latest", if_costly: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**{"retry_policy": ErrorClassPolicy(), **kwargs})
        self.deployment = deployment
        self.backup = backup
        self.if_costly = if_costly

    @property
    def root(self) -> str:
        """Root URL of the store that the link leads to."""
        return self.deployment.root

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Synthesize."""
        from backup_engine.archive.reading import load_sidecar
        from backup_engine.catalog import Catalog
        from backup_engine.model import system_clock
        from backup_engine.synthesis import synthesize
        from vectorizer_backup.connecting import new_token, store_of_deployment

        store, _ = store_of_deployment(self.deployment)
        if self.if_costly:
            self._skip_unless_costly(Catalog(store, system_clock))
        made = synthesize(store, self.backup, system_clock, new_token(), progress=ProgressLog(self.log.info))
        said = "is" if made.already else "was made into"
        figures = wording.count(made.vectors, "vector"), wording.size(made.bytes)
        self.log.info("%s %s %s: %s, %s", made.of, said, f"{made.folder}/{made.name}", *figures)
        if made.left_over:
            self.log.warning("What was kept meanwhile stays: %s", made.left_over)
        sidecar = load_sidecar(store, made.folder, made.name)
        return facts_of(sidecar, self.deployment.root).as_json()

    def _skip_unless_costly(self, catalog: Catalog) -> None:
        from backup_engine.synthesis import why_costly

        source = catalog.find(self.backup)
        why = why_costly(source, catalog.by_name)
        if why is None:
            raise AirflowSkipException(f"restoring {source.name} costs about as much as restoring a full")
        self.log.info("%s", why)
