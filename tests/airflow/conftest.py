"""An Airflow of the tests' own: its settings must be there before anything imports airflow."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import pytest

if "airflow" in sys.modules:
    raise RuntimeError("airflow was imported before its settings were made: run tests/airflow first, or alone")

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="vectorizer-backup-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

CONFIGURATION = f"""
deployments:
  alpha:
    tier: production
    server: {{connection: alpha, url: "http://alpha.invalid:15002", patience: 30s}}
    store: file://{HOME}/backups
    collections: {{exclude: ["scratch-*"]}}
    streams: 2
    restore: {{targets: [beta, elsewhere]}}
  beta:
    tier: development
    server: {{connection: beta, url: "http://beta.invalid:15002", read_with: graphql}}
    store: file://{HOME}/backups
    restore: {{approval: false, keep_replaced: never}}
  hasty:
    tier: critical
    server: {{connection: hasty, url: "http://hasty.invalid:15002", patience: 1s}}
    store: file://{HOME}/backups
    restore: {{keep_replaced: 0s}}
  twin:
    tier: production
    server: {{connection: alpha, url: "http://alpha.invalid:15002"}}
    store: file://{HOME}/backups
    copies: ["file://{HOME}/copies/first", "file://{HOME}/copies/second"]
    streams: 2
    schedule: {{sync: "15 * * * *"}}
    standby: {{connection: spare, url: "http://spare.invalid:15002"}}
    restore: {{second_person: false}}
  remote:
    tier: production
    server: {{connection: alpha, url: "http://alpha.invalid:15002"}}
    store: s3://seaweed@vectorizer-backups/airflow
    copies: ["file://{HOME}/copies/first"]
    restore: {{approval: false}}
  broken:
    tier: produktion
    server: {{connection: alpha, url: "http://alpha.invalid:15002"}}
    store: file://{HOME}/backups
"""

(HOME / "deployments.yaml").write_text(CONFIGURATION)
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL="0",  # what a test parses is what it finds, however soon
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
)


@pytest.fixture(scope="package", autouse=True)
def configuration() -> Iterator[None]:
    """Let these tests, and no others, have these deployments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VECTORIZER_BACKUP_CONFIG", str(HOME / "deployments.yaml"))
        yield


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Make the metadata database."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let channels be tried again almost at once."""
    monkeypatch.setattr("vectorizer_backup.notifications.channels._PAUSE", 0.02)


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Callable[[str], object]]:
    """Sandboxes by name, each started when it is first asked for: one that just started is not believed to have
    loaded everything, and every test would wait for that.
    """
    from sandbox.process import SandboxProcess

    with ExitStack() as running:
        yield lru_cache(lambda name: running.enter_context(SandboxProcess(HOME / "servers" / name)))


@pytest.fixture
def alpha(sandboxes) -> Iterator[object]:
    """The server behind connection alpha, empty."""
    from tests.airflow.places import lent

    with lent(sandboxes("alpha"), "alpha") as server:
        yield server


@pytest.fixture
def beta(sandboxes) -> Iterator[object]:
    """The server behind connection beta."""
    from tests.airflow.places import lent

    with lent(sandboxes("beta"), "beta") as server:
        yield server


@pytest.fixture
def spare(sandboxes) -> Iterator[object]:
    """The standby of deployment twin."""
    from tests.airflow.places import lent

    with lent(sandboxes("spare"), "spare") as server:
        yield server


@pytest.fixture
def store() -> Iterator[object]:
    """Alpha's store, empty and initialised."""
    from tests.airflow.places import new_store

    yield from new_store(HOME / "backups" / "alpha")


@pytest.fixture
def beta_store() -> Iterator[object]:
    """Beta's store."""
    from tests.airflow.places import new_store

    yield from new_store(HOME / "backups" / "beta")


@pytest.fixture
def hasty_store() -> Iterator[object]:
    """The store of the deployment that waits for nothing."""
    from tests.airflow.places import new_store

    yield from new_store(HOME / "backups" / "hasty")


@pytest.fixture
def twin() -> Iterator[object]:
    """The stores of a deployment with two copies, empty and initialised: by folder, the primary one first."""
    from tests.airflow.places import new_stores

    with new_stores(HOME / place / "twin" for place in ("backups", "copies/first", "copies/second")) as stores:
        yield stores


@pytest.fixture(scope="session")
def seaweed() -> Iterator[object]:
    """An S3 server behind connection seaweed."""
    from services.seaweedfs import SeaweedFS

    with SeaweedFS(HOME / "seaweed") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SEAWEED", server.connection())
        yield server


@pytest.fixture
def remote(seaweed) -> Iterator[object]:
    """The stores of a deployment whose primary one is a bucket, and the server that bucket is on."""
    from tests.airflow.places import new_bucket, new_stores

    with (
        new_bucket(seaweed, "vectorizer-backups", "airflow/remote", "remote") as bucket,
        new_stores([HOME / "copies" / "first" / "remote"]) as stores,
    ):
        yield bucket, stores[0]
