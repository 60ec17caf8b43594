"""The worst day: a machine that never saw Airflow installs the project and restores from S3."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.process import SandboxProcess
from services.seaweedfs import SeaweedFS
from tests.fire.outside import Outside, unlike
from tests.project import repository

BIN = Path(sys.executable).parent
BUCKET = "worst-day"
STORE = f"s3://aws_default@{BUCKET}/production"
ABSENT = ("airflow", "celery", "sqlalchemy")


def needed(requirements: list[str]) -> set[str]:
    """Names of these distributions and of all that they stand on, without extras nobody asked for."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            if (canonicalize_name(one.name), extra) not in found:
                found.add((canonicalize_name(one.name), extra))
                inner = map(Requirement, distribution(one.name).requires or ())
                waiting += [each for each in inner if not each.marker or each.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def locked(names: set[str]) -> str:
    """What the hashed lock says of these, and nothing of the others."""
    lock = (repository.ROOT / "requirements.txt").read_text(encoding="utf-8")
    entries = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?:.*\\\n)+.*\n", lock, re.MULTILINE)
    texts = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==(?:.*\\\n)+.*\n", lock, re.MULTILINE)
    return "".join(text for name, text in zip(entries, texts, strict=True) if canonicalize_name(name) in names)


@pytest.fixture(scope="module")
def own() -> set[str]:
    project = tomllib.loads((repository.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return needed(project["dependencies"])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, own: set[str]) -> Path:
    """Binaries of an environment with the project and what it needs by itself."""
    folder = tmp_path_factory.mktemp("bare")
    subset, sources, venv = folder / "requirements.txt", folder / "sources", folder / "venv"
    subset.write_text(locked(own), encoding="utf-8")
    for name in ("include", "plugins"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(repository.ROOT / name, sources / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository.ROOT / name, sources / name)
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    ran(*build, "--wheel-dir", folder, sources)
    ran(BIN / "uv", "venv", "--quiet", "--python", sys.executable, venv)
    install = (BIN / "uv", "pip", "install", "--quiet", "--python", venv / "bin/python")
    ran(*install, "--require-hashes", "--no-deps", "--requirement", subset)
    ran(*install, "--no-deps", *folder.glob("*.whl"))
    return venv / "bin"


def ran(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    answer = subprocess.run(
        command, check=False, cwd="/", env=kept | environment, capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, f"{command}: {answer.stdout}{answer.stderr}"
    return answer


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """How a process reaches an S3 server with an empty bucket."""
    with SeaweedFS(tmp_path_factory.mktemp("s3")) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server.environment()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[SandboxProcess, SandboxProcess]]:
    with SandboxProcess(tmp_path / "one") as one, SandboxProcess(tmp_path / "other") as other:
        fill(Outside(one.url))
        yield one, other


def fill(outside: Outside) -> None:
    rows = np.random.default_rng(5).standard_normal((120, 16)).astype(np.float32)
    outside.create("docs", 16, "Euclid")
    outside.write("docs", {f"r{n}": row for n, row in enumerate(rows)}, {f"r{n}": {"n": n} for n in range(120)})
    outside.create("papers", 16, "Cosine")
    outside.write("papers", {f"p{n}": row for n, row in enumerate(rows[:30])})
    outside.alias("current", "docs")


def test_a_machine_without_airflow_restores_from_s3(bare, s3, servers):
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return ran(bare / "vectorizer-backup", *arguments, **s3)

    one, other = servers
    call("store", "init", STORE, "--deployment", "production")
    call("create", "--server", one.url, "--store", STORE)
    answer = call("restore", "latest", "--server", other.url, "--store", STORE, "--json")
    assert json.loads(answer.stdout)
    assert unlike(Outside(one.url).see(), Outside(other.url).see()) == []
    said = [line for line in answer.stderr.splitlines() if "aws_default@" in line]
    assert len(said) == 1
    assert "ignored" in said[0]
    assert s3["AWS_SECRET_ACCESS_KEY"] not in answer.stdout + answer.stderr


@pytest.mark.parametrize("module", ABSENT)
def test_neither_airflow_nor_what_comes_with_it_is_there(bare, module):
    find = f"import importlib.util; print(importlib.util.find_spec({module!r}))"
    assert ran(bare / "python", "-c", find).stdout.strip() == "None"
    assert ran(BIN / "python", "-c", find).stdout.strip() != "None", (
        "here it is: the question can be answered both ways"
    )


def test_the_project_s_own_part_of_the_lock_is_small_and_whole(own):
    names = {line.partition("==")[0].partition("[")[0] for line in locked(own).splitlines() if "==" in line}
    assert {canonicalize_name(name) for name in names} == own
    assert {"boto3", "pyarrow", "google-cloud-storage"} <= own
    assert not {name for name in own if "airflow" in name}
    assert "apache-airflow" in needed(["apache-airflow-providers-amazon"])
