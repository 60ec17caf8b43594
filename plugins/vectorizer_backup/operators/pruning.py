"""Letting go of old backups: plan, have a person agree where one has to, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine import wording
from backup_engine.errors import PruningRefused, StalePlan
from vectorizer_backup.approvals import approver, objection, rejected
from vectorizer_backup.dag_defaults import url_of
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.links import BackupPlaceLink
from vectorizer_backup.operators.approval import Question, SecondPersonOperator
from vectorizer_backup.tickets import PrunedTicket, PruningTicket

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.deployment import Deployment
    from backup_engine.pruning.site import Site
    from backup_engine.retention.plan import RetentionPlan
    from vectorizer_backup.connecting import Place

_TRIES = 3  # plans for one store: what makes one stale is another pruning, or somebody's pin


class PlanPruningOperator(BaseOperator):
    """Looks into every store that answers, and says what stays and why, what goes and by which rule.

    Each plan is frozen in the store it is for. Hands on a list of ``PruningTicket``, the primary store first, without
    copies that do not answer. A dry run writes nothing and hands on none.

    :param deployment: whose stores
    """

    operator_extra_links = (BackupPlaceLink(),)

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    @property
    def root(self) -> str:
        """Root URL of the store that the link leads to."""
        return self.deployment.root

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Plan; nothing is deleted.

        :raises StoreUnavailable: the primary store does not answer
        """
        from vectorizer_backup.pruning import plan_places, tables

        refuse_unknown_fields(context)
        places, gone = _places(self.deployment)
        for problem in gone:
            self.log.warning("Not pruned: %s", problem)
        planned = plan_places(self.deployment, places)
        for _, plan in planned:
            tell(self, tables(plan))
        if context["params"]["dry_run"]:
            self.log.info("A dry run: nothing is deleted, and nobody is asked")
            return []
        return [self._ticket(place, plan).model_dump(mode="json") for place, plan in planned]

    def _ticket(self, place: Place, plan: RetentionPlan) -> PruningTicket:
        from vectorizer_backup.connecting import new_token
        from vectorizer_backup.pruning import freeze

        return PruningTicket(
            deployment=self.deployment.name,
            store=place.root,
            store_id=place.identity.store_id,
            copy_of_it=place.copy_of_it,
            plan_key=freeze(place.store, plan, new_token()),
            asks=bool(plan.questions),
            second_person=self.deployment.retention.second_person,
        )


class ApprovePruningOperator(SecondPersonOperator):
    """Shows what would go and by which rule, and waits for a decision, where the plan says that a person has to agree.

    :param tickets: from ``PlanPruningOperator``
    """

    template_fields = (*SecondPersonOperator.template_fields, "tickets")

    def __init__(self, *, tickets: Sequence[Mapping[str, object]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tickets = tickets

    @property
    def second_person(self) -> bool:
        """Whether somebody else than the requester has to answer."""
        return any(ticket.second_person for ticket in _asking(self.tickets))

    def question(self) -> Question | None:
        """Show what would go, in every store where somebody has to agree to it."""
        from vectorizer_backup.connecting import store_of_ticket
        from vectorizer_backup.pruning import frozen, question

        tickets = _asking(self.tickets)
        if not tickets:
            return None
        plans = [frozen(store_of_ticket(one.store, one.store_id), one.plan_key) for one in tickets]
        number = wording.count(sum(len(plan.delete) for plan in plans), "backup")
        return Question(f"Delete {number} of {tickets[0].deployment}?", question(plans))


class PruneBackupsOperator(BaseOperator):
    """Carries the plans out, the primary store's first. Stopped anywhere, the next try goes on.

    What a person agreed to is carried out as it is or not at all. A plan that nobody was asked about, and that is stale
    by now, is made anew. Looks itself at what the approval recorded: a task that was marked as successful has recorded
    nothing. Hands on a list of ``PrunedTicket``.

    :param deployment: whose stores
    :param tickets: from ``PlanPruningOperator``
    :param approval: from ``ApprovePruningOperator``
    """

    template_fields = ("tickets", "approval")

    def __init__(
        self,
        *,
        deployment: Deployment,
        tickets: Sequence[Mapping[str, object]],
        approval: Mapping[str, object] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment
        self.tickets = tickets
        self.approval = approval

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Delete.

        :raises PruningRefused: it is not approved, or something speaks against it
        :raises StalePlan: what was agreed to is not what the retention would do now
        :raises ClockDiffers: the store's clock and ours are apart
        :raises LeaseHeld: another pruning is going on
        """
        from vectorizer_backup.connecting import owner

        tickets = [PruningTicket.model_validate(ticket) for ticket in self.tickets]
        if not tickets:
            raise AirflowSkipException("a dry run: nothing is deleted")
        who = self._approved(tickets, context["dag_run"].triggering_user_name)
        return [self._prune(ticket, owner(context), who).model_dump(mode="json") for ticket in tickets]

    def _approved(self, tickets: Iterable[PruningTicket], requester: str | None) -> str | None:
        asking = [ticket for ticket in tickets if ticket.asks]
        if not asking:
            return None
        if rejected(self.approval):
            raise AirflowSkipException(f"{approver(self.approval)} rejected it: nothing is deleted")
        second = any(ticket.second_person for ticket in asking)
        problem = objection(self.approval, requester=requester, second_person=second)
        if problem:
            raise PruningRefused(f"this is not approved: {problem}; nothing was deleted. Clear approve to ask again")
        self.log.info("Approved by %s", approver(self.approval))
        return approver(self.approval)

    def _prune(self, ticket: PruningTicket, owner: str, approved_by: str | None) -> PrunedTicket:
        from vectorizer_backup.connecting import store_of_ticket
        from vectorizer_backup.pruning import frozen

        key = ticket.plan_key
        plan = frozen(store_of_ticket(ticket.store, ticket.store_id), key)
        if ticket.copy_of_it and not ticket.asks:  # what the primary store just let go of may go here too
            plan, key = self._anew(ticket, plan, key)
        for _ in range(_TRIES - 1):
            try:
                return self._carry_out(ticket, plan, key, owner, approved_by)
            except StalePlan as error:
                if ticket.asks:
                    raise
                self.log.warning("Planned anew: %s", error)
            plan, key = self._anew(ticket, plan, key)
        return self._carry_out(ticket, plan, key, owner, approved_by)

    def _anew(self, ticket: PruningTicket, plan: RetentionPlan, key: str) -> tuple[RetentionPlan, str]:
        """Plan again, unless a person would have to agree to that: then the next run asks."""
        from backup_engine.model import system_clock
        from backup_engine.pruning.planning import plan_pruning
        from vectorizer_backup.connecting import new_token
        from vectorizer_backup.pruning import freeze

        site = self._site(ticket)
        fresh = plan_pruning(site, system_clock)
        if fresh.questions:
            self.log.warning("The next run asks somebody: %s", "; ".join(fresh.questions))
            return plan, key
        return fresh, freeze(site.store, fresh, new_token())

    def _carry_out(
        self, ticket: PruningTicket, plan: RetentionPlan, key: str, owner: str, approved_by: str | None
    ) -> PrunedTicket:
        from backup_engine.model import system_clock
        from backup_engine.pruning.executing import prune
        from vectorizer_backup.connecting import new_token

        site = self._site(ticket)
        agreed = approved_by if ticket.asks else None
        report = prune(plan, site, system_clock, by=owner, token=new_token(), approved_by=agreed)
        gone, freed = wording.count(len(report.deleted), "backup"), wording.size(report.freed_bytes)
        self.log.info("%s: %s deleted, %s freed", plan.store, gone, freed)
        return PrunedTicket(
            store=ticket.store,
            store_id=ticket.store_id,
            plan_key=key,
            deleted=len(report.deleted),
            freed=report.freed_bytes,
            spared={one.name: one.reason for one in report.spared},
        )

    def _site(self, ticket: PruningTicket) -> Site:
        from vectorizer_backup.connecting import place_of
        from vectorizer_backup.pruning import sites_of

        sites = sites_of(self.deployment, _places(self.deployment)[0])
        if ticket.store not in sites:
            place_of(ticket.store, ticket.deployment)  # says what is wrong, and whether it may pass
            raise PruningRefused(
                f"{url_of(ticket.store)} is no store of {ticket.deployment} any more; nothing was deleted there"
            )
        return sites[ticket.store]


def _places(deployment: Deployment) -> tuple[list[Place], list[str]]:
    """Open the stores that answer, the primary first; give a sentence for each copy that does not."""
    from vectorizer_backup.connecting import places_of, store_of_deployment

    places, gone = places_of(deployment.roots, deployment)
    if deployment.root not in [place.root for place in places]:
        store_of_deployment(deployment)  # says what is wrong, and whether it may pass
    return places, gone


def _asking(tickets: Iterable[Mapping[str, object]]) -> list[PruningTicket]:
    return [ticket for ticket in map(PruningTicket.model_validate, tickets) if ticket.asks]


def tell(operator: BaseOperator, lines: Iterable[str]) -> None:
    """Write lines into an operator's log."""
    for line in lines:
        operator.log.info("%s", line)
