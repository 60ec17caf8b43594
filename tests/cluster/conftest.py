"""The stack of docker-compose.yaml, from packages: two workers that share no folder, S3, Google's, a sandbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backup_engine.model import system_clock
from backup_engine.storage.contract import Store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.credentials import Credentials
from backup_engine.vectorizer.server import VectorizerServer, connect
from sandbox.process import SandboxProcess
from services import seaweedfs
from services.airflow_client import AirflowClient
from services.airflow_cluster import AirflowCluster
from services.google_storage.service import GoogleStorage
from services.quiet_schedules import quietened
from services.seaweedfs import SeaweedFS
from tests.airflow.places import fill

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "of-the-sandbox-only"
RECORDS = {"books": 400, "songs": 300, "films": 200, "users": 100}

SCATTERED = """
  scattered:
    tier: production
    server: {{connection: vectorizer_default, url: "http://localhost:15002"}}
    store: file://{folder}
"""

QUICKER = {
    # Production waits five minutes before a silent worker counts as dead; see docs/install.md.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
}


@dataclass(frozen=True)
class Site:
    """Everything that runs.

    :param sandbox: the Vectorizer; it fails on demand
    """

    cluster: AirflowCluster
    sandbox: SandboxProcess
    s3: SeaweedFS
    gcs: GoogleStorage
    home: Path
    airflow: AirflowClient

    @property
    def server(self) -> VectorizerServer:
        """A client of the Vectorizer."""
        return connect(self.sandbox.url, Credentials("admin", PASSWORD))

    @property
    def primary(self) -> Store:
        """Where the deployment's backups lie."""
        return open_store("s3://vectorizer-backups/production", self.s3.client())

    @property
    def copy(self) -> Store:
        """Where their copies lie."""
        return open_store("gs://vectorizer-backups/production", self.gcs.client())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start everything; the compose file itself says with which environment and commands."""
    home = tmp_path_factory.mktemp("cluster")
    with (
        SandboxProcess(home / "vectorizer", password=PASSWORD, faults=True) as sandbox,
        SeaweedFS(home / "s3") as s3,
        GoogleStorage(home / "gcs") as gcs,
    ):
        server = connect(sandbox.url, Credentials("admin", PASSWORD))
        for name, records in RECORDS.items():
            fill(server, name, records)
        cluster = AirflowCluster(
            home / "machines", ROOT, _places(sandbox, s3, gcs), _known(), _scattered(home), QUICKER
        )
        with cluster:
            airflow = cluster.client()
            airflow.wait_for_dags([f"vectorizer_{name}_full_backup" for name in ("production", "scattered")])
            yield Site(cluster, sandbox, s3, gcs, home, airflow)


def _places(sandbox: SandboxProcess, s3: SeaweedFS, gcs: GoogleStorage) -> dict[str, str]:
    urls = {"vectorizer:15002": sandbox.url, "seaweedfs:8333": s3.url, "gcs:4443": gcs.url}
    return {place: url.removeprefix("http://") for place, url in urls.items()}


def _known() -> dict[str, str]:
    return {
        "VECTORIZER_ADMIN_PASSWORD": PASSWORD,
        "S3_ACCESS_KEY": seaweedfs.ACCESS_KEY,
        "S3_SECRET_KEY": seaweedfs.SECRET_KEY,
    }


def _scattered(home: Path) -> Callable[[str], str]:
    """Name a folder that each worker would see for itself."""
    added, now = SCATTERED.format(folder=home / "everybody-has-another"), system_clock()
    return lambda text: quietened(text + added, now)
