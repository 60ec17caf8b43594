"""Making a backup: plan, export side by side, commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind, BackupState
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
    from backup_engine.storage.contract import Store


class PlanCaptureOperator(BaseOperator):
    """Lists the server, decides what is read by which stream, and freezes that in the store's staging.

    Hands on a ticket for each stream, at least one.

    :param deployment: what to back up, and where to
    :param suspicions: why the server may not have loaded (from ``ServerLoadedSensor``)
    :param incremental: store only what changed since the newest backup, where there is one to build on
    """

    template_fields = ("suspicions",)

    def __init__(
        self,
        *,
        deployment: Deployment,
        suspicions: Sequence[str] | None = None,
        incremental: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment
        self.suspicions = suspicions
        self.incremental = incremental

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
            rpo=self.deployment.terms.rpo.total_seconds(),
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
            incremental=self.incremental,
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
        ticket = BackupTicket.model_validate(self.tickets[0])
        facts = self._commit(ticket)
        self.log.info(
            "%s is %s: %s of %s, %s, captured %s",
            f"{url_of(facts.store)}/{facts.folder.value}/{facts.backup}.tar.gz",
            facts.state.value,
            _vectors(facts),
            wording.count(facts.collections, "collection"),
            wording.size(facts.bytes),
            wording.moment(facts.captured_at),
        )
        for remark in facts.remarks:
            self.log.info("%s", remark)
        for reason in facts.reasons if facts.state is not BackupState.GOOD else ():
            self.log.warning("%s", reason)
        self._tell_of_the_recovery_point(facts, ticket)
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
        return reached(facts_of(sidecar, ticket.store, ticket.copies), store)

    def _tell_of_the_recovery_point(self, facts: BackupFacts, ticket: BackupTicket) -> None:
        """Say in the log what point in time is reached, and send what could have been lost until then as a metric."""
        from vectorizer_backup.metrics import emit_measured_rpo

        if facts.recovery_point is None:
            return
        self.log.info("Recovery point reached: %s", wording.moment(facts.recovery_point))
        if facts.rpo_measured is None:
            return
        emit_measured_rpo(facts.deployment, facts.rpo_measured)
        broken = ticket.rpo is not None and facts.rpo_measured > ticket.rpo
        say = self.log.warning if broken else self.log.info
        promised = wording.duration(ticket.rpo) if ticket.rpo is not None else "nothing"
        lost = wording.duration(facts.rpo_measured)
        say("Until it was reached, %s could have been lost at most; %s is promised", lost, promised)


def reached(facts: BackupFacts, store: Store) -> BackupFacts:
    """Add which recovery point a store has with this backup, and what could have been lost until it was there.

    What is not good, or not of the whole scope, is no recovery point.
    """
    from backup_engine.catalog import Catalog
    from backup_engine.freshness.glancing import glances
    from backup_engine.freshness.points import measured_rpo
    from backup_engine.model import system_clock

    held = Catalog(store, system_clock).backups()
    points = [one for one in glances(held, held) if one.good]
    own = next((one for one in points if one.name == facts.backup), None)
    if own is None:
        return facts
    measured = measured_rpo(own, points)
    point = max(one.started_at for one in points if one.captured_at <= own.captured_at)
    seconds = measured.total_seconds() if measured is not None else None
    return facts.model_copy(update={"recovery_point": point, "rpo_measured": seconds})


def _vectors(facts: BackupFacts) -> str:
    """Say how much a backup brings back, and how much of that it holds itself."""
    every = wording.count(facts.vectors, "vector")
    if facts.kind is BackupKind.FULL or facts.stored is None:
        return every
    return f"incremental, {facts.stored:,} of {every}"
