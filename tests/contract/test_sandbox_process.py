"""The sandbox as a process: what its own starter promises. Needs no other server."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from sandbox.process import SandboxError, SandboxProcess
from sandbox.server import create_app


def test_a_restart_keeps_the_address_and_the_data(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        url = sandbox.url
        body = {"collection": "notes", "texts": [{"id": "a", "text": "kept"}]}
        assert requests.post(f"{url}/insert_texts", json=body, timeout=10).json()["inserted"] == 1
        sandbox.restart()
        assert sandbox.url == url
        assert requests.get(f"{url}/collections/notes", timeout=10).json()["vector_count"] == 1


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sandbox = SandboxProcess(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(SandboxError, match="in use"):
            sandbox.start()


def test_the_password_is_in_no_argument(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path, password="not-to-be-seen") as sandbox:
        arguments = Path(f"/proc/{sandbox.pid}/cmdline").read_bytes()
        assert b"not-to-be-seen" not in arguments
        assert requests.get(f"{sandbox.url}/status", timeout=10).status_code == 401


def test_starting_twice_is_an_error(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox, pytest.raises(SandboxError, match="runs already"):
        sandbox.start()


def test_stopping_what_does_not_run_does_nothing(tmp_path: Path) -> None:
    sandbox = SandboxProcess(tmp_path)
    sandbox.stop()
    sandbox.kill()
    with pytest.raises(SandboxError, match="call start"):
        _ = sandbox.url


def test_an_application_can_be_built_without_a_process(tmp_path: Path) -> None:
    assert create_app(tmp_path).state.database.names() == []


def test_the_sandbox_imports_nothing_of_the_product() -> None:
    code = "import sys, sandbox.server, sandbox.process; print('\\n'.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "sandbox.server" in modules
    assert not {name.partition(".")[0] for name in modules} & {"backup_engine", "vectorizer_backup", "airflow"}
