"""Reading backups back: the one just made, and in turn all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from backup_engine import wording
from backup_engine.errors import NoGoodBackup, VerificationFailed
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.links import RestoreFormLink
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.tickets import VerificationTicket, handed_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.catalog import Catalog
    from backup_engine.deployment import Deployment
    from backup_engine.rotation import Choice


class VerifyBackupOperator(BaseOperator):
    """Reads every byte of a backup, compares it with its manifest, and records the outcome beside it.

    :param backup: a ``VerificationTicket``, or the facts of a backup
    """

    template_fields = ("backup",)

    def __init__(self, *, backup: Mapping[str, object], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup = backup

    def execute(self, context: Context) -> dict[str, object]:
        """Verify.

        :raises VerificationFailed: it is not what its manifest says
        """
        from backup_engine.model import system_clock
        from backup_engine.records import VerificationLevel
        from backup_engine.verification import require_passed, verify_backup
        from vectorizer_backup.connecting import new_token, store_of_ticket

        wanted = {name: self.backup[name] for name in VerificationTicket.model_fields if name in self.backup}
        ticket = VerificationTicket.model_validate({"reason": "it was just made", **wanted})
        self.log.info("%s: %s", ticket.backup, ticket.reason)
        store = store_of_ticket(ticket.store, ticket.store_id)
        report = verify_backup(
            store,
            ticket.folder,
            ticket.backup,
            VerificationLevel.FULL,
            system_clock,
            token=new_token(),
            progress=ProgressLog(self.log.info),
        )
        for problem in report.problems:
            self.log.error("%s", problem)
        require_passed(report)
        figures = wording.count(report.vectors, "vector"), wording.size(report.bytes), wording.duration(report.seconds)
        self.log.info("%s is what its manifest says: %s, %s, read in %s", ticket.backup, *figures)
        return {"backup": ticket.backup, "vectors": report.vectors, "bytes": report.bytes, "seconds": report.seconds}


class PlanVerificationOperator(BaseOperator):
    """Chooses which backups to read: the newest verified one, and those unread for longest.

    Hands on a list of ``VerificationTicket``.

    :param deployment: whose backups
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Choose.

        :raises NoGoodBackup: there is nothing to verify
        """
        from backup_engine.catalog import Catalog
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import store_of_deployment

        refuse_unknown_fields(context)
        store, identity = store_of_deployment(self.deployment)
        catalog = Catalog(store, system_clock)
        choices = _choices(catalog, context["params"]["backups"] or (), context["params"]["count"])
        if not choices:
            raise NoGoodBackup(f"{store.url} holds no backup that could be read; start the full backup")
        for choice in choices:
            self.log.info("%s: %s", choice.backup.name, choice.reason)
        return [
            VerificationTicket(
                store=self.deployment.root,
                store_id=identity.store_id,
                folder=choice.backup.folder,
                backup=choice.backup.name,
                reason=choice.reason,
            ).model_dump(mode="json")
            for choice in choices
        ]


class ConfirmVerificationOperator(BaseOperator):
    """Runs whatever happened before it, and fails unless every chosen backup was found right and all could be read.

    :param deployment: whose backups
    :param planned: from ``PlanVerificationOperator``
    :param verified: from every ``VerifyBackupOperator``
    """

    template_fields = ("planned", "verified")
    operator_extra_links = (RestoreFormLink(),)

    def __init__(
        self,
        *,
        deployment: Deployment,
        planned: Sequence[Mapping[str, Any]] | None,
        verified: Sequence[Mapping[str, Any]] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.deployment = deployment
        self.planned = planned
        self.verified = verified

    def execute(self, context: Context) -> None:
        """Compare what was planned with what was verified.

        :raises VerificationFailed: a backup is damaged, or was not looked at
        """
        from backup_engine.catalog import Catalog
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import store_of_deployment

        if not self.planned:
            raise VerificationFailed("nothing was verified: plan_verification failed, and its log says why")
        passed = {str(one["backup"]) for one in handed_on(self.verified)}
        missing = [str(one["backup"]) for one in self.planned if one["backup"] not in passed]
        problems = [f"{name} was not found right: the log of its verify_backup says why" for name in missing]
        unreadable = Catalog(store_of_deployment(self.deployment)[0], system_clock).unreadable
        problems += [f"no manifest that can be read: {problem}" for problem in unreadable]
        if problems:
            raise VerificationFailed("; ".join(problems))
        self.log.info("Verified: %s", wording.listing(sorted(passed), most=100))


def _choices(catalog: Catalog, names: Sequence[str], count: int) -> tuple[Choice, ...]:
    from backup_engine.rotation import Choice, choose_for_verification

    if not names:
        return choose_for_verification(catalog.backups(), count)
    found = {backup.name: Choice(backup, "it was asked for") for backup in map(catalog.find, names)}
    return tuple(found.values())
