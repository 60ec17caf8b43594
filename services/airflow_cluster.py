"""Airflow on several machines, as docker-compose.yaml has it, from packages and on one: for tests.

Each component is a machine of its own: an address of its own on loopback, a home, a folder for temporary files, and
copies of dags/ and plugins/ that no other component is told of. Environment and commands are the compose file's own.
"""

import os
import secrets
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import requests
from celery import Celery  # type: ignore[import-untyped]

from services.airflow_client import AirflowClient
from services.compose import Compose
from services.ports import free_ports
from services.postgres import Postgres
from services.process import ServiceError, ServiceProcess, Startable
from services.redis import Redis

BIN = Path(sys.executable).parent
START_DEADLINE_SECONDS = 180.0
COMMAND_SECONDS = 180
ADMIN = "admin"

API_SERVER = "airflow-api-server"
COMPONENTS = {
    API_SERVER: "metadatabase",
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag_processor",
    "airflow-triggerer": "triggerer",
}
"""The services of the compose file that are one each, and what Airflow's health calls them."""

WORKERS = ("airflow-worker-1", "airflow-worker-2")
ONCE = ("airflow-init", "stores")
"""The services that do something once, before the others."""

SERVER_HOME = "/srv/airflow"
"""Where the container image keeps what a machine here has in its home."""

_LOG_SERVER = "airflow.utils.serve_logs.log_server:get_app"
_HOSTNAME = 'def hostname() -> str:\n    """Tell where this machine is reached."""\n    return {address!r}\n'


@dataclass
class Machine:
    """What one container is: an address, a disk, and the processes on it.

    :param home: its disk; nothing of the others lies there
    """

    name: str
    address: str
    home: Path
    environment: Mapping[str, str]
    processes: list[ServiceProcess] = field(default_factory=list)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there and give what it said, whatever its exit code."""
        return subprocess.run(
            command, cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def start(self) -> None:
        """Start everything on it and return once it answers."""
        with ThreadPoolExecutor(len(self.processes)) as pool:
            list(pool.map(lambda process: process.start(START_DEADLINE_SECONDS), self.processes))

    def stop(self) -> None:
        """Ask everything on it to end."""
        with ThreadPoolExecutor(len(self.processes) or 1) as pool:
            list(pool.map(ServiceProcess.stop, self.processes))

    def kill(self) -> None:
        """End everything on it at once: the machine is gone, and its disk with it."""
        for process in self.processes:
            process.kill()


class AirflowCluster(Startable):
    """PostgreSQL, Redis, four components and two workers.

    :param home: everybody's disks lie below it
    :param project: the checkout: its docker-compose.yaml, docker/, dags/ and plugins/ are taken
    :param places: where what the compose file calls ``host:port`` is found here, for servers that run already
    :param known: what ``.env`` has to say about those; the other secrets are made up
    :param deployments: makes what every machine has of the deployments.yaml that is mounted
    :param settings: more environment for all, to be quicker than in production
    """

    def __init__(
        self,
        home: Path,
        project: Path,
        places: Mapping[str, str],
        known: Mapping[str, str],
        deployments: Callable[[str], str] = str,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self._project = project
        self._deployments = deployments
        self._settings = dict(settings or {})
        self.secrets = {name: secrets.token_hex(24) for name in _SECRETS}
        self.secrets["AIRFLOW_FERNET_KEY"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.secrets |= known
        self._compose = Compose(project / "docker-compose.yaml", self.secrets)
        api, self._health_port, self._worker_log_port, self._trigger_log_port = free_ports(4)
        self._api_port = str(api)
        self.url = f"http://127.0.0.1:{api}"
        self.postgres = Postgres(self.home / "postgres", self.secrets["POSTGRES_PASSWORD"])
        self.redis = Redis(self.home / "redis", self.secrets["REDIS_PASSWORD"])
        self._places = {
            "postgres:5432": self.postgres.address,
            "redis:6379": self.redis.address,
            f"{API_SERVER}:8080": f"127.0.0.1:{api}",
            "localhost:8080": f"127.0.0.1:{api}",
            "127.0.0.1:8080": f"127.0.0.1:{api}",
            **places,
        }
        self.machines: dict[str, Machine] = {}

    @property
    def workers(self) -> list[Machine]:
        """The machines that run tasks."""
        return [self.machines[name] for name in WORKERS]

    def start(self) -> None:
        """Start everything and return once all of it is healthy.

        :raises ServiceError: something did not come up in time; the message holds the end of its log
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything."""
        with ThreadPoolExecutor(len(self.machines) or 1) as pool:
            list(pool.map(Machine.stop, self.machines.values()))
        self.redis.stop()
        self.postgres.stop()

    def client(self) -> AirflowClient:
        """Log in as the user whom ``docker/init.sh`` made."""
        return AirflowClient.log_in(self.url, ADMIN, self.secrets["AIRFLOW_ADMIN_PASSWORD"])

    def _start(self) -> None:
        self.postgres.start()
        self.redis.start()
        once = [self._machine(name, f"127.0.0.{number}") for number, name in enumerate(ONCE, 2)]
        with ThreadPoolExecutor(len(once)) as pool:
            list(pool.map(self._run_once, once))
        for number, name in enumerate((*COMPONENTS, *WORKERS), 10):
            self.machines[name] = self._machine(name, f"127.0.0.{number}")
        for name, part in COMPONENTS.items():
            self._add(self.machines[name], [], partial(self._is_healthy, part))
        for worker in self.workers:
            self._add_worker(worker)
        with ThreadPoolExecutor(len(self.machines)) as pool:
            list(pool.map(Machine.start, self.machines.values()))

    def _machine(self, name: str, address: str) -> Machine:
        """Make what the image and the mounts of the service's container hold."""
        home = self.home / name
        for folder in ("tmp", "config", "plugins"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        shutil.copytree(self._project / "dags", home / "dags", ignore=_COMPILED, dirs_exist_ok=True)
        shutil.copy(self._project / "plugins/vectorizer_backup_plugin.py", home / "plugins")
        (home / "config/this_machine.py").write_text(_HOSTNAME.format(address=address), encoding="utf-8")
        for mounted in self._compose.services[name]["volumes"]:
            source, target, *_ = mounted.split(":")
            if source.startswith("./"):
                shutil.copy(self._project / source, self._here(target, home, address))
        if name not in ONCE:
            known = home / "deployments.yaml"
            known.write_text(self._deployments(known.read_text(encoding="utf-8")), encoding="utf-8")
        return Machine(name, address, home, self._environment(name, home, address))

    def _environment(self, name: str, home: Path, address: str) -> dict[str, str]:
        strange = ("AIRFLOW", "AWS_", "GOOGLE_", "PYTHONPATH", "VECTORIZER_")
        own = {key: value for key, value in os.environ.items() if not key.startswith(strange)}
        said = self._compose.environment(name).items()
        return (
            own
            | {key: self._here(value, home, address) for key, value in said}
            | self._local(home, address)
            | self._settings
        )

    def _here(self, text: str, home: Path, address: str) -> str:
        """Write hosts, ports and folders of the containers as they are here."""
        own = {"127.0.0.1:8974": f"{address}:{self._health_port}", SERVER_HOME: str(home)}
        for place, here in (self._places | own).items():
            text = text.replace(place, here)
        return text

    def _local(self, home: Path, address: str) -> dict[str, str]:
        """Give what differs where several machines are one."""
        return {
            "AIRFLOW_HOME": str(home),
            "HOSTNAME": address,
            "TMPDIR": str(home / "tmp"),
            "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "this_machine.hostname",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": address,
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self._health_port),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self._worker_log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self._trigger_log_port),
        }

    def _run_once(self, machine: Machine) -> None:
        words = self._compose.command(machine.name)
        answer = machine.run(*(self._here(word, machine.home, machine.address) for word in words))
        if answer.returncode:
            said = f"{answer.stdout[-2000:]}\n{answer.stderr[-4000:]}"
            raise ServiceError(f"{machine.name} ended with {answer.returncode}: {said}")

    def _add(self, machine: Machine, more: Iterable[str], ready: Callable[[], bool]) -> None:
        words = [self._api_port if word == "8080" else word for word in self._compose.command(machine.name)]
        machine.processes.append(ServiceProcess([*words, *more], machine.home, ready, machine.environment))

    def _add_worker(self, machine: Machine) -> None:
        """Add a worker. Its log server would listen on all addresses, so it gets one that listens on its own."""
        node = f"celery@{machine.address}"
        self._add(machine, ["--celery-hostname", node, "--skip-serve-logs"], partial(_answers_ping, machine, node))
        place = ["--host", machine.address, "--port", str(self._worker_log_port)]
        listens = f"http://{machine.address}:{self._worker_log_port}"
        serve = ["uvicorn", "--factory", _LOG_SERVER, *place]
        machine.processes.append(ServiceProcess(serve, machine.home, partial(_answers, listens), machine.environment))

    def _is_healthy(self, part: str) -> bool:
        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        return answer.ok and answer.json()[part]["status"] == "healthy"

    def health_check(self, machine: Machine) -> list[str]:
        """Give the command with which the compose file looks after a component."""
        kind, *words = map(str, self._compose.services[machine.name]["healthcheck"]["test"])
        words = [self._here(self._compose.resolve(word), machine.home, machine.address) for word in words]
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words


_COMPILED = shutil.ignore_patterns("__pycache__")
_SECRETS = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_ADMIN_PASSWORD",
)


def _answers(url: str) -> bool:
    try:
        requests.get(url, timeout=1)
    except requests.RequestException:
        return False
    return True


def _answers_ping(machine: Machine, node: str) -> bool:
    app = Celery(broker=machine.environment["AIRFLOW__CELERY__BROKER_URL"])
    with app.connection() as connection:
        return bool(app.control.ping(destination=[node], timeout=1, connection=connection))
