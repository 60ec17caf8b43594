"""The lock: everything pinned, everything hashed, and what has to be in it."""

import re
import sys
import tomllib

import pytest

from tests.project import repository

LOCKS = ["requirements.txt", "bootstrap.txt"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    lock = (repository.ROOT / name).read_text()
    assert repository.unhashed(lock) == []
    assert "==" in lock


@pytest.mark.parametrize("line", ["requests>=2", "requests==2.34.2", "requests==2.34.2 \\\n    --hash=md5:0"])
def test_a_requirement_without_pin_or_hash_is_found(line: str) -> None:
    assert len(repository.unhashed(f"{line}\n    # via something\n")) == 1


def test_the_lock_holds_what_everything_stands_on() -> None:
    lock = (repository.ROOT / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]+\])?==(\S+)", lock, re.MULTILINE))
    assert pins["apache-airflow"] == "3.3.2"
    assert {"apache-airflow-providers-amazon", "apache-airflow-providers-google"} <= set(pins)
    assert tuple(map(int, pins["celery"].split("."))) < (5, 7)


def test_the_lock_fits_the_environment_and_its_parts_fit_each_other() -> None:
    answer = repository.run(sys.executable, "-m", "pip", "check")
    assert answer.returncode == 0, answer.stdout


def test_the_lock_covers_every_dependency_of_the_project() -> None:
    project = tomllib.loads((repository.ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["airflow"]]
    lock = "\n" + (repository.ROOT / "requirements.txt").read_text()
    names = [requirement.split(">")[0].split("<")[0].split("=")[0] for requirement in wanted]
    assert [name for name in names if f"\n{name}==" not in lock and f"\n{name}[" not in lock] == []
