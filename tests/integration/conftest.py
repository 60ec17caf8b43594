"""One Airflow, one sandbox and their stores, for all end-to-end tests of this folder."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import VectorizerServer, connect
from sandbox.process import SandboxProcess
from services.airflow_client import AirflowClient
from services.airflow_process import AirflowProcess
from services.postgres import Postgres
from services.quiet_schedules import quietened
from services.seaweedfs import SeaweedFS
from services.smtp_sink import SmtpSink
from services.statsd_sink import StatsdSink
from services.webhook_receiver import WebhookReceiver
from tests.airflow.places import fill, fill_guide, make_ghost

ROOT = Path(__file__).resolve().parents[2]

CONFIGURATION = """
alerts:
  channels:
    mail: {{kind: mail, connection: team_mail, to: [ops@example.com]}}
    slack: {{kind: slack, connection: team_slack}}
    teams: {{kind: teams, connection: team_teams}}
    duty: {{kind: pagerduty, connection: team_duty}}
    own: {{kind: webhook, connection: team_own}}
    notifier:
      kind: notifier
      notifier: airflow.providers.http.notifications.http.HttpNotifier
      arguments: {{http_conn_id: team_notifier, endpoint: said, json: {{about: "{{{{ alert.text }}}}"}}}}
    others: {{kind: webhook, connection: team_others}}
deployments:
  main:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{exclude: ["ghost", "manuals", "letters"]}}
    streams: 3
  haunted:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{include: ["ghost", "users"]}}
  nothing:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{include: ["none-*"]}}
  dead:
    alerts: [others]
    tier: critical
    server: {{connection: vectorizer_dead, url: "http://127.0.0.1:9", patience: 1s}}
    store: file://{home}/backups
  guide:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_guide, url: "{guide}"}}
    store: file://{home}/backups
    restore: {{targets: [vectorizer_main]}}
  shaky:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_shaky, url: "{shaky}"}}
    store: file://{home}/backups
    restore: {{keep_replaced: 0s}}
  offsite:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_offsite, url: "{offsite}"}}
    store: s3://seaweed@{bucket}/vectorizer
    copies: ["file://{home}/copies"]
    streams: 2
  steady:
    alerts: [others]
    tier: critical
    server: {{connection: vectorizer_steady, url: "{steady}"}}
    store: file://{home}/backups
    schedule: {{incremental: "0 3 1 1 *"}}
    rpo: 1d
  aged:
    alerts: [others]
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{include: ["users"]}}
  late:
    alerts: [mail, slack, teams, duty, own, notifier]
    tier: production
    rpo: 30s
    rto: 8s
    schedule: {{incremental: never}}
    server: {{connection: vectorizer_late, url: "{late}"}}
    store: file://{home}/backups
  mistyped:
    teir: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
"""

DEPLOYMENTS = ("main", "haunted", "nothing", "dead", "guide", "shaky", "steady", "aged", "late")
HOOKS = ("slack", "teams", "duty", "own", "notifier", "others", "heartbeat")
HOOK_SECRET = "T00-B00-not-to-be-shown"
WATCH = "vectorizer_backup_watch"
BUCKET = "vectorizer-offsite"
PURPOSES = ("full_backup", "restore", "after_restore")
RECORDS = {"docs": 400, "images": 300, "users": 100}
GUIDE_RECORDS = {"manuals": 200, "letters": 50}
SHAKY_RECORDS = {"songs": 300, "films": 200}
OFFSITE_RECORDS = {"maps": 300, "atlas": 100}
STEADY_RECORDS = {"notes": 400, "books": 100}
LATE_RECORDS = {"news": 50}


@dataclass(frozen=True)
class Site:
    """Everything that runs.

    :param server: the one behind deployment main
    :param guide: one that speaks the operating guide's dialect
    :param shaky: one that fails on demand
    :param offsite: the server of the deployment whose primary store is a bucket
    :param bucket: the S3 server that bucket is on
    :param steady: the server of one that is backed up again and again
    :param late: the server of a deployment that is allowed a few seconds for everything
    :param mail: where its alerts by mail go, ``hooks`` where all others do, by the path ``/<channel>``
    :param figures: where Airflow's metrics go
    :param dana: a client of the user dana, who may trigger runs; ``kim`` likewise
    """

    airflow: AirflowProcess
    server: VectorizerServer
    guide: SandboxProcess
    shaky: SandboxProcess
    offsite: SandboxProcess
    steady: SandboxProcess
    late: SandboxProcess
    bucket: SeaweedFS
    mail: SmtpSink
    hooks: WebhookReceiver
    figures: StatsdSink
    home: Path
    dana: AirflowClient
    kim: AirflowClient

    def told(self, channel: str = "own") -> list[dict[str, Any]]:
        """Everything that one of our own webhooks was told, one thing after the other."""
        return [one for said in self.hooks.said(f"/{channel}/{HOOK_SECRET}") for one in said["told"]]

    def watch(self) -> dict[str, str]:
        """Let the watch run once, and tell how its tasks ended."""
        run_id = self.dana.trigger(WATCH)
        self.dana.wait_for_run(WATCH, run_id, 240)
        return self.dana.task_states(WATCH, run_id)

    def time_passes(self, deployment: str, minutes: float = 30) -> None:
        """Let what is remembered of a deployment have been seen so much earlier."""
        name = f"vectorizer_backup_alerts_{deployment}".rstrip("_")
        ledger = json.loads(self.dana.call("GET", f"/variables/{name}")["value"])
        for incident in ledger["incidents"].values():
            earlier = datetime.fromisoformat(incident["since"]) - timedelta(minutes=minutes)
            incident["since"] = earlier.isoformat()
        self.dana.call("PATCH", f"/variables/{name}", {"key": name, "value": json.dumps(ledger)})

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``vectorizer-backup`` beside this Airflow."""
        program = Path(sys.executable).parent / "vectorizer-backup"
        return subprocess.run(
            [program, *arguments],
            env=self.airflow.environment | self.bucket.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start sandboxes and Airflow, make the stores, fill the servers."""
    home = tmp_path_factory.mktemp("site")
    with (
        SandboxProcess(home / "vectorizer") as sandbox,
        SandboxProcess(home / "guide", dialect="guide") as guide,
        SandboxProcess(home / "shaky", faults=True) as shaky,
        SandboxProcess(home / "offsite") as offsite,
        SandboxProcess(home / "steady", faults=True) as steady,
        SandboxProcess(home / "late", faults=True) as late,
        SeaweedFS(home / "seaweed") as bucket,
        Postgres(home / "postgres", uuid4().hex) as database,
        SmtpSink() as mail,
        WebhookReceiver() as hooks,
        StatsdSink() as figures,
    ):
        server = _filled(sandbox, guide, shaky)
        for one, records in ((offsite, OFFSITE_RECORDS), (steady, STEADY_RECORDS), (late, LATE_RECORDS)):
            for name, number in records.items():
                fill(connect(one.url), name, number)
        make_offsite(bucket, home)
        for name in DEPLOYMENTS:
            init_store(open_store(f"file://{home}/backups/{name}"), name, system_clock, lambda: uuid4().hex)
        urls = {"guide": guide.url, "shaky": shaky.url, "offsite": offsite.url, "steady": steady.url}
        urls["late"] = late.url
        text = CONFIGURATION.format(**urls, url=sandbox.url, home=home, bucket=BUCKET)
        (home / "deployments.yaml").write_text(quietened(text, system_clock()))
        environment = _places(home, urls, bucket, database) | _alerting(mail, hooks, figures)
        users = {"dana": "op", "kim": "op"}
        airflow = AirflowProcess(home / "airflow", ROOT / "dags", ROOT / "plugins", users, environment)
        with airflow:
            dana, kim = airflow.client("dana"), airflow.client("kim")
            made = {"connection_id": "vectorizer_main", "conn_type": "vectorizer", "host": sandbox.url}
            dana.call("POST", "/connections", made)
            dana.wait_for_dags([f"vectorizer_{name}_{purpose}" for name in DEPLOYMENTS for purpose in PURPOSES])
            servers = server, guide, shaky, offsite, steady, late
            yield Site(airflow, *servers, bucket, mail, hooks, figures, home, dana, kim)


def _places(home: Path, urls: dict[str, str], bucket: SeaweedFS, database: Postgres) -> dict[str, str]:
    """Settings of Airflow: where the configuration, the servers, the bucket and the database are.

    Not SQLite: its one writer may be a task's start, which the API server finishes only after it has written down who
    asked for something else, and that waits for the one writer.
    """
    return {
        "VECTORIZER_BACKUP_CONFIG": str(home / "deployments.yaml"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
        "AIRFLOW_CONN_VECTORIZER_DEAD": "vectorizer://127.0.0.1:9",
        "AIRFLOW_CONN_SEAWEED": bucket.connection(),
        **{f"AIRFLOW_CONN_VECTORIZER_{name.upper()}": f"vectorizer://{url[7:]}" for name, url in urls.items()},
    }


def _alerting(mail: SmtpSink, hooks: WebhookReceiver, figures: StatsdSink) -> dict[str, str]:
    """Settings of Airflow: the connections of all channels, and where metrics go."""
    hook = {name: {"conn_type": "http", "host": f"{hooks.url}/{name}", "password": HOOK_SECRET} for name in HOOKS}
    hook["notifier"]["password"] = ""
    return {
        "AIRFLOW_CONN_TEAM_MAIL": mail.connection,
        **{f"AIRFLOW_CONN_TEAM_{name.upper()}": json.dumps(one) for name, one in hook.items()},
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(figures.port),
    }


def make_offsite(bucket: SeaweedFS, home: Path) -> None:
    """Make the bucket and both stores of deployment offsite."""
    bucket.client().create_bucket(Bucket=BUCKET)
    for store in (
        open_store(f"s3://{BUCKET}/vectorizer/offsite", bucket.client()),
        open_store(f"file://{home}/copies/offsite"),
    ):
        init_store(store, "offsite", system_clock, lambda: uuid4().hex)


def _filled(sandbox: SandboxProcess, guide: SandboxProcess, shaky: SandboxProcess) -> VectorizerServer:
    server = connect(sandbox.url)
    for name, records in RECORDS.items():
        fill(server, name, records)
    make_ghost(server, "ghost")
    for name, records in GUIDE_RECORDS.items():
        fill_guide(guide.url, name, records)
    for name, records in SHAKY_RECORDS.items():
        fill(connect(shaky.url), name, records)
    connect(shaky.url).flush()
    return server
