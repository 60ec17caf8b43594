"""One Airflow, one sandbox and their stores, for all end-to-end tests of this folder."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import VectorizerServer, connect
from sandbox.process import SandboxProcess
from services.airflow_client import AirflowClient
from services.airflow_process import AirflowProcess
from services.seaweedfs import SeaweedFS
from tests.airflow.places import fill, fill_guide, make_ghost

ROOT = Path(__file__).resolve().parents[2]

CONFIGURATION = """
deployments:
  main:
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{exclude: ["ghost", "manuals", "letters"]}}
    streams: 3
  haunted:
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{include: ["ghost", "users"]}}
  nothing:
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{include: ["none-*"]}}
  dead:
    tier: critical
    server: {{connection: vectorizer_dead, url: "http://127.0.0.1:9", patience: 1s}}
    store: file://{home}/backups
  guide:
    tier: production
    server: {{connection: vectorizer_guide, url: "{guide}"}}
    store: file://{home}/backups
    restore: {{targets: [vectorizer_main]}}
  shaky:
    tier: production
    server: {{connection: vectorizer_shaky, url: "{shaky}"}}
    store: file://{home}/backups
    restore: {{keep_replaced: 0s}}
  offsite:
    tier: production
    server: {{connection: vectorizer_offsite, url: "{offsite}"}}
    store: s3://seaweed@{bucket}/vectorizer
    copies: ["file://{home}/copies"]
    streams: 2
  mistyped:
    teir: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
"""

DEPLOYMENTS = ("main", "haunted", "nothing", "dead", "guide", "shaky")
BUCKET = "vectorizer-offsite"
PURPOSES = ("full_backup", "restore", "after_restore")
RECORDS = {"docs": 400, "images": 300, "users": 100}
GUIDE_RECORDS = {"manuals": 200, "letters": 50}
SHAKY_RECORDS = {"songs": 300, "films": 200}
OFFSITE_RECORDS = {"maps": 300, "atlas": 100}


@dataclass(frozen=True)
class Site:
    """Everything that runs.

    :param server: the one behind deployment main
    :param guide: one that speaks the operating guide's dialect
    :param shaky: one that fails on demand
    :param offsite: the server of the deployment whose primary store is a bucket
    :param bucket: the S3 server that bucket is on
    :param dana: a client of the user dana, who may trigger runs; ``kim`` likewise
    """

    airflow: AirflowProcess
    server: VectorizerServer
    guide: SandboxProcess
    shaky: SandboxProcess
    offsite: SandboxProcess
    bucket: SeaweedFS
    home: Path
    dana: AirflowClient
    kim: AirflowClient

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
        SeaweedFS(home / "seaweed") as bucket,
    ):
        server = _filled(sandbox, guide, shaky)
        for name, records in OFFSITE_RECORDS.items():
            fill(connect(offsite.url), name, records)
        make_offsite(bucket, home)
        for name in DEPLOYMENTS:
            init_store(open_store(f"file://{home}/backups/{name}"), name, system_clock, lambda: uuid4().hex)
        urls = {"url": sandbox.url, "guide": guide.url, "shaky": shaky.url, "offsite": offsite.url}
        text = CONFIGURATION.format(**urls, home=home, bucket=BUCKET)
        (home / "deployments.yaml").write_text(text)
        environment = {
            "VECTORIZER_BACKUP_CONFIG": str(home / "deployments.yaml"),
            "AIRFLOW_CONN_VECTORIZER_DEAD": "vectorizer://127.0.0.1:9",
            "AIRFLOW_CONN_SEAWEED": bucket.connection(),
        }
        users = {"dana": "op", "kim": "op"}
        airflow = AirflowProcess(home / "airflow", ROOT / "dags", ROOT / "plugins", users, environment)
        with airflow:
            dana, kim = airflow.client("dana"), airflow.client("kim")
            for name, one in (("main", sandbox), ("guide", guide), ("shaky", shaky), ("offsite", offsite)):
                made = {"connection_id": f"vectorizer_{name}", "conn_type": "vectorizer", "host": one.url}
                dana.call("POST", "/connections", made)
            dana.wait_for_dags([f"vectorizer_{name}_{purpose}" for name in DEPLOYMENTS for purpose in PURPOSES])
            yield Site(airflow, server, guide, shaky, offsite, bucket, home, dana, kim)


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
