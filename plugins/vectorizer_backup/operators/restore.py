"""Bringing a backup back: plan, ask, restore, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine.errors import RestoreRefused, RestoreRejected
from backup_engine.run_key import run_key
from vectorizer_backup.approvals import approver, rejected
from vectorizer_backup.dag_defaults import AFTER_RESTORE, SYNC, dag_id, deployments, kept
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.operators.approval import Question, SecondPersonOperator, require_approval
from vectorizer_backup.place_fields import AUTO, roots_at
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.restoring import changes, lease_of, read_with_of, restore_point, restore_request, told_of
from vectorizer_backup.tickets import RestoreTicket, failed_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from backup_engine.backup import Backup
    from backup_engine.copies.reaching import Found
    from backup_engine.deployment import Deployment
    from backup_engine.restore.plan import RestorePlan
    from backup_engine.restore.request import RestoreRequest
    from backup_engine.storage.contract import Store

_PLANNED_IN = "planned_in"
"""Under this key a run remembers the store its plan is frozen in."""


class PlanRestoreOperator(BaseOperator):
    """Finds the restore point, looks at the server, and says what would be done: created, replaced, merged, kept.

    What is carried out later is the plan as it was frozen here; a run that is cleared goes on with the same plan.

    :param deployment: whose backups
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    def execute(self, context: Context) -> dict[str, object]:
        """Plan.

        :raises RestoreRefused: something speaks against it; the message holds all of it
        """
        from backup_engine.restore.plan import raise_refusals

        refuse_unknown_fields(context)
        run, params = context["dag_run"], context["params"]
        found = self._find(context)
        request = restore_request(run_key(run.dag_id, run.run_id)[:12], found.backup.name, params)
        plan = self._plan(found.store, request, found.backup, params)
        told = self._told(found, params)
        self._show(plan, told)
        raise_refusals(plan)
        if not params["dry_run"]:
            context["task_state_store"].set(_PLANNED_IN, found.url)
        return self._ticket(plan, found, params).model_copy(update=told).model_dump(mode="json")

    def _find(self, context: Context) -> Found:
        """Find the backup in the first store that has it; a run that was cleared looks where its plan is frozen first.

        A store that was named alone is read whatever is known of it: what is whole of a damaged backup is restorable.

        :raises BrokenChain: what the backup hangs on is not there
        """
        from backup_engine.catalog import Catalog
        from backup_engine.copies.reaching import find_backup
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import open_root

        params, name = context["params"], self.deployment.name
        point, place = restore_point(params["restore_point"]), params.get("read_from", AUTO)
        roots = roots_at(self.deployment, () if place == AUTO else (place,))
        planned_in = context["task_state_store"].get(_PLANNED_IN)
        in_order = sorted(roots, key=lambda root: root != planned_in)
        wanted = tuple(params.get("collections") or ()) or None
        found = find_backup(
            in_order, open_root, point, system_clock, deployment=name, whole=len(roots) > 1, collections=wanted
        )
        Catalog(found.store, system_clock).check_chain(found.backup, wanted)
        return found

    def _ticket(self, plan: RestorePlan, found: Found, params: Mapping[str, Any]) -> RestoreTicket:
        from vectorizer_backup.connecting import answering

        settings = self.deployment.restore
        others = deployments().deployments.values()
        lease_store, lease = lease_of(self.deployment, params["target"], others)
        return RestoreTicket(
            deployment=self.deployment.name,
            store=found.url,
            store_id=found.identity.store_id,
            connection=params["target"],
            read_with=read_with_of(self.deployment, params["target"], others),
            lease_store=answering(lease_store, found.url, self.log.warning),
            lease=lease,
            restore_id=plan.request.restore_id,
            backup=plan.request.backup,
            dry_run=params["dry_run"],
            approval=settings.approval and changes(plan),
            second_person=settings.second_person,
            kept=kept(self.deployment),
        )

    @staticmethod
    def _plan(store: Store, request: RestoreRequest, backup: Backup, params: Mapping[str, Any]) -> RestorePlan:
        from backup_engine.restore.journal import keep_plan, stored_plan
        from backup_engine.restore.planning import preview_restore
        from vectorizer_backup.connecting import server_of

        frozen = stored_plan(store, request.restore_id)
        if frozen is not None:
            return frozen
        plan = preview_restore(request, backup.manifest, server_of(params["target"]))
        return plan if params["dry_run"] or plan.refusals else keep_plan(plan, store)

    def _told(self, found: Found, params: Mapping[str, Any]) -> dict[str, str]:
        from backup_engine.model import system_clock

        point, asked = restore_point(params["restore_point"]), params.get("read_from", AUTO) == AUTO
        return told_of(found, point, system_clock(), primary=self.deployment.root, primary_asked=asked)

    def _show(self, plan: RestorePlan, told: Mapping[str, str]) -> None:
        from backup_engine.restore.description import describe

        for line in filter(None, told.get("origin", "").splitlines()):
            self.log.warning("%s", line)
        for line in (*filter(None, (told["distance"],)), *describe(plan).splitlines()):
            self.log.info("%s", line)


class ApproveRestoreOperator(SecondPersonOperator):
    """Shows the plan to a person and waits for a decision, when something the server has would be changed.

    A dry run ends here.

    :param ticket: from ``PlanRestoreOperator``
    """

    template_fields = (*SecondPersonOperator.template_fields, "ticket")

    def __init__(self, *, ticket: Mapping[str, object], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket = ticket

    @property
    def second_person(self) -> bool:
        """Whether somebody else than the requester has to answer."""
        return RestoreTicket.model_validate(self.ticket).second_person

    def question(self) -> Question | None:
        """Show the frozen plan."""
        from backup_engine.restore.description import describe
        from vectorizer_backup.connecting import store_of_ticket

        ticket = RestoreTicket.model_validate(self.ticket)
        if ticket.dry_run:
            raise AirflowSkipException("a dry run: the log of plan_restore shows what would be done")
        if not ticket.approval:
            return None
        plan = frozen_plan(store_of_ticket(ticket.store, ticket.store_id), ticket)
        subject = f"Restore {ticket.backup} of {ticket.deployment} into {ticket.connection}?"
        return Question(subject, "\n\n".join(filter(None, (ticket.distance, ticket.origin, describe(plan)))))


class RestoreCollectionsOperator(BaseOperator):
    """Carries the frozen plan out: loads aside, compares, swaps in. Stopped anywhere, it goes on where it was.

    Looks itself at what the approval recorded: a task that was marked as successful has recorded nothing.

    :param ticket: from ``PlanRestoreOperator``
    :param approval: from ``ApproveRestoreOperator``
    """

    template_fields = ("ticket", "approval")

    def __init__(self, *, ticket: Mapping[str, object], approval: Mapping[str, object] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket = ticket
        self.approval = approval

    def execute(self, context: Context) -> dict[str, object]:
        """Restore.

        :raises RestoreRefused: it is not approved
        """
        from backup_engine.model import system_clock
        from backup_engine.restore.description import describe_report
        from backup_engine.restore.guard import LeasePlace
        from backup_engine.restore.lifecycle import resume_restore
        from vectorizer_backup.connecting import open_root, owner, server_of, store_of_ticket

        ticket = RestoreTicket.model_validate(self.ticket)
        self._require_approval(ticket, context["dag_run"].triggering_user_name)
        store = store_of_ticket(ticket.store, ticket.store_id)
        report = resume_restore(
            ticket.restore_id,
            store,
            server_of(ticket.connection, ticket.read_with),
            system_clock,
            owner=owner(context),
            progress=ProgressLog(self.log.info),
            lease=LeasePlace(open_root(ticket.lease_store), ticket.lease),
        )
        for line in describe_report(report).splitlines():
            self.log.info("%s", line)
        totals = {"vectors": report.vectors, "compared": report.compared, "seconds": report.seconds}
        return {"restore_id": report.restore_id, "collections": len(report.collections), **totals}

    def _require_approval(self, ticket: RestoreTicket, requester: str | None) -> None:
        if ticket.dry_run:
            raise RestoreRefused("this is a dry run: start another one with the dry run switched off")
        if not ticket.approval:
            return
        if rejected(self.approval):
            raise AirflowSkipException(f"{approver(self.approval)} rejected it")
        who = require_approval(self.approval, requester=requester, second_person=ticket.second_person)
        self.log.info("Approved by %s", who)


class ConfirmRestoreOperator(BaseOperator):
    """Runs whatever happened before it, and fails unless the server holds the restore point, or it was a dry run.

    :param ticket: from ``PlanRestoreOperator``
    :param approval: from ``ApproveRestoreOperator``
    """

    template_fields = ("ticket", "approval")

    def __init__(
        self, *, ticket: Mapping[str, object] | None, approval: Mapping[str, object] | None, **kwargs: Any
    ) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.ticket = ticket
        self.approval = approval

    def execute(self, context: Context) -> None:
        """Ask the store how the restore ended.

        :raises RestoreRefused: nothing, or not all, was restored; the message says why and how to go on
        """
        if self.ticket is None:
            raise RestoreRefused("nothing was restored: plan_restore failed, and its log says why")
        ticket = RestoreTicket.model_validate(self.ticket)
        if ticket.dry_run:
            self.log.info("A dry run: nothing was touched. The log of plan_restore shows the plan")
            return
        if rejected(self.approval):
            raise RestoreRejected(f"nothing was restored: {approver(self.approval)} rejected it")
        self._require_report(ticket, context)

    def _require_report(self, ticket: RestoreTicket, context: Context) -> None:
        from backup_engine.restore.description import describe_report
        from backup_engine.restore.journal import StoreJournal
        from backup_engine.restore.plan import Action
        from vectorizer_backup.connecting import store_of_ticket

        report = StoreJournal(store_of_ticket(ticket.store, ticket.store_id), ticket.restore_id).report()
        if report is None:
            run = context["dag_run"]
            states = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
            failed = ", ".join(failed_tasks(states)) or "a task before this one"
            raise RestoreRefused(
                f"restore {ticket.restore_id} is not finished: {failed} failed, and its log says why. Once that is "
                "mended, clear restore_collections: it goes on where it stopped"
            )
        for line in describe_report(report).splitlines():
            self.log.info("%s", line)
        if any(item.action is Action.REPLACE for item in report.collections):
            after = dag_id(ticket.deployment, AFTER_RESTORE)
            self.log.info("To undo this: trigger %s with 'undo' and restore %s", after, ticket.restore_id)
        if any(item.kept_as for item in report.collections):
            self.log.info("What was replaced is kept for that %s", ticket.kept)
        if ticket.origin:
            sync = dag_id(ticket.deployment, SYNC)
            self.log.info("Read from a copy. If the primary store is lost: `store init`, then %s, 'back'", sync)


def frozen_plan(store: Store, ticket: RestoreTicket) -> RestorePlan:
    """Read the plan that this run froze.

    :raises RestoreRefused: it is gone
    """
    from backup_engine.restore.journal import stored_plan

    plan = stored_plan(store, ticket.restore_id)
    if plan is None:
        raise RestoreRefused(f"{store.url} no longer holds the plan of restore {ticket.restore_id}: start a new run")
    return plan
