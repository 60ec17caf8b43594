"""What the command line promises about restoring a moment, and about chains."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest


class Days:
    """A full, a change, an incremental, another change; and what the server held meanwhile."""

    def __init__(self, run, store: str, server) -> None:
        self.where = ("--store", store, "--server", server.url)
        self.contents, self.moments, self.names = [], [], []
        for number in range(3):
            if number:
                server.write("docs", [(f"r{number}", [number / 8] * 16), (f"new {number}", [number / 4] * 16)])
            kind = ("--incremental",) if number else ()
            made = run("create", *self.where, *kind, "--json")
            assert made.code == 0, made.err
            self.names.append(made.document["name"])
            self.contents.append(server.content("docs"))
            self.moments.append(datetime.now(UTC).isoformat())
        assert [one.partition("-")[0] for one in self.names] == ["backup"] * 3


@pytest.fixture
def days(run, store, server):
    return Days(run, store, server)


def manifest_of(store: str, name: str) -> Path:
    return next(Path(store.removeprefix("file://")).glob(f"*/{name}.json"))


def test_a_moment_brings_the_newest_state_before_it_back_and_says_how_far_before_it_lies(run, server, days):
    more = ("--collection", "docs", "--rename", "docs=docs of then", "--json")
    restored = run("restore", days.moments[1], *days.where, *more)
    assert restored.code == 0, restored.err
    assert f"{days.names[1]} is the newest state that can be restored; it was captured 0." in restored.err
    assert f"before {days.moments[1]}" in restored.err
    assert server.content("docs%20of%20then") == days.contents[1]
    server.delete("docs of then")


def test_a_dry_run_says_it_too_in_its_document(run, days):
    more = ("--collection", "docs", "--mode", "replace", "--dry-run", "--json")
    shown = run("restore", days.moments[0], *days.where, *more).document
    assert shown["request"]["backup"] == days.names[0]
    assert 0 <= shown["seconds_before"] < 60
    named = run("restore", days.names[0], *days.where, *more).document
    assert named["seconds_before"] is None


def test_a_broken_chain_is_refused_in_words_and_a_moment_finds_what_survives(run, server, store, days):
    manifest_of(store, days.names[1]).unlink()
    manifest_of(store, days.names[0]).rename(Path(store.removeprefix("file://")) / "away.json")
    refused = run("restore", days.names[2], *days.where, "--collection", "docs", "--rename", "docs=none")
    assert refused.code == 1
    assert "BrokenChain" in refused.err
    assert f"{days.names[2]} hangs on {days.names[0]}, which is not there" in refused.err
    assert run("restore", days.moments[2], *days.where).code == 1
    assert "none" not in server.names()


def test_a_file_that_is_an_incremental_is_refused_in_words(run, server, store, days, tmp_path):
    file = tmp_path / "archive.tar.gz"
    run("download", days.names[1], "--store", store, "-o", file)
    refused = run("restore", "--archive", file, "--server", server.url, "--mode", "replace", "--yes")
    assert refused.code == 1
    assert f"{days.names[1]}, which holds only what changed since {days.names[0]}" in refused.err
    assert server.content("docs") == days.contents[2]


def test_copying_an_incremental_copies_what_it_hangs_on_first(run, server, store, days, tmp_path):
    other = f"file://{tmp_path / 'other'}"
    assert run("store", "init", other, "--deployment", "prod").code == 0
    copied = run("copy", days.names[2], "--store", store, "--to", other, "--json")
    assert copied.code == 0, copied.err
    assert f"hangs on {days.names[0]}" in copied.err
    shown = run("restore", "latest", "--store", other, "--server", server.url, "--mode", "replace", "--dry-run")
    assert shown.code == 0, shown.err
