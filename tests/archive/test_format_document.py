"""docs/format.md is true: a stranger follows it with tar, DuckDB and the standard library, and it names every field."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import duckdb
import numpy as np
import pytest

from backup_engine.archive import limits, manifest
from backup_engine.archive.batches import make_batch
from backup_engine.archive.tail import README, document_bytes
from backup_engine.model import CollectionConfiguration, Document, Hnsw
from tests.archive.builder import Given, build, shown_by_sq8, two_collections

FORMAT = Path(__file__).parents[2] / "docs" / "format.md"
TEXT = FORMAT.read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    CollectionConfiguration,
    Hnsw,
    *(
        item
        for item in vars(manifest).values()
        if isinstance(item, type) and issubclass(item, Document) and item.__module__ == manifest.__name__
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup as it lies in a store, and nothing else."""
    many = shown_by_sq8(np.random.default_rng(1).standard_normal((300, 48)))
    further = Given("n", [make_batch([f"n{i}" for i in range(300)], many, ["{}"] * 300)], 48)
    built = build(*two_collections(), further, Given("empty", [], 3))
    (tmp_path / "backup-20261122.tar.gz").write_bytes(built.data)
    (tmp_path / "backup-20261122.json").write_bytes(document_bytes(built.sidecar))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(blocks, folder: Path) -> list[list[tuple]]:
    """Run the blocks in order, as a reader would; gives what the queries answered."""
    answers = []
    names: dict[str, object] = {}
    for language, code in blocks:
        if language == "sh":
            subprocess.run(["sh", "-eu", "-c", code], cwd=folder, check=True, capture_output=True, timeout=60)
        elif language == "sql":
            answers.append(duckdb.sql(code).fetchall())
        else:
            exec(compile(code, str(FORMAT), "exec"), names)  # noqa: S102 - running the page is the test
    return answers


def test_a_stranger_reads_a_backup_by_following_the_page(folder: Path):
    collections, coded, floats = follow(BLOCKS, folder)
    assert [row[0] for row in collections] == ["Docs & Notes/2026", "codes", "n", "empty"]
    for rows, given in zip([floats, coded], two_collections(), strict=True):
        [batch] = given.batches
        assert [row[0] for row in rows] == batch.column("id").to_pylist()
        assert [row[1] for row in rows] == batch.column("payload").to_pylist()
        vectors = np.array([row[2] for row in rows], np.float32)
        assert np.array_equal(vectors, np.stack(batch.column("vector").to_numpy(zero_copy_only=False)), equal_nan=True)


@pytest.mark.parametrize("name", ["part-00000.parquet", "config.json", "digests.parquet"])
def test_the_page_notices_damage(folder: Path, name: str):
    follow(BLOCKS[:1], folder)
    damaged = next(folder.glob(f"collections/*/{name}"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(AssertionError, match=name):
        follow(BLOCKS[2:3], folder)


def test_the_readme_in_the_archive_says_how_to_read_it(folder: Path):
    follow(BLOCKS[:1], folder)
    assert (folder / "README.txt").read_text("ascii") == README
    [query] = re.findall(r"^DuckDB: (.*);$", README, re.MULTILINE)
    assert len(duckdb.sql(query).fetchall()) == 312


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda item: item.__name__)
def test_the_page_names_exactly_the_fields_there_are(document: type[Document]):
    [table] = re.findall(rf"^`{document.__name__}`.*?\n\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(document.model_fields)


def test_the_page_tells_the_limits_that_readers_keep():
    def said(pattern: str) -> list[int]:
        [found] = re.findall(pattern, TEXT)
        numbers = [found] if isinstance(found, str) else found
        return [int(number.replace(",", "")) for number in numbers]

    mib = 1 << 20
    assert said(r"`manifest.json` \| (\d+) MiB, (\d+) levels, ([\d,]+) brackets and commas; the sidecar (\d+) MiB") == [
        limits.MANIFEST_BYTES // mib,
        limits.MANIFEST_DEPTH,
        limits.MANIFEST_WIDTH,
        2 * limits.MANIFEST_BYTES // mib,
    ]
    assert said(r"collections, entries \| ([\d,]+) and ([\d,]+)") == [limits.COLLECTIONS, limits.ENTRIES]
    assert said(r"\| dimension \| ([\d,]+)") == [limits.DIMENSION]
    assert said(r"a part \| ([\d,]+) records, (\d+) MiB decoded; a single record (\d+) MiB") == [
        limits.PART_ROWS,
        limits.part_limit(2) // mib,
        limits.part_limit(1) // mib,
    ]
    assert said(r"`config.json` \| (\d+) MiB") == [limits.CONFIGURATION_BYTES // mib]
    assert said(r"(\d+) bytes a record and (\d+) KiB") == [
        limits.content_limit("/digests.parquet", 1) - limits.content_limit("/digests.parquet", 0),
        limits.content_limit("/digests.parquet", 0) // 1024,
    ]
