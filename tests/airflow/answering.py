"""People who answer the questions of a run in this process, one after the other."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from airflow._shared.timezones import timezone
from airflow.models.hitl import HITLDetail, HITLUser
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import joinedload

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """Who decides, and what."""

    user: str
    option: str


@contextmanager
def answering(dag_id: str, answers: Sequence[Answer]) -> Iterator[list[str]]:
    """Give these answers to the questions the DAG asks; what was asked is in the list afterwards."""
    asked: list[str] = []
    ended = threading.Event()
    person = threading.Thread(target=_answer_all, args=(dag_id, answers, asked, ended), daemon=True)
    person.start()
    try:
        yield asked
    finally:
        ended.set()
        person.join(DEADLINE_SECONDS)


def _answer_all(dag_id: str, answers: Sequence[Answer], asked: list[str], ended: threading.Event) -> None:
    for answer in answers:
        end = time.monotonic() + DEADLINE_SECONDS
        while not ended.wait(0.2) and time.monotonic() < end:
            if (question := _answer(dag_id, answer)) is not None:
                asked.append(question)
                break


def _answer(dag_id: str, answer: Answer) -> str | None:
    waiting = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.state == "awaiting_input")
    with create_session() as session:
        task = session.scalar(waiting.options(joinedload(TaskInstance.hitl_detail)))
        detail: HITLDetail | None = task.hitl_detail if task else None
        if detail is None or detail.response_received:
            return None
        detail.responded_by = HITLUser(id=answer.user, name=answer.user)
        detail.responded_at = timezone.utcnow()
        detail.chosen_options = [answer.option]
        detail.params_input = {}
        handle_event_submit(TriggerEvent(detail.as_resume_event_payload()), task_instance=task, session=session)
        return str(detail.body)
