"""What the watch asks Airflow, and what it makes of the answers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import DagResult, ErrorResponse

from backup_engine.deployments import Loaded, read_deployments
from backup_engine.freshness.concerns import ConcernKind, Severity
from tests.tables import squeezed
from vectorizer_backup.heartbeat import send_heartbeat
from vectorizer_backup.watching import Looked, look_at_all, not_judged, sightings, table_of

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
TODAY = datetime(2026, 3, 4, 2, tzinfo=UTC)
TOMORROW = TODAY + timedelta(days=1)
ALPHA = read_deployments(
    "deployments: {alpha: {tier: production, server: {url: 'http://a'}, store: 'file:///b'}}"
).deployments["alpha"]


def _dag(dag_id: str, next_dagrun: datetime | None, *, paused: bool = False) -> DagResult:
    return DagResult(
        dag_id=dag_id,
        is_paused=paused,
        bundle_name=None,
        bundle_version=None,
        relative_fileloc=None,
        owners=None,
        tags=[],
        next_dagrun=next_dagrun,
    )


@dataclass
class Airflow:
    """What a task may ask: DAGs, and how many runs there are for a date, or in a state."""

    dags: dict[str, DagResult] = field(default_factory=dict)
    runs: dict[str, list[datetime | str]] = field(default_factory=dict)
    status: int = 404

    def get_dag(self, dag_id: str) -> DagResult:
        if dag_id not in self.dags:
            detail = {"status_code": self.status, "message": "no"}
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))
        return self.dags[dag_id]

    def get_dr_count(self, dag_id: str, logical_dates=None, run_ids=None, states=None) -> int:
        return sum(run in (logical_dates or states) for run in self.runs.get(dag_id, []))


def _full_backup(next_dagrun: datetime | None, *runs: datetime | str, paused: bool = False):
    name = "vectorizer_alpha_full_backup"
    found = sightings(ALPHA, Airflow({name: _dag(name, next_dagrun, paused=paused)}, {name: [*runs]}), NOW)
    return next(one for one in found if one.dag_id == name)


def test_a_dag_that_airflow_does_not_have_is_missing() -> None:
    found = sightings(ALPHA, Airflow(), NOW)
    assert [(one.purpose, one.known) for one in found] == [
        ("full_backup", False),
        ("incremental_backup", False),
        ("verification", False),
        ("restore", False),
        ("after_restore", False),
        ("pruning", False),
    ]


def test_an_airflow_that_does_not_answer_is_not_taken_for_one_without_dags() -> None:
    with pytest.raises(AirflowRuntimeError):
        sightings(ALPHA, Airflow(status=500), NOW)


def test_a_deployment_that_cannot_be_asked_after_is_not_judged_and_says_why() -> None:
    watched, broken = look_at_all(Loaded({"alpha": ALPHA}), Airflow(status=500), NOW)
    _, alpha = watched.looked
    assert list(broken) == ["alpha"]
    assert alpha.judgement is None
    (concern,) = alpha.found
    assert (concern.kind, concern.severity) == (ConcernKind.NOT_JUDGED, Severity.WARNING)
    assert "AirflowRuntimeError" in concern.found


@pytest.mark.parametrize(
    ("next_dagrun", "runs", "made"),
    [
        (TOMORROW, [], True),
        (TODAY, [], False),
        (None, [], False),
        (TODAY, [TODAY], True),
        (TODAY, [TODAY - timedelta(days=1)], False),
        (TODAY, ["running"], True),
        (TODAY, ["queued"], True),
        (TODAY, ["failed"], False),
    ],
)
def test_a_run_was_made_if_airflow_has_it_or_has_gone_on_to_the_next_or_one_is_under_way(
    next_dagrun, runs, made
) -> None:
    found = _full_backup(next_dagrun, *runs)
    assert (found.due, found.made, found.paused) == (TODAY, made, False)


def test_a_paused_dag_is_seen_as_such_and_one_by_hand_is_never_due() -> None:
    assert _full_backup(TODAY, paused=True).paused is True
    restore = "vectorizer_alpha_restore"
    found = sightings(ALPHA, Airflow({restore: _dag(restore, None)}), NOW)
    assert [(one.due, one.made) for one in found if one.purpose == "restore"] == [(None, True)]


def test_what_could_not_be_judged_has_a_row_that_says_so() -> None:
    concern = not_judged("gamma", ValueError("a | b"))
    table = table_of([Looked(deployment=""), Looked(deployment="gamma", concerns=(concern,))])
    (row,) = table.splitlines()[2:]
    assert squeezed(row).startswith("| gamma | unknown |")
    assert row.endswith("| not-judged |")
    assert "gamma could not be judged: ValueError: a | b." in concern.found
    assert not_judged("", "it broke off").found == "No deployment could be judged: it broke off."


@pytest.mark.parametrize(
    ("connection", "path"),
    [
        ('{{"conn_type": "http", "host": "{url}", "password": "a/b"}}', "/a/b"),
        ('{{"conn_type": "http", "host": "{url}/ping/", "password": "/x"}}', "/ping/x"),
        ('{{"conn_type": "http", "host": "{url}/ping/x"}}', "/ping/x"),
        ('{{"conn_type": "http", "host": "127.0.0.1", "port": {port}, "schema": "http", "password": "x"}}', "/x"),
    ],
)
def test_the_heartbeats_address_is_the_host_and_then_the_secret(httpserver, monkeypatch, connection, path) -> None:
    httpserver.expect_oneshot_request(path, method="GET").respond_with_data("OK")
    url = httpserver.url_for("")
    monkeypatch.setenv("AIRFLOW_CONN_BEAT", connection.format(url=url.rstrip("/"), port=httpserver.port))
    assert send_heartbeat("beat") in {"127.0.0.1", "localhost"}
