"""Asking a person before anything that a server has is changed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.providers.standard.operators.hitl import HITLOperator

from backup_engine.errors import RestoreRefused
from vectorizer_backup.approvals import APPROVE, REJECT, approver, objection, rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context


class Question(NamedTuple):
    """What a person is asked.

    :param body: Markdown
    """

    subject: str
    body: str


class SecondPersonOperator(HITLOperator):
    """Puts a question and waits for a decision.

    Nobody approves what they asked for themselves unless the deployment allows it: their answer is refused and the
    question put again. A rejection is recorded like an approval: the tasks after this go by what is recorded.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(subject="Go on?", options=[APPROVE, REJECT], **kwargs)

    @property
    @abstractmethod
    def second_person(self) -> bool:
        """Whether somebody else than the requester has to answer."""

    @abstractmethod
    def question(self) -> Question | None:
        """Make up the question; None when there is nothing to ask.

        :raises AirflowSkipException: what follows is not to run either
        """

    def execute(self, context: Context) -> Any:
        """Ask, if there is anything to ask."""
        question = self.question()
        if question is None:
            self.log.info("Nothing that the server has is changed, or the deployment asks nobody: no approval needed")
            return None
        requester = context["dag_run"].triggering_user_name or "a program"
        by = f"{requester} asks, another person has to decide." if self.second_person else f"{requester} asks."
        self.subject = question.subject
        self.body = f"{by}\n\n{question.body}"
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the decision, or ask again when it is not this person's to take."""
        requester = context["dag_run"].triggering_user_name
        problem = objection(event, requester=requester, second_person=self.second_person)
        if problem and not rejected(event):
            self.log.warning("Not approved: %s. Asking again", problem)
            return self.execute(context)
        return super().execute_complete(context, event)


def require_approval(decision: Mapping[str, Any] | None, *, requester: str | None, second_person: bool) -> str:
    """Look at what was recorded, whatever state the asking task is in: one marked as successful has recorded nothing.

    :return: who approved
    :raises RestoreRefused: nobody, or not the right person
    """
    problem = objection(decision, requester=requester, second_person=second_person)
    if problem:
        raise RestoreRefused(f"this is not approved: {problem}. Clear approve to ask again")
    return str(approver(decision))
