"""Making a backup: plan, export side by side, commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator

from backup_engine import wording
from backup_engine.archive.manifest import BackupState
from vectorizer_backup.dag_defaults import url_of
from vectorizer_backup.links import BackupPlaceLink, RestoreFormLink
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.tickets import BackupFacts, BackupTicket, facts_of, handed_on, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context
    from pydantic import JsonValue

    from backup_engine.capture.request import CaptureRequest
    from backup_engine.deployment import Deployment


class PlanCaptureOperator(BaseOperator):
    """Lists the server, decides what is read by which stream, and freezes that in the store's staging.

    Hands on a ticket for each stream, at least one.

    :param deployment: what to back up, and where to
    :param suspicions: why the server may not have loaded (from ``ServerLoadedSensor``)
    """

    template_fields = ("suspicions",)

    def __init__(self, *, deployment: Deployment, suspicions: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment
        self.suspicions = suspicions

    def execute(self, context: Context) -> list[dict[str, JsonValue]]:
        """Plan."""
        from backup_engine.capture.planning import prepare_capture
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import new_token, server_of, store_of_deployment

        store, identity = store_of_deployment(self.deployment)
        request = self._request(context, identity.store_id)
        connection, read_with = self.deployment.server.connection, self.deployment.server.read_with
        prepared = prepare_capture(request, server_of(connection, read_with), store, system_clock, new_token())
        if prepared.already:
            self.log.info("This run has made %s already: nothing is read again", prepared.already)
        else:
            counts = wording.count(prepared.vectors, "vector"), wording.count(prepared.streams, "stream")
            self.log.info("To read: %s in %s from %s", *counts, connection)
        ticket = BackupTicket(
            deployment=self.deployment.name,
            store=self.deployment.root,
            store_id=identity.store_id,
            connection=connection,
            read_with=read_with,
            run_key=request.run_key,
            plan_key=prepared.plan_key,
            copies=self.deployment.copy_roots,
        )
        return [ticket.for_stream(stream) for stream in range(prepared.streams)]

    def _request(self, context: Context, store_id: str) -> CaptureRequest:
        from backup_engine.capture.request import CaptureRequest
        from backup_engine.run_key import run_key

        run, params = context["dag_run"], context["params"]
        return CaptureRequest(
            run_key=run_key(run.dag_id, run.run_id),
            deployment=self.deployment.name,
            store_id=store_id,
            label=params.get("label"),
            collections=tuple(params.get("collections") or ()) or None,
            include=self.deployment.collections.include,
            exclude=self.deployment.collections.exclude,
            streams=self.deployment.streams,
            allow_empty=bool(params.get("allow_empty")),
            acknowledged=self.deployment.acknowledged,
            shrink_limit=self.deployment.shrink_limit,
            suspicions=tuple(self.suspicions or ()),
        )


class ExportCollectionsOperator(BaseOperator):
    """Reads one stream's collections into fragments. What is wrong with one collection does not stop the others.

    :param ticket: one of those from ``PlanCaptureOperator``
    """

    template_fields = ("ticket",)

    def __init__(self, *, ticket: Mapping[str, object], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket = ticket

    def execute(self, context: Context) -> dict[str, object] | None:
        """Export."""
        from backup_engine.capture.exporting import export_stream
        from backup_engine.capture.made import backup_of_run
        from backup_engine.capture.results import StreamResult
        from backup_engine.capture.staging import load
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import new_token, server_of, store_of_ticket

        ticket = BackupTicket.model_validate(self.ticket)
        store = store_of_ticket(ticket.store, ticket.store_id)
        if made := backup_of_run(store, ticket.run_key):
            self.log.info("This run has made %s already: nothing is read again", made.manifest.clear.name)
            return None
        server, progress = server_of(ticket.connection, ticket.read_with), ProgressLog(self.log.info)
        summary = export_stream(ticket.plan_key, ticket.stream, server, store, system_clock, new_token(), progress)
        read = load(store, summary.result_key, StreamResult).collections
        for line in read_table((one.summary, one.private) for one in read).splitlines() if read else ():
            self.log.info("%s", line)
        for problem in summary.problems:
            self.log.warning("%s", problem)
        self.log.info("Read %s, %s", wording.count(summary.vectors, "vector"), wording.size(summary.bytes))
        return summary.model_dump(mode="json", exclude={"problems"})


class CommitBackupOperator(BaseOperator):
    """Joins what the streams left into one archive and writes its manifest last: from then on the backup exists.

    Emits the asset event with the backup's facts, of a partial or suspect backup too, and hands the facts on.

    :param tickets: from ``PlanCaptureOperator``
    :param exports: from every ``ExportCollectionsOperator``
    :param asset: stands for the deployment's backups
    """

    template_fields = ("tickets", "exports")
    operator_extra_links = (RestoreFormLink(), BackupPlaceLink())

    def __init__(
        self,
        *,
        tickets: Sequence[Mapping[str, object]],
        exports: Sequence[Mapping[str, Any] | None] | None,
        asset: Asset,
        **kwargs: Any,
    ) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.tickets = tickets
        self.exports = exports
        self.asset = asset

    @property
    def root(self) -> str:
        """Root URL of the store that the link leads to."""
        return str(self.tickets[0]["store"])

    def execute(self, context: Context) -> dict[str, JsonValue]:
        """Commit."""
        facts = self._commit(BackupTicket.model_validate(self.tickets[0]))
        self.log.info(
            "%s is %s: %s of %s, %s, captured %s",
            f"{url_of(facts.store)}/{facts.folder.value}/{facts.backup}.tar.gz",
            facts.state.value,
            wording.count(facts.vectors, "vector"),
            wording.count(facts.collections, "collection"),
            wording.size(facts.bytes),
            wording.moment(facts.captured_at),
        )
        for reason in facts.reasons if facts.state is not BackupState.GOOD else ():
            self.log.warning("%s", reason)
        context["outlet_events"][self.asset].extra = facts.as_json()
        return facts.as_json()

    def _commit(self, ticket: BackupTicket) -> BackupFacts:
        from backup_engine.archive.reading import load_sidecar
        from backup_engine.commit import commit_capture
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import store_of_ticket

        # A run that was cleared and planned anew may still show what streams of its first plan handed on.
        attempt = ticket.plan_key.removesuffix("plan.json")
        keys = [str(export["result_key"]) for export in handed_on(self.exports) if export]
        store = store_of_ticket(ticket.store, ticket.store_id)
        made = commit_capture(ticket.plan_key, [key for key in keys if key.startswith(attempt)], store, system_clock)
        if made.left_over:
            self.log.warning("The backup is made, but what the run kept meanwhile stays: %s", made.left_over)
        sidecar = load_sidecar(store, made.folder, made.name)
        for line in read_table(sidecar.manifest.each()).splitlines():
            self.log.info("%s", line)
        return facts_of(sidecar, ticket.store, ticket.copies)
