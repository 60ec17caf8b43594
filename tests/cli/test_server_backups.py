"""What the command line promises about the server's own backup API, and about the ways to read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from backup_engine.model import ReadWay


@pytest.fixture
def made(run, server):
    """A server backup of both collections."""
    arguments = ("--collection", "docs", "--collection", "notes", "--server", server.url, "--json")
    outcome = run("server-backup", "create", "nightly", *arguments)
    assert outcome.code == 0, outcome.err
    return outcome.document


def test_create_counts_what_came_of_it(made):
    assert made["name"] == "nightly"
    assert made["vectors"] == {"docs": 300, "notes": 40}


def test_create_without_a_collection_is_wrong_usage_because_the_server_would_make_an_empty_one(run, server):
    outcome = run("server-backup", "create", "nightly", "--server", server.url)
    assert outcome.code == 2
    assert "name each collection" in outcome.err


def test_create_of_a_collection_that_is_not_there_fails(run, server):
    outcome = run("server-backup", "create", "x", "--collection", "missing", "--server", server.url)
    assert outcome.code == 1
    assert "UnknownCollection" in outcome.err


def test_list_shows_every_one_with_its_counts(run, server, made):
    listed = run("server-backup", "list", "--server", server.url, "--json").document["server_backups"]
    assert made["id"] in {one["id"] for one in listed}
    table = run("server-backup", "list", "--server", server.url).out
    assert made["id"] in table
    assert "340" in table


def test_download_writes_a_new_file_and_tells_its_checksum(run, server, made, tmp_path):
    target = tmp_path / "kept.json"
    saved = run("server-backup", "download", made["id"], "-o", target, "--server", server.url, "--json").document
    assert hashlib.sha256(target.read_bytes()).hexdigest() == saved["sha256"]
    assert json.loads(target.read_bytes())["id"] == made["id"]
    assert saved["vectors"] == made["vectors"]
    again = run("server-backup", "download", made["id"], "-o", target, "--server", server.url)
    assert again.code == 1
    assert "must be a new file" in again.err


def test_restore_asks_first_and_compares_afterwards(run, server, made):
    before = server.content("docs")
    server.write("docs", [("r0", [9.0] * 16)])
    refused = run("server-backup", "restore", made["id"], "--server", server.url)
    assert refused.code == 1
    assert "--yes" in refused.err
    assert server.content("docs")["r0"] != before["r0"]
    done = run("server-backup", "restore", made["id"], "--server", server.url, "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["compared"] is True
    assert done.document["after"] == {"docs": 300, "notes": 40}
    assert server.content("docs")["r0"][1] == before["r0"][1]


def test_restore_of_a_choice_that_the_server_would_not_heed_says_what_to_do_instead(run, server, made):
    outcome = run("server-backup", "restore", made["id"], "--collection", "docs", "--server", server.url, "--yes")
    assert outcome.code == 1
    assert "Unsupported: Vectorizer 3.5.0 restores everything" in outcome.err


@pytest.mark.parametrize("way", ["auto", *ReadWay])
def test_a_backup_is_read_with_what_was_asked_for_and_says_so(run, store, server, way):
    made = run("create", "--server", server.url, "--store", store, "--read-with", way, "--json")
    assert made.code == 0, made.err
    expected = ReadWay.SCROLL if way == "auto" else way
    assert {one["read_with"] for one in made.document["collections"]} == {expected}
    shown = run("show", made.document["name"], "--store", store).out
    assert expected in shown
    assert ("deletes none" in shown) == (expected is ReadWay.BACKUP_API)


def test_the_deployments_way_is_taken_unless_another_is_asked_for(run, store, server, tmp_path, monkeypatch):
    base = Path(store.removeprefix("file://")).parent
    configuration = tmp_path / "deployments.yaml"
    configuration.write_text(
        f"deployments:\n  prod:\n    tier: production\n    server: {{url: {server.url}, read_with: graphql}}\n"
        f"    store: file://{base}\n"
    )
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(configuration))
    for arguments, way in (((), "graphql"), (("--read-with", "auto"), "scroll"), (("--read-with", "list"), "list")):
        made = run("create", "--deployment", "prod", *arguments, "--json")
        assert made.code == 0, made.err
        assert {one["read_with"] for one in made.document["collections"]} == {way}


def test_a_way_nobody_knows_is_wrong_usage(run, store, server):
    outcome = run("create", "--server", server.url, "--store", store, "--read-with", "telepathy")
    assert outcome.code == 2
