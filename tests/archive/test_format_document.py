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
from backup_engine.archive.deleted_file import ID_BYTES
from backup_engine.archive.digests import HASH_BYTES
from backup_engine.archive.tail import README, document_bytes
from backup_engine.chain import LONGEST
from backup_engine.model import CollectionConfiguration, Document, Hnsw
from tests.archive.builder import Given, shown_by_sq8, two_collections
from tests.archive.lines import Line, edited, rows_of_batch, state

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
    """A backup as it lies in a store, and an incremental beside it."""
    many = shown_by_sq8(np.random.default_rng(1).standard_normal((300, 48)))
    further = Given("n", [make_batch([f"n{i}" for i in range(300)], many, ["{}"] * 300)], 48)
    given = *two_collections(), further, Given("empty", [], 3)
    line = Line(*given)
    built, later = line.last, line.add(*later_states(given))
    (tmp_path / "backup-20261122.tar.gz").write_bytes(built.data)
    (tmp_path / "backup-20261122.json").write_bytes(document_bytes(built.sidecar))
    (tmp_path / "backup-20261122-121000.tar.gz").write_bytes(later.data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def later_states(given: tuple[Given, ...]) -> list[Given]:
    """One collection changed, one is as it was, one is gone, one was empty, one is new."""
    first, codes, *_ = given
    other = make_batch(["a", "new"], np.ones((2, 4), np.float32), [None, "[]"])
    changed = edited(first, dict(rows_of_batch(other)), {"b", "d" * 300})
    return [changed, codes, state([1, 2], name="empty", dimension=3), state([3], name="new")]


def follow(blocks, folder: Path) -> list[list[tuple]]:
    """Run the blocks in order, as a reader would; gives what the queries answered."""
    return _run(blocks, folder, {})[0]


def follow_naming(blocks, names: dict | None = None) -> dict:
    """Run the blocks in order; gives the names that they left behind."""
    return _run(blocks, Path(), {} if names is None else names)[1]


def _run(blocks, folder: Path, names: dict) -> tuple[list[list[tuple]], dict]:
    answers = []
    for language, code in blocks:
        if language == "sh":
            subprocess.run(["sh", "-eu", "-c", code], cwd=folder, check=True, capture_output=True, timeout=60)
        elif language == "sql":
            answers.append(duckdb.sql(code).fetchall())
        else:
            exec(compile(code, str(FORMAT), "exec"), names)  # noqa: S102 - running the page is the test
    return answers, names


def test_a_stranger_reads_a_backup_by_following_the_page(folder: Path):
    collections, coded, floats = follow(BLOCKS, folder)
    assert [row[0] for row in collections] == ["Docs & Notes/2026", "codes", "n", "empty"]
    for rows, given in zip([floats, coded], two_collections(), strict=True):
        [batch] = given.batches
        assert [row[0] for row in rows] == batch.column("id").to_pylist()
        assert [row[1] for row in rows] == batch.column("payload").to_pylist()
        vectors = np.array([row[2] for row in rows], np.float32)
        assert np.array_equal(vectors, np.stack(batch.column("vector").to_numpy(zero_copy_only=False)), equal_nan=True)


def test_the_page_restores_what_an_incremental_holds_in_each_way(folder: Path):
    names = follow_naming(BLOCKS)
    assert names["contents"] == {"whole", "delta", "same"}
    changed, same, grown, new = names["newer"]["clear"]["collections"]
    assert (changed["content"], changed["upserts"], changed["deletions"], changed["vectors"]) == ("delta", 2, 2, 4)
    assert [one["content"] for one in (same, grown, new)] == ["same", "delta", "whole"]


@pytest.mark.parametrize("file", ["deleted", "part-00000"])
def test_the_page_notices_an_incremental_that_does_not_fit(folder: Path, file: str):
    """The file is that of another incremental of the same base."""
    extract = next(number for number, (_, code) in enumerate(BLOCKS) if "-C newer" in code)
    names = follow_naming(BLOCKS[: extract + 1])
    first = two_collections()[0]
    other = edited(first, dict(rows_of_batch(make_batch(["a"], np.zeros((1, 4), np.float32), [None]))), {"ü", "b"})
    content = Line(first).add(other).reader().entry(f"collections/c0001-docs-notes-2026/{file}.parquet")
    next(folder.glob(f"newer/collections/c0001-*/{file}.parquet")).write_bytes(content)
    with pytest.raises(AssertionError):
        follow_naming(BLOCKS[extract + 1 : extract + 2], names)


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
    assert said(r"([\d,]+) bytes a row and (\d+) KiB; at least (\d+) bytes a row") == [
        limits.content_limit("/deleted.parquet", 0, 1) - limits.content_limit("/deleted.parquet"),
        limits.content_limit("/deleted.parquet") // 1024,
        HASH_BYTES,
    ]
    assert said(r"longer than ([\d,]+) bytes") == [ID_BYTES]
    assert said(r"a chain \| (\d+) archives") == [LONGEST]
