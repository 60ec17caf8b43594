"""Reading backups back: the one just made, and in turn all the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from backup_engine import wording
from backup_engine.errors import NoGoodBackup, VerificationFailed
from vectorizer_backup.dag_defaults import url_of
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.links import RestoreFormLink
from vectorizer_backup.place_fields import roots_at
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.tickets import VerificationTicket, handed_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from backup_engine.deployment import Deployment
    from vectorizer_backup.connecting import Place

PROBLEMS = "problems"
"""Under this key the plan hands on which stores could not be read, and why."""


class VerifyBackupOperator(BaseOperator):
    """Reads every byte of a backup, compares it with its manifest, and records the outcome beside it.

    :param backup: a ``VerificationTicket``, or the facts of a backup
    """

    template_fields = ("backup",)

    def __init__(self, *, backup: Mapping[str, object], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup = backup

    @property
    def label(self) -> str:
        """What is read, as people read it: a backup, and where, if that is a copy."""
        return told(self._ticket())

    def execute(self, context: Context) -> dict[str, object]:
        """Verify.

        :raises VerificationFailed: it is not what its manifest says
        """
        from backup_engine.model import system_clock
        from backup_engine.records import VerificationLevel
        from backup_engine.verification import require_passed, verify_backup
        from vectorizer_backup.connecting import new_token, store_of_ticket

        ticket = self._ticket()
        self.log.info("%s in %s: %s", ticket.backup, url_of(ticket.store), ticket.reason)
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
        read = {"vectors": report.vectors, "bytes": report.bytes, "seconds": report.seconds}
        return {"backup": ticket.backup, "store": ticket.store, **read}

    def _ticket(self) -> VerificationTicket:
        wanted = {name: self.backup[name] for name in VerificationTicket.model_fields if name in self.backup}
        return VerificationTicket.model_validate({"reason": "it was just made", **wanted})


class PlanVerificationOperator(BaseOperator):
    """Chooses which backups to read: in each store the newest verified one, and those unread for longest.

    Hands on a list of ``VerificationTicket``, and under ``PROBLEMS`` a sentence for each store that does not answer:
    the others are read all the same.

    :param deployment: whose backups
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deployment = deployment

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Choose.

        :raises NoGoodBackup: there is nothing to verify
        """
        from vectorizer_backup.connecting import places_of

        refuse_unknown_fields(context)
        roots = roots_at(self.deployment, context["params"].get("stores") or ())
        places, problems = places_of(roots, self.deployment)
        tickets, empty = self._tickets(places, context["params"])
        problems += empty
        if not tickets:
            raise NoGoodBackup(f"{'; '.join(problems)}; start the full backup")
        for problem in problems:
            self.log.warning("%s", problem)
        for ticket in tickets:
            self.log.info("%s in %s: %s", ticket.backup, url_of(ticket.store), ticket.reason)
        context["ti"].xcom_push(key=PROBLEMS, value=problems)
        return [ticket.model_dump(mode="json") for ticket in tickets]

    @staticmethod
    def _tickets(places: Sequence[Place], params: Mapping[str, Any]) -> tuple[list[VerificationTicket], list[str]]:
        from backup_engine.model import system_clock
        from vectorizer_backup.verifying import tickets_by_name, tickets_in_turn

        if params["backups"] and places:
            return tickets_by_name(places, params["backups"], system_clock), []
        return tickets_in_turn(places, params["count"], system_clock)


class ConfirmVerificationOperator(BaseOperator):
    """Runs whatever happened before it, and fails unless every chosen backup was found right and all could be read,
    in every store.

    :param planned: from ``PlanVerificationOperator``
    :param problems: from there too: stores that could not be read
    :param verified: from every ``VerifyBackupOperator``
    """

    template_fields = ("planned", "problems", "verified")
    operator_extra_links = (RestoreFormLink(),)

    def __init__(
        self,
        *,
        planned: Sequence[Mapping[str, Any]] | None,
        problems: Sequence[str] | None,
        verified: Sequence[Mapping[str, Any]] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.planned = planned
        self.problems = problems
        self.verified = verified

    def execute(self, context: Context) -> None:
        """Compare what was planned with what was verified.

        :raises VerificationFailed: a backup is damaged, or was not looked at, or a store could not be read
        """
        if not self.planned:
            raise VerificationFailed("nothing was verified: plan_verification failed, and its log says why")
        passed = {(one["store"], one["backup"]) for one in handed_on(self.verified)}
        tickets = [VerificationTicket.model_validate(one) for one in self.planned]
        problems = [
            f"{told(ticket)} was not found right: the log of its verify_backup says why"
            for ticket in tickets
            if (ticket.store, ticket.backup) not in passed
        ]
        stores = {(ticket.store, ticket.store_id) for ticket in tickets}
        problems += [
            f"no manifest that can be read: {problem}" for store in sorted(stores) for problem in _unreadable(*store)
        ]
        problems += self.problems or ()
        if problems:
            raise VerificationFailed("; ".join(problems))
        self.log.info("Verified: %s", wording.listing(map(told, tickets), most=100))


def told(ticket: VerificationTicket) -> str:
    """Write what is read: a backup, and where, if that is a copy."""
    return f"{ticket.backup} in {url_of(ticket.store)}" if ticket.copy_of_it else ticket.backup


def _unreadable(url: str, store_id: str) -> tuple[str, ...]:
    from backup_engine.catalog import Catalog
    from backup_engine.model import system_clock
    from vectorizer_backup.connecting import store_of_ticket

    store = store_of_ticket(url, store_id)
    return tuple(f"{store.url}: {problem}" for problem in Catalog(store, system_clock).unreadable)
