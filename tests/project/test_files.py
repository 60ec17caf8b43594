"""Rules for every file of the repository, and for each rule something that breaks it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import repository

PYTHON = repository.files(".py")
TEXT = repository.files(".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".in", ".cfg", ".ini", ".sh", ".json", "")


def _problems(paths: list[Path], rule: Callable[[str], list[str]]) -> dict[str, list[str]]:
    found = {str(path.relative_to(repository.ROOT)): rule(path.read_text(encoding="utf-8")) for path in paths}
    return {name: problems for name, problems in found.items() if problems}


def test_the_rules_are_applied_to_the_repository_and_not_to_nothing() -> None:
    names = {str(path.relative_to(repository.ROOT)) for path in TEXT}
    assert {"pyproject.toml", "Makefile", ".ci/run", "include/backup_engine/model.py"} <= names
    assert not [path for path in TEXT if ".venv" in path.parts]


def test_no_file_names_a_machine_a_registry_or_unfinished_work() -> None:
    assert _problems(TEXT, repository.forbidden) == {}


@pytest.mark.parametrize(
    "line",
    [
        "open('/ro" + "ot/key')",
        "see /wo" + "rk/main",
        "--index-url https://py" + "pi.org/simple",
        "# TO" + "DO later",
        "@pytest.mark.sk" + "ip",
        "from unittest import mo" + "ck",
    ],
)
def test_a_forbidden_line_is_found(line: str) -> None:
    assert len(repository.forbidden(f"fine\n{line}\n")) == 1


@pytest.mark.parametrize(
    ("below", "limit"),
    [
        ("dags", repository.DAG_LINES),
        ("tests", repository.TEST_LINES),
        *((folder, repository.MODULE_LINES) for folder in repository.PACKAGES),
    ],
)
def test_modules_stay_short_and_dag_files_shorter(below: str, limit: int) -> None:
    paths = repository.files(".py", below=below)
    assert paths
    assert _problems(paths, lambda text: repository.too_long(text, limit)) == {}


def test_a_long_module_is_found() -> None:
    assert repository.too_long("pass\n" * 59, 60) == []
    assert repository.too_long("pass\n" * 60, 60) == ["60 lines"]


def test_functions_stay_short() -> None:
    assert _problems(PYTHON, repository.long_functions) == {}


def test_a_long_function_is_found() -> None:
    source = "def long(\n    one: int,\n) -> None:\n    '''Do much.'''\n" + "    pass\n" * repository.FUNCTION_LINES
    assert repository.long_functions(source) == []
    assert repository.long_functions(source + "    pass\n") == [f"long has {repository.FUNCTION_LINES + 1} lines"]
