"""People who answer the questions of a run in this process, one after the other."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from airflow._shared.timezones import timezone
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail, HITLUser
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
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
    left = [*answers]
    end = time.monotonic() + DEADLINE_SECONDS * (len(answers) + 1)
    while not ended.wait(0.2):
        if time.monotonic() > end:
            _give_up(dag_id)
            return
        if (question := _answer(dag_id, left[0] if left else None)) is not None:
            asked.append(question)
            left.pop(0)


def _answer(dag_id: str, answer: Answer | None) -> str | None:
    """Answer what is asked; an answer that the asking task's own last write went over is handed in again."""
    waiting = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.state == "awaiting_input")
    with create_session() as session:
        task = session.scalar(waiting.options(joinedload(TaskInstance.hitl_detail)))
        detail: HITLDetail | None = task.hitl_detail if task else None
        if detail is None or (answer is None and not detail.response_received):
            return None
        first = not detail.response_received
        if first and answer is not None:
            detail.responded_by = HITLUser(id=answer.user, name=answer.user)
            detail.responded_at = timezone.utcnow()
            detail.chosen_options = [answer.option]
            detail.params_input = {}
        handle_event_submit(TriggerEvent(detail.as_resume_event_payload()), task_instance=task, session=session)
        return str(detail.body) if first else None


def _give_up(dag_id: str) -> None:
    """End the run: `DAG.test` waits for ever, and Airflow's own alarms have put out the one of the test."""
    with create_session() as session:
        for run in session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.state == "running")):
            run.state = DagRunState.FAILED
