"""What the demo needs around it: a place of its own, a server, an Airflow. All of it ends when the demo does."""

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backup_engine.model import system_clock
from demo.vectorizer import Vectorizer
from services.airflow_process import AirflowProcess
from services.quiet_schedules import quietened
from services.seaweedfs import SeaweedFS

ROOT = Path(__file__).resolve().parent.parent
DEPLOYMENT = "demo"
REQUESTER, APPROVER = "operator", "approver"
COMMAND_SECONDS = 120

DEPLOYMENTS = """\
deployments:
  {name}:
    tier: production
    server: {{connection: vectorizer_default, url: {url}}}
    store: file://{backups}
    copies: ["s3://aws_default@{bucket}"]
"""
BUCKET = "vectorizer-backups"


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why, and where to look."""


@dataclass(frozen=True)
class Stage:
    """Everything that is up.

    :param folder: the demo's own, made afresh every time
    """

    folder: Path
    server: Vectorizer
    airflow: AirflowProcess

    @property
    def store(self) -> str:
        """The deployment's root, on this disk."""
        return f"file://{self.disk / DEPLOYMENT}"

    @property
    def copy(self) -> str:
        """Where its copy lies, off-site."""
        return f"s3://{BUCKET}/{DEPLOYMENT}"

    @property
    def disk(self) -> Path:
        """What the primary store lies on."""
        return self.folder / "backups"

    def command(self, *arguments: str) -> Any:  # noqa: ANN401
        """Call `vectorizer-backup … --json` and give its document.

        :raises DemoError: its exit code is not 0
        """
        program = Path(sys.executable).parent / "vectorizer-backup"
        answer = subprocess.run(  # noqa: S603
            [program, *arguments, "--json"],
            check=False,
            env=self.airflow.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if answer.returncode:
            raise DemoError(f"vectorizer-backup {' '.join(arguments)} failed:\n{answer.stdout}{answer.stderr}")
        return json.loads(answer.stdout)


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Empty the demo's folder and keep others out of it.

    :raises DemoError: a demo runs in it
    """
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError(f"a demo runs in {folder} already; end it with Ctrl-C first") from error
        for item in folder.iterdir():
            if item.is_dir():
                shutil.rmtree(item)
            elif item.name != "lock":
                item.unlink()
        yield folder


def airflow_for(folder: Path, server_url: str, bucket: SeaweedFS) -> AirflowProcess:
    """Write the deployment down and make an Airflow that knows it; it is not started yet."""
    backups = folder / "backups"
    config = folder / "deployments.yaml"
    entry = DEPLOYMENTS.format(name=DEPLOYMENT, url=server_url, backups=backups, bucket=BUCKET)
    config.write_text(quietened(entry, system_clock()))
    connection = json.dumps({"conn_type": "vectorizer", "host": server_url})
    environment = {
        "VECTORIZER_BACKUP_CONFIG": str(config),
        "AIRFLOW_CONN_VECTORIZER_DEFAULT": connection,
        "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection(),
        **bucket.environment(),
    }
    process = AirflowProcess(
        folder / "airflow",
        dags=ROOT / "dags",
        plugins=ROOT / "plugins",
        users={REQUESTER: "admin", APPROVER: "user"},
        environment=environment,
    )
    process.stop()  # a demo that was killed may have left some of it behind
    return process
