"""A whole Airflow on this machine (`airflow standalone`, SQLite unless told otherwise), for demo and tests."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import psutil

from services.airflow_client import AirflowClient, AirflowError
from services.ports import free_ports
from services.process import Startable
from services.waiting import poll

START_DEADLINE_SECONDS = 240.0
STOP_DEADLINE_SECONDS = 15.0
PARALLELISM = 4
"""The executor forks all its workers at once, about 50 MB each; the default is 32."""


class AirflowProcess(Startable):
    """One `airflow standalone` with a home, and a database, of its own.

    :param home: becomes AIRFLOW_HOME: database, logs and passwords lie there and stay when it ends
    :param dags: dags folder
    :param plugins: plugins folder
    :param users: name to role (viewer, user, op, admin); two are needed to try an approval by a second person
    :param environment: more variables for all its processes, AIRFLOW_CONN_… for example
    """

    def __init__(
        self,
        home: Path | str,
        dags: Path | str,
        plugins: Path | str,
        users: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = Path(home).resolve()
        self.log = self.home / "standalone.log"
        self._dags, self._plugins = Path(dags).resolve(), Path(plugins).resolve()
        self._users = dict(users)
        self._more = dict(environment or {})
        self._port = 0
        self._process: psutil.Popen | None = None
        self._session: int | None = None

    @property
    def url(self) -> str:
        """Address of the UI and the API, without a slash at the end."""
        return f"http://localhost:{self._port}"

    @property
    def passwords(self) -> dict[str, str]:
        """The password of each user, made before the first start."""
        passwords: dict[str, str] = json.loads(self._password_file.read_text(encoding="utf-8"))
        return passwords

    @property
    def environment(self) -> dict[str, str]:
        """What `airflow` and `vectorizer-backup airflow` need to see this very Airflow."""
        return {**os.environ, **self._settings(), **self._more}

    def start(self) -> None:
        """Start it and return once all its parts report that they are healthy.

        :raises AirflowError: it ends, or is not healthy within four minutes; the message holds the end of its log
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._port, *self._log_ports = free_ports(3)
        if not self._password_file.exists():
            passwords = {user: secrets.token_urlsafe(9) for user in self._users}
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(json.dumps(passwords), encoding="utf-8")
        with self.log.open("ab") as log:
            self._process = self._spawn(log)
        try:
            poll(self._healthy, "Airflow to be healthy", START_DEADLINE_SECONDS)
        except (AirflowError, TimeoutError) as error:
            self.stop()
            said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
            raise AirflowError(f"Airflow did not start: {error}. Its log ends with:\n{said}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all its processes, those too that outlived their parent. Does nothing when it is not running."""
        processes = list(self._processes())
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(processes, timeout=STOP_DEADLINE_SECONDS)
        for process in {*alive, *self._processes()}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=STOP_DEADLINE_SECONDS)
        self._process = None

    def client(self, user: str) -> AirflowClient:
        """Log in as one of the users."""
        return AirflowClient.log_in(self.url, user, self.passwords[user])

    def memory_bytes(self) -> int:
        """Tell what all its processes take now, shared pages divided among them."""
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total

    @property
    def _password_file(self) -> Path:
        return self.home / "simple_auth_manager_passwords.json.generated"

    def _healthy(self) -> bool:
        if self._process is None or not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE:
            raise AirflowError("the process ended")
        return AirflowClient(self.url).is_healthy()

    def _processes(self) -> Iterator[psutil.Process]:
        """All processes that were started with this home: children whose parent died are found too."""
        own = os.getpid()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
                if process.pid != own and self._is_ours(process):
                    yield process

    def _is_ours(self, process: psutil.Process) -> bool:
        """Tell by the session, for a process that names itself writes over its environment; else by the home."""
        if self._session is not None and os.getsid(process.pid) == self._session:
            return True
        return bool(process.environ().get("AIRFLOW_HOME") == str(self.home))

    def _spawn(self, log: IO[bytes]) -> psutil.Popen:
        command = [sys.executable, "-m", "airflow", "standalone"]
        process = psutil.Popen(
            command,
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._session = process.pid
        return process

    def _settings(self) -> dict[str, str]:
        server_log, trigger_log = self._log_ports
        return {
            "AIRFLOW_HOME": str(self.home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self._plugins),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # SQLite has one writer at a time; on a busy machine a component that waits only five seconds for it dies.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in self._users.items()
            ),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(server_log),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_log),
        }
