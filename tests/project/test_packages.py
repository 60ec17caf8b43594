"""Which package may import which, and what the wheel holds."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.project import repository

BIN = Path(sys.executable).parent

IMPORT_EVERYTHING = """
import sys
for name in ("airflow", "vectorizer_backup", "sandbox", "services"):
    sys.modules[name] = None
import importlib, pkgutil, backup_engine
for found in pkgutil.walk_packages(backup_engine.__path__, "backup_engine."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(sum(name.startswith("backup_engine") for name in sys.modules))
"""

HELP = """
import sys
sys.modules["airflow"] = None
sys.argv = ["vectorizer-backup", "--help"]
from backup_engine.cli.main import main
main()
"""


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return repository.run(sys.executable, "-c", code)


def test_the_engine_is_whole_without_airflow() -> None:
    answer = _python(IMPORT_EVERYTHING)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) > 10


def test_the_command_line_helps_without_airflow() -> None:
    answer = _python(HELP)
    assert answer.returncode == 0, answer.stderr
    assert "restore" in answer.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of everything that is built or linted."""
    for name in repository.PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(repository.ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository.ROOT / name, tmp_path / name)
    return tmp_path


def _lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(tree / part) for part in ("include", "plugins", "."))
    return repository.run(BIN / "lint-imports", cwd=tree, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")


def test_imports_go_one_way(tree: Path) -> None:
    answer = _lint_imports(tree)
    assert answer.returncode == 0, answer.stdout


def test_an_import_that_goes_the_other_way_is_found_by_every_contract(tree: Path) -> None:
    wrong = {
        "include/backup_engine/errors.py": "import airflow",
        "include/backup_engine/model.py": "import bench",
        "include/backup_engine/storage/contract.py": "import backup_engine.catalog",
        "include/backup_engine/catalog/catalog.py": "import backup_engine.storage.local",
        "sandbox/settings.py": "import backup_engine",
    }
    for name, line in wrong.items():
        path = tree / name
        path.write_text(f"{path.read_text()}\n{line}\n")
    answer = _lint_imports(tree)
    assert answer.returncode == 1
    assert " 0 kept, " in answer.stdout


def test_one_wheel_holds_both_packages_and_their_entry_points(tree: Path) -> None:
    out = tree / "wheels"
    quiet = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    answer = repository.run(sys.executable, "-m", "pip", "wheel", *quiet, "--wheel-dir", out, tree)
    assert answer.returncode == 0, answer.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        points = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    sources = [tree / "include/backup_engine", tree / "plugins/vectorizer_backup"]
    files = {str(path.relative_to(top.parent)) for top in sources for path in top.rglob("*") if path.is_file()}
    assert files - set(names) == set()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if "dist-info" not in top} == {"backup_engine", "vectorizer_backup"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "vectorizer-backup = backup_engine.cli.main:main" in points
    assert "provider_info = vectorizer_backup.provider:get_provider_info" in points
    assert "airflow = vectorizer_backup.check:commands" in points
