"""The last task of a backup run: green only if a good, verified backup exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, TriggerRule

from backup_engine import wording
from backup_engine.archive.manifest import BackupState
from backup_engine.errors import CopyMissing, NoGoodBackup, PartialBackup, SuspectBackup
from vectorizer_backup.dag_defaults import SYNC, dag_id, url_of
from vectorizer_backup.links import RestoreFormLink
from vectorizer_backup.tickets import BackupFacts, BackupTicket, failed_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.backup import Backup


class ConfirmGoodBackupOperator(BaseOperator):
    """Runs whatever happened before it, and fails unless the run ends with a good backup that was read back whole, and
    every copy holds it.

    It asks the stores, not the tasks: a task that somebody marked as successful proves nothing.

    :param tickets: from ``PlanCaptureOperator``
    :param facts: from ``CommitBackupOperator``
    :param asset: gets an event if it has; None: nobody waits for one
    """

    template_fields: Sequence[str] = ("tickets", "facts")
    operator_extra_links = (RestoreFormLink(),)

    def __init__(
        self,
        *,
        tickets: Sequence[Mapping[str, object]] | None,
        facts: Mapping[str, object] | None,
        asset: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, outlets=[asset] if asset else [], **kwargs)
        self.tickets = tickets
        self.facts = facts
        self.asset = asset

    def execute(self, context: Context) -> None:
        """Look for the backup.

        :raises NoGoodBackup: there is none, it is not good, or it was not found right; the message says what to do
        :raises CopyMissing: it is good, but not in every copy
        """
        run = context["dag_run"]
        if not self.tickets or self.facts is None:
            states = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
            failed = ", ".join(failed_tasks(states)) or "a task before this one"
            raise NoGoodBackup(f"this run made no backup: {failed} failed, and its log says why")
        facts = BackupFacts.model_validate(self.facts)
        ticket = BackupTicket.model_validate(self.tickets[0])
        backup = self._backup(ticket)
        if backup is None or backup.name != facts.backup:
            raise NoGoodBackup(f"{facts.backup} was committed, but {url_of(facts.store)} does not hold it any more")
        _require_good(backup)
        verified = wording.moment(backup.verified_at) if backup.verified_at else ""
        figures = f"{wording.count(facts.vectors, 'vector')}, {wording.size(facts.bytes)}"
        self.log.info("%s is good (%s) and was verified at %s", backup.name, figures, verified)
        self._require_copies(facts)
        if self.asset is not None:
            context["outlet_events"][self.asset].extra = facts.as_json()

    def _require_copies(self, facts: BackupFacts) -> None:
        from vectorizer_backup.connecting import store_of_ticket
        from vectorizer_backup.holding import lacking

        primary = store_of_ticket(facts.store, facts.store_id)
        missing = []
        for root in facts.copies:
            why = lacking(facts.folder, facts.backup, primary, root, facts.deployment)
            if why is None:
                self.log.info("%s holds it too", url_of(root))
            else:
                self.log.error("Not in %s: %s", url_of(root), why)
                missing.append(f"{url_of(root)} ({why})")
        if missing:
            sync = dag_id(facts.deployment, SYNC)
            raise CopyMissing(
                f"{facts.backup} is good and verified in {url_of(facts.store)}, but not in {'; '.join(missing)}. "
                f"{sync} brings it there by its schedule; mend the cause, then trigger {sync} or clear copy_backup"
            )

    @staticmethod
    def _backup(ticket: BackupTicket) -> Backup | None:
        from backup_engine.catalog import Catalog
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import store_of_ticket

        return Catalog(store_of_ticket(ticket.store, ticket.store_id), system_clock).by_run(ticket.run_key)


def _require_good(backup: Backup) -> None:
    if backup.state is not BackupState.GOOD:
        reasons = "; ".join(backup.manifest.private.reasons) or "its manifest gives no reason"
        raise _KINDS[backup.state](
            f"{backup.name} is {backup.state.value}, not good: {reasons}. {_ADVICE[backup.state]}"
        )
    if backup.verified_at is None:
        problems = "; ".join(backup.verifications[-1].problems) if backup.verifications else "it was never read back"
        raise NoGoodBackup(f"{backup.name} was committed, but is not verified: {problems}. Start a new run")


_KINDS = {BackupState.PARTIAL: PartialBackup, BackupState.SUSPECT: SuspectBackup}
_ADVICE = {
    BackupState.PARTIAL: "It is kept and can be restored by its name for what it holds. Mend the cause and start a new "
    "run; clearing this one makes no second backup",
    BackupState.SUSPECT: "It is kept. If what it lacks is meant to be gone, accept it with `vectorizer-backup "
    "acknowledge` and clear this task, or copy_backup if there are copies; otherwise mend the cause and start a new "
    "run",
}
