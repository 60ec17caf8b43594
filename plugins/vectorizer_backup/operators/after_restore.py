"""What comes after a restore: letting go of what it replaced, bringing that back, going on where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine.errors import InvalidInput, RestoreRefused
from vectorizer_backup.approvals import approver, rejected
from vectorizer_backup.dag_defaults import FULL_BACKUP, dag_id, deployments, kept
from vectorizer_backup.forms import DUE, refuse_unknown_fields
from vectorizer_backup.operators.approval import Question, SecondPersonOperator, require_approval
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.restoring import connection_of, lease_of, read_with_of
from vectorizer_backup.tickets import Followup, FollowupTicket, failed_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.deployment import Deployment
    from backup_engine.restore.guard import LeasePlace
    from backup_engine.restore.lifecycle import KnownRestore
    from backup_engine.storage.contract import Store
    from vectorizer_backup.aftercare import Chosen
    from vectorizer_backup.connecting import Place


class PlanAfterRestoreOperator(BaseOperator):
    """Decides what is done after which restore: by the form's defaults, all that is due is released.

    Hands on a list of ``FollowupTicket``; an empty one when nothing is due. Writes nothing.

    :param deployment: whose restores
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Choose.

        :raises InvalidInput: no restore was named, or an unknown one; the message lists those there are
        :raises RestoreRefused: this cannot be done about it
        """
        from backup_engine.model import system_clock
        from vectorizer_backup.aftercare import choose, table

        refuse_unknown_fields(context)
        action, named = context["params"]["action"], context["params"]["restore"]
        followup = None if action == DUE else Followup(action)
        known, places, unseen = self._remembered()
        now, keep = system_clock(), self.deployment.restore.keep_replaced
        for line in table(known, now, keep).splitlines() if known else ():
            self.log.info("%s", line)
        chosen = choose(followup, named, known, now, keep, unseen)
        if not chosen:
            self.log.info("Nothing to release: what restores replaced is kept %s", kept(self.deployment))
        if chosen and named is None and self._capturing(context):
            self.log.warning("A full backup is running, and would have to start again: released another time")
            return []
        tickets = self._tickets(followup or Followup.RELEASE, named, chosen, places)
        if followup is Followup.UNDO:
            self._show_undo(tickets[0], places[tickets[0].restore_id].store)
        return [ticket.model_dump(mode="json") for ticket in tickets]

    def _remembered(self) -> tuple[list[KnownRestore], dict[str, Place], list[str]]:
        """List the restores of every store that answers, and tell which do not: one that was read from a copy is
        remembered there.

        :raises StoreUnavailable: none of them answers
        """
        from backup_engine.restore.lifecycle import list_restores
        from vectorizer_backup.aftercare import united
        from vectorizer_backup.connecting import places_of, store_of_deployment

        places, gone = places_of(self.deployment.roots, self.deployment)
        for problem in gone:
            self.log.warning("%s: what it remembers of restores waits for another day", problem)
        if not places:
            store_of_deployment(self.deployment)
        return *united([(place, list_restores(place.store)) for place in places]), gone

    def _show_undo(self, ticket: FollowupTicket, store: Store) -> None:
        from backup_engine.model import system_clock
        from backup_engine.restore.description import describe_undo
        from backup_engine.restore.undoing import plan_undo
        from vectorizer_backup.connecting import server_of

        plan = plan_undo(ticket.restore_id, store, server_of(ticket.connection), system_clock)
        for line in describe_undo(plan).splitlines():
            self.log.info("%s", line)
        if plan.refusals:
            raise RestoreRefused("; ".join(plan.refusals))

    def _tickets(
        self, followup: Followup, named: str | None, chosen: Sequence[Chosen], places: Mapping[str, Place]
    ) -> list[FollowupTicket]:
        from vectorizer_backup.connecting import address_of

        servers = [self.deployment.server.connection, *self.deployment.restore.targets]
        tickets = []
        for one in chosen:
            url = one.known.plan.server_url if one.known.plan else ""
            connection = connection_of(url, servers, address_of)
            if connection is not None:
                self.log.info("To %s: restore %s on %s: %s", followup.value, one.known.restore_id, url, one.reason)
                tickets.append(self._ticket(followup, one, connection, places[one.known.restore_id]))
            elif named is None:
                self.log.warning("Kept: %s", _elsewhere(one, url))
            else:
                raise InvalidInput(_elsewhere(one, url))
        return tickets

    def _ticket(self, followup: Followup, chosen: Chosen, connection: str, place: Place) -> FollowupTicket:
        from vectorizer_backup.connecting import answering

        settings = self.deployment.restore
        others = deployments().deployments.values()
        lease_store, lease = lease_of(self.deployment, connection, others)
        return FollowupTicket(
            followup=followup,
            restore_id=chosen.known.restore_id,
            reason=chosen.reason,
            deployment=self.deployment.name,
            store=place.root,
            store_id=place.identity.store_id,
            connection=connection,
            read_with=read_with_of(self.deployment, connection, others),
            lease_store=answering(lease_store, place.root, self.log.warning),
            lease=lease,
            approval=settings.approval and followup is Followup.UNDO,
            second_person=settings.second_person,
        )

    def _capturing(self, context: Context) -> bool:
        backup = dag_id(self.deployment.name, FULL_BACKUP)
        return bool(context["ti"].get_dr_count(dag_id=backup, states=["running"]))


class ApproveUndoOperator(SecondPersonOperator):
    """Shows what an undo brings back and what is lost by it, and waits for a decision. Nothing else is asked about.

    :param tickets: from ``PlanAfterRestoreOperator``
    """

    template_fields = (*SecondPersonOperator.template_fields, "tickets")

    def __init__(self, *, tickets: Sequence[Mapping[str, object]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tickets = tickets

    @property
    def second_person(self) -> bool:
        """Whether somebody else than the requester has to answer."""
        return any(ticket.second_person for ticket in self._asked_about())

    def question(self) -> Question | None:
        """Show what the server has and what the undo would make of it."""
        from backup_engine.model import system_clock
        from backup_engine.restore.description import describe_undo
        from backup_engine.restore.undoing import plan_undo
        from vectorizer_backup.connecting import server_of, store_of_ticket

        for ticket in self._asked_about():
            store = store_of_ticket(ticket.store, ticket.store_id)
            plan = plan_undo(ticket.restore_id, store, server_of(ticket.connection), system_clock)
            subject = f"Undo restore {ticket.restore_id} of {ticket.deployment} on {ticket.connection}?"
            return Question(subject, describe_undo(plan))
        return None

    def _asked_about(self) -> list[FollowupTicket]:
        tickets = [FollowupTicket.model_validate(ticket) for ticket in self.tickets]
        return [ticket for ticket in tickets if ticket.approval]


class CarryOutOperator(BaseOperator):
    """Does what one ticket says. Stopped anywhere, it goes on where it was when it is tried again.

    Looks itself at what the approval recorded: a task that was marked as successful has recorded nothing.

    :param ticket: one of those from ``PlanAfterRestoreOperator``
    :param approval: from ``ApproveUndoOperator``
    """

    template_fields = ("ticket", "approval")

    def __init__(self, *, ticket: Mapping[str, object], approval: Mapping[str, object] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket = ticket
        self.approval = approval

    def execute(self, context: Context) -> dict[str, str]:
        """Release, undo or resume.

        :raises RestoreRefused: it is not approved, or the server is not as it has to be
        """
        from backup_engine.restore.guard import LeasePlace
        from vectorizer_backup.connecting import open_root, owner, store_of_ticket

        ticket = FollowupTicket.model_validate(self.ticket)
        if ticket.approval:
            self._require_approval(ticket, context["dag_run"].triggering_user_name)
        lease = LeasePlace(open_root(ticket.lease_store), ticket.lease)
        store = store_of_ticket(ticket.store, ticket.store_id)
        for line in self._carry_out(ticket, store, lease, owner(context)).splitlines():
            self.log.info("%s", line)
        return {"restore_id": ticket.restore_id, "followup": ticket.followup.value}

    def _carry_out(self, ticket: FollowupTicket, store: Store, lease: LeasePlace, who: str) -> str:
        from backup_engine.model import system_clock
        from backup_engine.restore.description import describe_released, describe_report, describe_undone
        from backup_engine.restore.lifecycle import release_restore, resume_restore
        from backup_engine.restore.undoing import undo_restore
        from vectorizer_backup.connecting import server_of

        server, progress = server_of(ticket.connection, ticket.read_with), ProgressLog(self.log.info)
        match ticket.followup:
            case Followup.RELEASE:
                return describe_released(
                    release_restore(ticket.restore_id, server, store, system_clock, who, lease=lease)
                )
            case Followup.UNDO:
                return describe_undone(
                    undo_restore(ticket.restore_id, store, server, system_clock, owner=who, lease=lease)
                )
            case Followup.RESUME:
                report = resume_restore(
                    ticket.restore_id, store, server, system_clock, owner=who, progress=progress, lease=lease
                )
                return describe_report(report)

    def _require_approval(self, ticket: FollowupTicket, requester: str | None) -> None:
        if rejected(self.approval):
            raise AirflowSkipException(f"{approver(self.approval)} rejected it")
        who = require_approval(self.approval, requester=requester, second_person=ticket.second_person)
        self.log.info("Approved by %s", who)


class ConfirmAfterRestoreOperator(BaseOperator):
    """Runs whatever happened before it, and fails unless all that was planned is done, or nothing was to be done.

    It asks the store, not the tasks: a task that somebody marked as successful proves nothing.

    :param tickets: from ``PlanAfterRestoreOperator``
    """

    template_fields = ("tickets",)

    def __init__(self, *, tickets: Sequence[Mapping[str, object]] | None, **kwargs: Any) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.tickets = tickets

    def execute(self, context: Context) -> None:
        """Ask the store how it ended.

        :raises RestoreRefused: not all was done; the message says how to go on
        """
        if self.tickets is None:
            raise RestoreRefused("nothing was done: plan_after_restore failed, and its log says why")
        tickets = [FollowupTicket.model_validate(ticket) for ticket in self.tickets]
        missing = [f"{ticket.followup.value} {ticket.restore_id}" for ticket in tickets if not _done(ticket)]
        if missing:
            run = context["dag_run"]
            states = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
            failed = ", ".join(failed_tasks(states)) or "approve, or a task before this one"
            raise RestoreRefused(f"not done: {', '.join(missing)}; the log of {failed} says why")
        for ticket in tickets:
            self.log.info("Done: %s %s", ticket.followup.value, ticket.restore_id)
        if not tickets:
            self.log.info("Nothing was due: the log of plan_after_restore shows what is kept, and for how long")


def _elsewhere(chosen: Chosen, url: str) -> str:
    return (
        f"restore {chosen.known.restore_id} was made on {url}, where no connection of this deployment leads; add one "
        "to restore.targets in deployments.yaml, or use the command line"
    )


def _done(ticket: FollowupTicket) -> bool:
    from backup_engine.restore.journal import StoreJournal, stored_release, stored_undo
    from vectorizer_backup.connecting import store_of_ticket

    store = store_of_ticket(ticket.store, ticket.store_id)
    match ticket.followup:
        case Followup.RELEASE:
            return stored_release(store, ticket.restore_id) is not None
        case Followup.UNDO:
            return stored_undo(store, ticket.restore_id) is not None
        case Followup.RESUME:
            return StoreJournal(store, ticket.restore_id).report() is not None
