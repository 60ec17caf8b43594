"""Bringing every store what it lacks: plan, copy side by side, look again."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from backup_engine import wording
from backup_engine.errors import CopyMissing, DamagedArchive, ObjectExists, ObjectNotFound
from vectorizer_backup.dag_defaults import SYNC, dag_id, url_of
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.links import BackupPlaceLink
from vectorizer_backup.operators.copying import copied
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.tickets import SyncEntry, SyncTicket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.copies.inventory import Inventory
    from backup_engine.copies.planning import SyncPlan
    from backup_engine.deployment import Deployment
    from backup_engine.storage.contract import Store

UNREACHABLE = "unreachable"
"""Under this key the plan hands on what is the matter with the stores that did not answer."""

_MOST_LINES = 50


class PlanSyncOperator(BaseOperator):
    """Looks into every store that answers, and says what would be brought where, and why.

    Hands on a list of ``SyncTicket``, and under ``UNREACHABLE`` a sentence for each store that does not answer: the
    others are brought what they lack all the same.

    :param deployment: whose stores
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Plan; nothing is written."""
        from vectorizer_backup.syncing import share_out, sync_table

        refuse_unknown_fields(context)
        direction, dry_run = context["params"]["direction"], context["params"]["dry_run"]
        held, gone = _look(self.deployment)
        plan = _planned(held, direction)
        for problem in (*gone, *plan.conflicts):
            self.log.warning("%s", problem)
        for line in sync_table(plan.steps).splitlines() if plan.steps else ():
            self.log.info("%s", line)
        size = wording.size(sum(step.bytes for step in plan.steps))
        self.log.info("To bring: %s, %s", wording.count(len(plan.steps), "backup"), size)
        for sentence in plan.left[:_MOST_LINES]:
            self.log.info("Left: %s", sentence)
        if direction == "out":
            self._tell_of_what_lies_in_copies_only(held)
        context["ti"].xcom_push(key=UNREACHABLE, value=gone)
        if dry_run:
            self.log.info("A dry run: nothing is copied")
            return []
        tickets = share_out(self.deployment.name, plan.steps, self.deployment.streams)
        return [ticket.model_dump(mode="json") for ticket in tickets]

    def _tell_of_what_lies_in_copies_only(self, held: Sequence[Inventory]) -> None:
        behind = _planned(held, "back").steps
        if behind:
            found = wording.count(len({step.backup for step in behind}), "backup")
            self.log.warning(
                "The copies hold %s that the primary store lacks or has damaged: direction 'back' brings them", found
            )


class SyncBackupsOperator(BaseOperator):
    """Brings one store what one ticket lists, the newest first. Stopped anywhere, the next try goes on.

    A backup that cannot be brought does not keep the others back; a store that does not answer ends this try.

    :param ticket: one of those from ``PlanSyncOperator``
    """

    template_fields = ("ticket",)
    operator_extra_links = (BackupPlaceLink(),)

    def __init__(self, *, ticket: Mapping[str, object], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket = ticket

    @property
    def place(self) -> str:
        """Where it is brought to, and how much of it, as people read it."""
        entries = self.ticket["entries"]
        held = len(entries) if isinstance(entries, list | tuple) else 0
        return f"{url_of(self.root)}: {wording.count(held, 'backup')}"

    @property
    def root(self) -> str:
        """Root URL of the store that the link leads to."""
        return str(self.ticket["target"])

    def execute(self, context: Context) -> dict[str, object]:
        """Copy.

        :raises CopyMissing: one or several could not be brought; the message says which, and why
        :raises StoreUnavailable: a store does not answer
        """
        from vectorizer_backup.connecting import place_of

        ticket = SyncTicket.model_validate(self.ticket)
        target = place_of(ticket.target, ticket.deployment).store
        sources = {entry.source for entry in ticket.entries}
        stores = {root: place_of(root, ticket.deployment).store for root in sources}
        problems: list[str] = []
        written = 0
        for number, entry in enumerate(ticket.entries, 1):
            self.log.info("%s of %s: %s/%s", number, len(ticket.entries), entry.folder.value, entry.backup)
            try:
                written += self._bring(entry, ticket.target, stores[entry.source], target)
            except (DamagedArchive, ObjectExists, ObjectNotFound) as error:
                problems.append(f"{entry.backup}: {type(error).__name__}: {error}")
        if problems:
            raise CopyMissing(f"not brought to {url_of(ticket.target)}: {'; '.join(problems)}")
        return {"target": ticket.target, "backups": len(ticket.entries), "copied": written}

    def _bring(self, entry: SyncEntry, root: str, source: Store, target: Store) -> int:
        from backup_engine.copies.planning import SyncAction, SyncStep
        from backup_engine.copies.syncing import carry_out
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import new_token

        step = SyncStep(
            action=SyncAction(entry.action),
            folder=entry.folder,
            backup=entry.backup,
            source=entry.source,
            target=root,
            bytes=entry.bytes,
            reason="",
        )
        began = monotonic()
        report = carry_out(step, source, target, system_clock, token=new_token(), progress=ProgressLog(self.log.info))
        done = copied(entry.backup, url_of(root), report.bytes, report.copied, monotonic() - began)
        self.log.info("%s", done)
        return report.copied


class ConfirmSyncOperator(BaseOperator):
    """Runs whatever happened before it, looks into the stores again, and fails unless each has what it should have.

    :param deployment: whose stores
    :param planned: from ``PlanSyncOperator``
    :param unreachable: from there too
    """

    template_fields = ("planned", "unreachable")

    def __init__(
        self,
        *,
        deployment: Deployment,
        planned: Sequence[Mapping[str, object]] | None,
        unreachable: Sequence[str] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.deployment = deployment
        self.planned = planned
        self.unreachable = unreachable

    def execute(self, context: Context) -> None:
        """Look again.

        :raises CopyMissing: something is still missing, stands against each other, or could not be looked at
        """
        from vectorizer_backup.syncing import what_is_missing

        if self.planned is None:
            raise CopyMissing("nothing was brought: plan_sync failed, and its log says why")
        held, gone = _look(self.deployment)
        plan = _planned(held, context["params"]["direction"])
        problems = [*dict.fromkeys([*(self.unreachable or ()), *gone]), *plan.conflicts]
        missing, more = what_is_missing(plan.steps, self.planned)
        if missing:
            problems.append(f"still missing: {wording.listing(missing, most=20)}; the log of sync_backups says why")
        for problem in problems:
            self.log.error("%s", problem)
        if problems:
            sync = dag_id(self.deployment.name, SYNC)
            raise CopyMissing(f"{'; '.join(problems)}. Once that is mended, trigger {sync} again")
        self._tell(more, dry_run=context["params"]["dry_run"])

    def _tell(self, more: int, *, dry_run: bool) -> None:
        if dry_run:
            self.log.info("A dry run: nothing was copied. The log of plan_sync shows what would be")
            return
        if self.planned:
            done = sum(len(SyncTicket.model_validate(ticket).entries) for ticket in self.planned)
            self.log.info("Every store has what was planned: %s brought", wording.count(done, "backup"))
        else:
            self.log.info("Nothing was missing: every store that should have a backup has it")
        if more:
            self.log.info("%s came meanwhile: the next run looks after them", wording.count(more, "backup"))


def _look(deployment: Deployment) -> tuple[list[Inventory], list[str]]:
    """Look into the stores that answer; into none, where the primary does not: all ways lead over it.

    :return: what they hold, the primary first, and a sentence for each store that does not answer
    """
    from backup_engine.copies.inventory import take_inventory
    from backup_engine.model import system_clock
    from vectorizer_backup.connecting import places_of

    found, gone = places_of(deployment.roots, deployment)
    if deployment.root in [place.root for place in found]:
        return [take_inventory(place.root, place.store, system_clock) for place in found], gone
    how = f"vectorizer-backup store init '{deployment.root}' --deployment {deployment.name}"
    advice = f"if it is lost, make it anew ({how}), then start this with direction 'back'"
    return [], [*gone, f"nothing can be brought without the primary store: {advice}"]


def _planned(held: Sequence[Inventory], direction: str) -> SyncPlan:
    from backup_engine.copies.planning import Direction, SyncPlan, plan_sync

    return plan_sync(held, direction=Direction(direction)) if held else SyncPlan(steps=(), conflicts=())
