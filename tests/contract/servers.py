"""The servers a contract can be held against."""

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol, Self

import requests

START_DEADLINE_SECONDS = 60
STABLE_SECONDS = 2

# A section that is missing makes the server fall back to its defaults for the whole file.
CONFIGURATION = """\
server: {{host: 127.0.0.1, port: {port}, mcp_port: {port}}}
file_watcher: {{enabled: false}}
logging: {{level: warn, log_requests: false, log_responses: false, log_errors: true}}
rpc: {{enabled: false}}
"""


class Server(Protocol):
    """A process that can be stopped and started."""

    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def restart(self) -> None: ...


class RealProcess:
    """The real server as a process over one directory; the same handles as `SandboxProcess`."""

    def __init__(self, binary: Path, folder: Path, password: str | None = None) -> None:
        self.binary = binary
        self.folder = folder
        self.password = password
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "config.yml"
        configuration.write_text(CONFIGURATION.format(port=self.port))
        command = [str(self.binary), "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--config", str(configuration), "--data-dir", str(self.folder / "data")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, env=self._environment(), stdout=log, stderr=log)
        self._wait_until_loaded()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "VECTORIZER_DATA_DIR": str(self.folder / "data")}
        environment["VECTORIZER_AUTH_ENABLED"] = "false"
        if self.password is None:
            return environment
        return {
            **environment,
            "VECTORIZER_AUTH_ENABLED": "true",
            "VECTORIZER_ADMIN_USERNAME": "admin",
            "VECTORIZER_ADMIN_PASSWORD": self.password,
            "VECTORIZER_JWT_SECRET": "a-secret-of-the-contract-tests-" + "0" * 32,
        }

    def _wait_until_loaded(self) -> None:
        """It never says that it has loaded: healthy, and a list that has not changed for a while."""
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        seen, since = None, time.monotonic()
        while time.monotonic() < deadline:
            state = self._state()
            if state != seen:
                seen, since = state, time.monotonic()
            if seen is not None and time.monotonic() - since >= STABLE_SECONDS:
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.binary} did not become healthy, see {self.folder / 'server.log'}")

    def _state(self) -> str | None:
        try:
            if requests.get(f"{self.url}/health", timeout=2).status_code != 200:
                return None
            listed = requests.get(f"{self.url}/collections", timeout=2)
        except requests.RequestException:
            return None
        counts = {each["name"]: each["vector_count"] for each in listed.json().get("collections", [])}
        return str(counts)


def _free_port() -> int:
    """A port whose neighbour is free too: the server takes it for gRPC."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise RuntimeError("no two neighbouring ports are free")
