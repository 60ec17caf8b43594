"""A site that is watched: a server, a store, somebody who is told, somebody who waits for the heartbeat."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from backup_engine.alerts.ledger import Ledger
from sandbox.process import SandboxProcess
from services.webhook_receiver import WebhookReceiver
from tests.airflow.conftest import HOME
from tests.airflow.notifying import forget, in_database, ledger, write
from tests.airflow.runs import Run, parse_dags, pause, run_dag
from vectorizer_backup.dag_defaults import WATCH
from vectorizer_backup.notifications.memory import SETTINGS_VARIABLE

CONFIGURATION = f"""
alerts:
  channels: {{hook: {{kind: webhook, connection: hook}}}}
  heartbeat: beat
  metrics_file: {HOME}/watched.prom
deployments:
  alpha:
    tier: production
    server: {{connection: alpha, url: "http://alpha.invalid:15002"}}
    store: file://{HOME}/backups
    rpo: 25h
    schedule: {{incremental: never}}
"""
DAGS = tuple(
    f"vectorizer_alpha_{purpose}" for purpose in ("full_backup", "verification", "restore", "after_restore", "pruning")
)


class Site:
    """What is watched, and who hears of it."""

    def __init__(self, sandbox: SandboxProcess, receiver: WebhookReceiver, configuration: Path) -> None:
        self.sandbox = sandbox
        self.receiver = receiver
        self.configuration = configuration

    def watch(self) -> Run:
        """Let the watch run once."""
        return run_dag(WATCH)

    def heard(self) -> list[str]:
        """What people were told since they were last asked: occasion and kind of each concern, a line a message."""
        told = [_short(message) for message in self.receiver.said("/hook")]
        self.receiver.clear()
        return told

    def heartbeats(self) -> int:
        """How many came since the last message was asked for."""
        return sum(call.path == "/beat/secret" for call in self.receiver.requests)

    def time_passes(self, minutes: float, deployment: str = "alpha") -> None:
        """Let everything that is remembered have happened so much earlier."""
        text = ledger(deployment).model_dump_json(exclude_defaults=True)
        write(
            deployment, Ledger.model_validate(_earlier(json.loads(text), timedelta(minutes=minutes))).model_dump_json()
        )


@contextmanager
def watched_site(folder: Path) -> Iterator[Site]:
    """Run a site whose DAGs are switched on."""
    from tests.airflow.places import running_sandbox

    folder.mkdir(exist_ok=True)
    path = folder / "deployments.yaml"
    path.write_text(CONFIGURATION)
    with running_sandbox(folder / "alpha", "alpha") as sandbox, WebhookReceiver() as receiver:
        own = {
            "VECTORIZER_BACKUP_CONFIG": str(path),
            "AIRFLOW_CONN_HOOK": json.dumps({"conn_type": "http", "host": f"{receiver.url}/hook"}),
            "AIRFLOW_CONN_BEAT": json.dumps({
                "conn_type": "http",
                "host": f"{receiver.url}/beat",
                "password": "secret",
            }),
        }
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        _forget_all()
        try:
            parse_dags()
            pause(*DAGS, paused=False)
            yield Site(sandbox, receiver, path)
        finally:
            pause(*DAGS)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            _forget_all()


def _forget_all() -> None:
    for name in ("", "alpha"):
        forget(name)
    in_database(lambda session, model: session.query(model).filter_by(key=SETTINGS_VARIABLE).delete())


def _short(message: Any) -> str:
    return ", ".join(f"{one['occasion']} {one['kind']}" for one in message["told"])


def _earlier(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {key: _earlier(one, by) for key, one in value.items()}
    if isinstance(value, list):
        return [_earlier(one, by) for one in value]
    try:
        return (datetime.fromisoformat(value) - by).isoformat() if isinstance(value, str) and len(value) > 15 else value
    except ValueError:
        return value
