"""What the demo and the tests do with a running Airflow, over its public REST API."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import requests

from services.waiting import poll

TIMEOUT_SECONDS = 30.0
SETTLE_SECONDS = 8.0
"""Airflow 3.3.2 fails a task that is answered before the scheduler has noticed that it waits; people are slower."""

FINISHED_RUN = frozenset({"success", "failed"})
FINISHED_TASK = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowError(RuntimeError):
    """Airflow did not do within the deadline what was expected of it, or refused a request."""


class AirflowClient:
    """One user's session.

    :param url: address of the Airflow
    :param token: without one only the health can be asked for
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @classmethod
    def log_in(cls, url: str, user: str, password: str) -> Self:
        """Exchange user and password for a token."""
        answer = requests.post(
            f"{url}/auth/token", json={"username": user, "password": password}, timeout=TIMEOUT_SECONDS
        )
        if answer.status_code != requests.codes.created:
            raise AirflowError(f"{user} cannot log in: {answer.status_code} {answer.text[:500]}")
        return cls(url, answer.json()["access_token"])

    def is_healthy(self) -> bool:
        """Tell whether every part of Airflow reports that it is healthy."""
        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=TIMEOUT_SECONDS)
        except requests.RequestException:
            return False
        if answer.status_code != requests.codes.ok:
            return False
        states = {name: part["status"] for name, part in answer.json().items() if part.get("status")}
        return {"metadatabase", "scheduler", "dag_processor"} <= set(states) and set(states.values()) == {"healthy"}

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:  # noqa: ANN401
        """Ask the API.

        :param path: below ``/api/v2``
        :raises AirflowError: it answered with an error
        """
        answer = self.respond(method, path, body, **query)
        if not answer.ok:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def respond(self, method: str, path: str, body: object = None, **query: object) -> requests.Response:
        """Ask the API and give the answer as it is, errors too."""
        return requests.request(
            method,
            f"{self.url}/api/v2{path}",
            json=body,
            params={key: str(value) for key, value in query.items()},
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
        )

    # ------------------------------------------------------------ DAGs

    def dag_ids(self) -> set[str]:
        """List the DAGs Airflow knows and has not lost."""
        return {dag["dag_id"] for dag in self.call("GET", "/dags", limit=200)["dags"]}

    def import_errors(self) -> dict[str, str]:
        """Tell which files could not be imported, and why."""
        errors = self.call("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def wait_for_dags(self, dag_ids: Sequence[str], deadline_seconds: float = 120) -> None:
        """Wait until all these DAGs are there."""
        poll(lambda: set(dag_ids) <= self.dag_ids(), f"the DAGs {', '.join(dag_ids)}", deadline_seconds)

    def unpause(self, dag_id: str) -> None:
        """Let the DAG run."""
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False}, update_mask="is_paused")

    # ------------------------------------------------------------ runs

    def trigger(self, dag_id: str, conf: Mapping[str, object] | None = None) -> str:
        """Start a run by hand and give its id."""
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf or {})})
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Tell the state of a run."""
        return str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(self, dag_id: str, run_id: str, deadline_seconds: float) -> str:
        """Wait until the run is over and tell its state."""

        def finished() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in FINISHED_RUN else None

        try:
            return poll(finished, f"run {run_id} of {dag_id}", deadline_seconds)
        except TimeoutError as error:
            raise AirflowError(f"{error}; its tasks: {self.task_states(dag_id, run_id)}") from error

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Have the whole run done again."""
        self.call("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", {"dry_run": False, "only_failed": False})

    def clear_tasks(self, dag_id: str, run_id: str, task_ids: Sequence[str | Sequence[object]]) -> None:
        """Have these tasks done again, and what follows them; a mapped one is given as (task, index)."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task if isinstance(task, str) else list(task) for task in task_ids],
            "only_failed": False,
            "include_downstream": True,
        }
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    # ------------------------------------------------------------ tasks

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """List the task instances of a run."""
        return list(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)["task_instances"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Tell the state of each task of a run; mapped ones as ``task[index]``."""
        return {_label(task): str(task["state"]) for task in self.tasks(dag_id, run_id)}

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, states: Sequence[str], deadline_seconds: float
    ) -> None:
        """Wait until the task is in one of these states.

        :raises AirflowError: it ended in another one, or the deadline passed
        """

        def reached() -> bool:
            state = self.task_states(dag_id, run_id).get(task_id, "none")
            if state in FINISHED_TASK and state not in states:
                raise AirflowError(f"{task_id} of {run_id} is {state}, not {' or '.join(states)}")
            return state in states

        poll(reached, f"{task_id} of {run_id} to be {' or '.join(states)}", deadline_seconds)

    def mark_success(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Say that a task is done although it did not run."""
        self.call("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}", {"new_state": "success"})

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:  # noqa: ANN401
        """Give what a task handed on."""
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}")["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1, index: int = -1) -> str:
        """Give the log of one attempt, a line an event."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        content = self.call("GET", path, map_index=index, full_content="true")["content"]
        return "\n".join(str(line) if isinstance(line, str) else _line(line) for line in content)

    # ------------------------------------------------------------ approvals and assets

    def wait_for_question(self, dag_id: str, run_id: str, task_id: str, deadline_seconds: float) -> dict[str, Any]:
        """Wait until the task asks for a decision, and give what it asks (subject, body, options)."""

        def asked() -> dict[str, Any] | None:
            state = self.task_states(dag_id, run_id).get(task_id)
            if state in FINISHED_TASK:
                raise AirflowError(f"{task_id} of {run_id} is {state} and asks nothing")
            open_ones = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/hitlDetails", response_received="false")
            return next(
                (
                    detail
                    for detail in open_ones["hitl_details"]
                    if detail["task_instance"]["task_id"] == task_id and state == "awaiting_input"
                ),
                None,
            )

        question = poll(asked, f"{task_id} of {run_id} to ask", deadline_seconds)
        # From when it was seen: a question that is asked again keeps the task's first start date.
        time.sleep(SETTLE_SECONDS)
        return question

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Decide, as this user: ``Approve`` or ``Reject``."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self.call("PATCH", path, {"chosen_options": [option], "params_input": {}})

    def asset_events(self, asset: str) -> list[dict[str, Any]]:
        """List the events of an asset, newest first."""
        assets = self.call("GET", "/assets", name_pattern=asset)["assets"]
        found = [one["id"] for one in assets if one["name"] == asset]
        if not found:
            return []
        return list(self.call("GET", "/assets/events", asset_id=found[0], order_by="-timestamp")["asset_events"])


def _label(task: Mapping[str, Any]) -> str:
    return str(task["task_id"]) if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def _line(event: Mapping[str, Any]) -> str:
    details = event.get("error_detail") or ()
    errors = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in details]
    return " ".join(filter(None, [str(event.get("event", "")), *errors]))
