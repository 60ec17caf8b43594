"""The server as a process, and what a test may order from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from google.oauth2.credentials import Credentials

from services.ports import free_ports
from services.process import ServiceProcess

TIMEOUT_SECONDS = 30.0


class GoogleStorage(ServiceProcess):
    """One small Google Cloud Storage on loopback.

    :param home: where the bytes lie; emptied at start
    """

    def __init__(self, home: Path, rewritten_at_once: int = 4 << 20) -> None:
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "services.google_storage", f"--port={port}", f"--home={home}"]
        command.append(f"--rewritten-at-once={rewritten_at_once}")
        tree = str(Path(__file__).resolve().parents[2])
        super().__init__(command, home, self._listens, {"PYTHONPATH": tree})

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Give what a process needs to reach it with default credentials.

        :param url: of a proxy in front of it
        """
        return {"STORAGE_EMULATOR_HOST": url or self.url}

    def connection(self) -> str:
        """Write an Airflow connection to it; its address comes from ``environment``."""
        return json.dumps({"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "test"}})

    def client(self, url: str | None = None, token: str | None = None) -> Client:
        """Give a client: of somebody who was granted permissions, or of nobody in particular, who has all.

        :param url: of a proxy in front of it
        """
        credentials = Credentials(token) if token else AnonymousCredentials()  # type: ignore[no-untyped-call]
        return Client("test", credentials, client_options={"api_endpoint": url or self.url})

    def fail(self, method: str, target: str, kind: str, **more: object) -> None:
        """Order a fault, see ``control.Fault``; method RECEIVE is a body that arrives at an upload.

        :param target: a regular expression; the fault hits requests whose path or query it is found in
        """
        self._order("fault", {"method": method, "target": target, "kind": kind, **more})

    def grant(self, token: str, granted: Iterable[tuple[str, str]]) -> None:
        """Let the token do this and nothing else: pairs of a permission and the prefix of object names it is for."""
        self._order("grant", {"token": token, "granted": [*granted]})

    def hold(self, bucket: str, name: str) -> None:
        """Put a temporary hold on an object."""
        self._order("hold", {"bucket": bucket, "name": name})

    def reset(self) -> None:
        """Forget faults, grants and seen requests; objects stay."""
        self._order("reset", {})

    def requests(self) -> list[dict[str, Any]]:
        """Tell what was asked: method, target, token and the permissions it needed."""
        return list(self._order("requests", {}))

    def open_sessions(self) -> list[str]:
        """Tell the objects of the uploads that are neither finished nor cancelled."""
        return list(self._order("sessions", {}))

    def _order(self, what: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401
        answer = requests.post(f"{self.url}/_control/{what}", json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def _listens(self) -> bool:
        try:
            return requests.get(f"{self.url}/_control/sessions", timeout=1).ok
        except requests.RequestException:
            return False
