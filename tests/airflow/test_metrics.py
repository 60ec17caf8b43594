"""What is sent through Airflow's own settings: the same names and figures as Prometheus reads, whichever way is set."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from backup_engine.alerts.ledger import Ledger
from backup_engine.freshness import figures
from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.metrics import METRICS, samples
from tests.freshness.standing import concern, judgement, nothing
from tests.project.repository import ROOT
from vectorizer_backup import dag_defaults
from vectorizer_backup.metrics import statsd_name

MAPPING = yaml.safe_load((ROOT / "monitoring" / "statsd-mapping.yaml").read_text())["mappings"]
JUDGED = judgement(None, concern(ConcernKind.COPY_BEHIND, Severity.WARNING))
LEDGER = Ledger(failures={"full_backup": 3})

# As Airflow's task runner begins a task.
SENDING = """
import sys
from airflow.sdk import conf
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from backup_engine.alerts.ledger import Ledger
from backup_engine.freshness.judgement import Judgement
from vectorizer_backup.metrics import emit, emit_measured_rpo
stats.initialize(
    factory=stats_utils.get_stats_factory(), export_legacy_names=conf.getboolean("metrics", "legacy_names_on")
)
emit(Judgement.model_validate_json(sys.argv[1]), Ledger.model_validate_json(sys.argv[2]))
emit_measured_rpo("of-a-commit", 633.5)
"""

OF_A_COMMIT = ("vectorizer_backup_rpo_measured_seconds", (("deployment", "of-a-commit"),), 633.5)


class Receiver:
    """Somebody who listens for StatsD."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    def lines(self) -> list[str]:
        """What came that is ours: on one machine a datagram is there when its sender has ended."""
        found = []
        while True:
            try:
                found += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return [line for line in found if "vectorizer_backup" in line]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def receiver():
    with closing(Receiver()) as listening:
        yield listening


@pytest.fixture
def sent(tmp_path):
    """Send a judgement from a process of its own, with these settings of Airflow."""

    def send(judged=JUDGED, ledger=LEDGER, **settings: object) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW__METRICS", "OTEL_"))},
            **{name: str(value) for name, value in settings.items()},
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("include", "plugins", ".")),
        }
        command = [sys.executable, "-c", SENDING, judged.model_dump_json(), ledger.model_dump_json()]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return send


def statsd(port: int, **more: object) -> dict[str, object]:
    named = {"STATSD_ON": True, "STATSD_HOST": "127.0.0.1", "STATSD_PORT": port, **more}
    return {f"AIRFLOW__METRICS__{name}": value for name, value in named.items()}


def mapped(line: str):
    """What statsd_exporter makes of a line with our mapping: name, labels, value."""
    name, value = line.removesuffix("|g").split(":")
    for rule in MAPPING:
        if match := re.fullmatch(re.escape(rule["match"]).replace(r"\*", "([^.]+)"), name):
            labels = {label: match[int(place.removeprefix("$"))] for label, place in rule["labels"].items()}
            return rule["name"], tuple(sorted(labels.items())), float(value)
    raise AssertionError(f"no rule of the mapping takes {name}")


def expected(judged=JUDGED, ledger=LEDGER, place=lambda url: url):
    def told(labels):
        return tuple(
            sorted({name: place(value) if name == "place" else value for name, value in labels.items()}.items())
        )

    return {(one.name, told(one.labels), one.value) for one in samples(judged, ledger)} | {OF_A_COMMIT}


def without_dots(url: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", url)


def test_statsd_gets_every_figure_and_the_mapping_leads_back_to_prometheus_names(sent, receiver):
    sent(**statsd(receiver.port))
    lines = receiver.lines()
    assert "airflow.vectorizer_backup_copies_behind.prod:0.0|g" in lines
    assert {mapped(line) for line in lines} == expected(place=without_dots)
    assert len(lines) == len(expected())


def test_a_name_without_its_labels_is_one_that_the_mapping_does_not_take():
    with pytest.raises(AssertionError, match="no rule"):
        mapped("airflow.vectorizer_backup_copies_behind:0.0|g")


def test_a_deployment_without_backup_sends_no_age_and_no_zero_in_its_place(sent, receiver):
    sent(judgement(nothing()), **statsd(receiver.port))
    names = {line.split(":")[0].split(".")[1] for line in receiver.lines()}
    assert "vectorizer_backup_restorable" in names
    assert not [name for name in names if "age_seconds" in name or "newest_good" in name]


def test_tags_in_the_style_of_influxdb_keep_name_and_labels_apart(sent, receiver):
    said = sent(**statsd(receiver.port, STATSD_INFLUXDB_ENABLED=True))
    assert "Invalid stat name" not in said
    found = set()
    for line in receiver.lines():
        name, value = line.removesuffix("|g").split(":")
        metric, *tags = name.split(",")
        found.add((metric.removeprefix("airflow."), tuple(sorted(tuple(tag.split("=")) for tag in tags)), float(value)))
    assert found == expected(place=lambda url: re.sub(r"[^A-Za-z0-9_./-]", "_", url))


def test_opentelemetry_gets_the_same_names_with_the_labels_as_attributes(sent, collector):
    sent(AIRFLOW__METRICS__OTEL_ON=True, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    assert {
        (
            metric.name.removeprefix("airflow."),
            tuple(sorted((one.key, one.value.string_value) for one in point.attributes)),
            point.as_double,
        )
        for request in collector.requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.gauge.data_points
    } == expected()


def test_with_no_metrics_set_nothing_is_sent_and_nothing_fails(sent, receiver):
    sent(AIRFLOW__METRICS__STATSD_PORT=receiver.port)
    assert receiver.lines() == []


def test_every_name_can_be_sent_as_one_of_statsd():
    for one in samples(JUDGED, LEDGER):
        name = statsd_name(one)
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", name), name
        assert name.count(".") == len(METRICS[one.name].labels)


def test_failures_are_counted_for_every_purpose_that_a_dag_has():
    assert set(figures.PURPOSES) == set(dag_defaults.PURPOSES)


@pytest.fixture
def collector():
    """Somebody who listens for OpenTelemetry over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.requests = []
        Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()
