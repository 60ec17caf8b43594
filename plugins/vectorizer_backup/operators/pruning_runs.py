"""The last word of a pruning: what was planned is gone, and all else is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from backup_engine import wording
from backup_engine.errors import PruningRefused
from vectorizer_backup.approvals import approver, rejected
from vectorizer_backup.dag_defaults import url_of
from vectorizer_backup.links import BackupPlaceLink
from vectorizer_backup.operators.pruning import tell
from vectorizer_backup.tickets import PrunedTicket, PruningTicket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.deployment import Deployment


class ConfirmPruningOperator(BaseOperator):
    """Runs whatever happened before it, looks into the stores again, and fails unless all that was planned is gone and
    all that was to stay is there. Its log has the whole table.

    Green too when nothing was to go, and when a person said no.

    :param deployment: whose stores
    :param tickets: from ``PlanPruningOperator``
    :param approval: from ``ApprovePruningOperator``
    :param pruned: from ``PruneBackupsOperator``
    """

    template_fields = ("tickets", "approval", "pruned")
    operator_extra_links = (BackupPlaceLink(),)

    def __init__(
        self,
        *,
        deployment: Deployment,
        tickets: Sequence[Mapping[str, object]] | None,
        approval: Mapping[str, object] | None,
        pruned: Sequence[Mapping[str, object]] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.deployment = deployment
        self.tickets = tickets
        self.approval = approval
        self.pruned = pruned

    @property
    def root(self) -> str:
        """Root URL of the store that the link leads to."""
        return self.deployment.root

    def execute(self, context: Context) -> None:
        """Look again.

        :raises PruningRefused: not all was done, something is gone that was to stay, or a store could not be looked at
        """
        if self.tickets is None:
            raise PruningRefused("nothing was pruned: plan_pruning failed, and its log says why")
        tickets = [PruningTicket.model_validate(ticket) for ticket in self.tickets]
        if not tickets:
            self.log.info("A dry run: nothing was deleted. The log of plan_pruning shows what would be")
            return
        if any(ticket.asks for ticket in tickets) and rejected(self.approval):
            self.log.info("%s said no: nothing was deleted. The next run asks again", approver(self.approval))
            return
        done = {one.store: one for one in map(PrunedTicket.model_validate, self.pruned or ())}
        problems = [problem for ticket in tickets for problem in self._unlike(ticket, done.get(ticket.store))]
        asked = {ticket.store for ticket in tickets}
        silent = [root for root in self.deployment.roots if root not in asked]
        problems += [f"{url_of(root)} was not pruned: the log of plan_pruning says why" for root in silent]
        for problem in problems:
            self.log.error("%s", problem)
        if problems:
            raise PruningRefused(f"{wording.listing(problems, most=10)}; the log of prune_backups says why")

    def _unlike(self, ticket: PruningTicket, done: PrunedTicket | None) -> list[str]:
        from backup_engine.catalog import Catalog
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import store_of_ticket
        from vectorizer_backup.pruning import frozen, tables, unlike

        store = store_of_ticket(ticket.store, ticket.store_id)
        plan = frozen(store, done.plan_key if done else ticket.plan_key)
        tell(self, tables(plan))
        if done is None:
            return [f"{url_of(ticket.store)} was not pruned"]
        for name, why in done.spared.items():
            self.log.warning("Spared: %s: %s", name, why)
        freed = wording.size(done.freed)
        self.log.info("Gone: %s, %s freed in %s", wording.count(done.deleted, "backup"), freed, url_of(ticket.store))
        there = Catalog(store, system_clock).listed
        return [f"{url_of(ticket.store)}: {problem}" for problem in unlike(plan, there, done.spared)]
