"""The documentation tells of what is there."""

import json
import re
import sys
from enum import StrEnum
from pathlib import Path

import pytest

from backup_engine.archive import manifest
from backup_engine.tiers import Tier
from tests.project import repository

PAGES = repository.files(".md")
GLOSSARY = (repository.ROOT / "docs/glossary.md").read_text()
EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
COMMANDS = """
import json
from importlib.metadata import entry_points
import typer.main
from backup_engine.cli.main import app
for found in entry_points(group="vectorizer_backup.commands"):
    app.add_typer(found.load(), name=found.name)
def paths(command, path):
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path)
    for name in below or ():
        yield from paths(below[name], [*path, name])
print(json.dumps(list(paths(typer.main.get_command(app), []))))
"""
MAKEFILE = (repository.ROOT / "Makefile").read_text()


def test_every_link_leads_somewhere() -> None:
    broken = {str(page.relative_to(repository.ROOT)): repository.broken_links(page) for page in PAGES}
    assert {page: links for page, links in broken.items() if links} == {}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](#here) [b](#there) [c](missing.md) [d](page.md#here) [e](https://example.com/x)\n")
    assert repository.broken_links(page) == ["#there", "missing.md"]


def test_make_explains_every_target_there_is() -> None:
    targets = set(re.findall(r"^\.PHONY: ([\w-]+)$", MAKEFILE, re.MULTILINE)) - {"environment", "project"}
    answer = repository.run("make")
    explained = dict(re.findall(r"^ +make ([\w-]+) +(.+)$", answer.stdout, re.MULTILINE))
    assert set(explained) == targets
    assert {"help", "install", "demo", "test", "cluster-test", "lint", "contract", "bench", "lock", "clean"} <= targets


def test_every_make_command_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^\.PHONY: ([\w-]+)$", MAKEFILE, re.MULTILINE))
    told = {call.split()[0] for call in repository.commands(EVERYTHING, "make")}
    assert {"demo", "test"} <= told
    assert told - targets == set()


def test_every_command_line_in_the_documentation_exists() -> None:
    told = repository.commands(EVERYTHING, "vectorizer-backup")
    answer = repository.run(sys.executable, "-c", COMMANDS)
    assert answer.returncode == 0, answer.stderr
    there = json.loads(answer.stdout)
    assert {"store init", "create", "restore latest", "airflow check"} <= told
    assert [call for call in sorted(told) if not f"{call} ".startswith(tuple(f"{name} " for name in there))] == []


def test_commands_are_found_in_code_and_nowhere_else() -> None:
    text = "You make things. `make demo ONCE=1`\n```\nvectorizer-backup store init file:///x\nmake  test\n```\n"
    assert repository.commands(text, "make") == {"demo", "test"}
    assert repository.commands(text, "vectorizer-backup") == {"store init"}


@pytest.mark.parametrize(
    "kind",
    [manifest.BackupKind, manifest.BackupState, manifest.Folder, manifest.Standing, Tier],
    ids=lambda kind: kind.__name__,
)
def test_the_glossary_explains_what_the_manifest_says(kind: type[StrEnum]) -> None:
    words = repository.defined_words(GLOSSARY)
    assert [member.value for member in kind if member.value not in words] == []


def test_every_word_of_the_glossary_is_used() -> None:
    others = [
        page.read_text(encoding="utf-8").lower()
        for page in repository.files(".py", ".md", ".yaml")
        if page.name != "glossary.md"
    ]
    used = "\n".join(others)
    assert [word for word in repository.defined_words(GLOSSARY) if word.lower() not in used] == []


def test_the_glossary_explains_no_word_twice() -> None:
    words = repository.defined_words(GLOSSARY)
    assert sorted(words) == sorted(set(words))
    assert len(words) > 20
