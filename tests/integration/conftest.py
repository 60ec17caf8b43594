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
from sandbox.airflow_client import AirflowClient
from sandbox.airflow_process import AirflowProcess
from sandbox.process import SandboxProcess
from tests.airflow.places import fill, make_ghost

ROOT = Path(__file__).resolve().parents[2]

CONFIGURATION = """
deployments:
  main:
    tier: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
    collections: {{exclude: ["ghost"]}}
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
  mistyped:
    teir: production
    server: {{connection: vectorizer_main, url: "{url}"}}
    store: file://{home}/backups
"""

DEPLOYMENTS = ("main", "haunted", "nothing", "dead")
RECORDS = {"docs": 400, "images": 300, "users": 100}


@dataclass(frozen=True)
class Site:
    """Everything that runs.

    :param dana: a client of the user dana, who may trigger runs; ``kim`` likewise
    """

    airflow: AirflowProcess
    server: VectorizerServer
    home: Path
    dana: AirflowClient
    kim: AirflowClient

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``vectorizer-backup`` beside this Airflow."""
        program = Path(sys.executable).parent / "vectorizer-backup"
        return subprocess.run(
            [program, *arguments],
            env=self.airflow.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start sandbox and Airflow, make the stores, fill the server."""
    home = tmp_path_factory.mktemp("site")
    with SandboxProcess(home / "vectorizer") as sandbox:
        server = connect(sandbox.url)
        for name, records in RECORDS.items():
            fill(server, name, records)
        for name in DEPLOYMENTS:
            init_store(open_store(f"file://{home}/backups/{name}"), name, system_clock, lambda: uuid4().hex)
        make_ghost(server, "ghost")
        (home / "deployments.yaml").write_text(CONFIGURATION.format(url=sandbox.url, home=home))
        environment = {
            "VECTORIZER_BACKUP_CONFIG": str(home / "deployments.yaml"),
            "AIRFLOW_CONN_VECTORIZER_DEAD": "vectorizer://127.0.0.1:9",
        }
        users = {"dana": "op", "kim": "op"}
        airflow = AirflowProcess(home / "airflow", ROOT / "dags", ROOT / "plugins", users, environment)
        with airflow:
            dana, kim = airflow.client("dana"), airflow.client("kim")
            started = Site(airflow, server, home, dana, kim)
            made = {"connection_id": "vectorizer_main", "conn_type": "vectorizer", "host": sandbox.url}
            dana.call("POST", "/connections", made)
            dana.wait_for_dags([f"vectorizer_{name}_restore" for name in DEPLOYMENTS])
            dana.wait_for_dags([f"vectorizer_{name}_full_backup" for name in DEPLOYMENTS])
            yield started
