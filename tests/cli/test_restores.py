"""What the command line promises about restoring."""

from __future__ import annotations

import pytest
import requests


@pytest.fixture
def backup(run, store, server):
    return run("create", "--server", server.url, "--store", store, "--json").document


@pytest.fixture
def content(server):
    return {name: server.content(name) for name in ("docs", "notes")}


def test_replace_brings_back_what_was_lost_and_damaged(run, store, server, content, backup):
    server.delete("notes")
    server.write("docs", [("r1", [9.0] * 16), ("added later", [1.0] * 16)])
    where = ("--store", store, "--server", server.url)
    restored = run("restore", "latest", *where, "--mode", "replace", "--yes", "--json")
    assert restored.code == 0, restored.err
    assert server.content("docs") == content["docs"]
    assert server.content("notes").keys() == content["notes"].keys()
    held = [name for name in server.names() if "__before_" in name]
    assert len(held) == 1
    assert run("release", held[0][-12:], *where).code == 0
    assert server.names() == {"docs": 300, "notes": 40}


def test_a_dry_run_touches_nothing_and_shows_the_plan(run, store, server, backup):
    before = server.names()
    shown = run("restore", "latest", "--store", store, "--server", server.url, "--mode", "replace", "--dry-run")
    assert shown.code == 0
    assert "docs" in shown.out
    assert server.names() == before


def test_new_refuses_names_that_exist(run, store, server, backup):
    refused = run("restore", "latest", "--store", store, "--server", server.url)
    assert refused.code == 1
    assert "exists" in refused.err


def test_without_a_terminal_replacing_needs_yes(run, store, server, content, backup):
    refused = run("restore", "latest", "--store", store, "--server", server.url, "--mode", "replace")
    assert refused.code == 1
    assert "--yes" in refused.err
    assert server.content("docs") == content["docs"]


def test_one_collection_under_another_name_from_a_bare_file(run, store, server, content, backup, tmp_path):
    file = tmp_path / "archive.tar.gz"
    run("download", "latest", "--store", store, "-o", file)
    asked = ("--collection", "docs", "--rename", "docs=docs of old", "--server", server.url)
    restored = run("restore", "--archive", file, *asked)
    assert restored.code == 0, restored.err
    assert server.content("docs%20of%20old") == content["docs"]
    server.delete("docs of old")


@pytest.mark.parametrize("rename", ["docs", "=new", "docs="])
def test_a_rename_that_is_none_is_wrong_usage(run, store, server, backup, rename):
    asked = run("restore", "latest", "--store", store, "--server", server.url, "--rename", rename)
    assert asked.code == 2


def test_naming_a_collection_that_the_backup_does_not_hold_is_refused(run, store, server, backup):
    refused = run(
        "restore", "latest", "--store", store, "--server", server.url, "--collection", "nodes", "--mode", "replace"
    )
    assert refused.code == 1
    assert "UnknownCollection" in refused.err


def test_a_time_before_the_first_backup_finds_nothing(run, store, server, backup):
    refused = run("restore", "2020-01-01T00:00:00Z", "--store", store, "--server", server.url)
    assert refused.code == 1
    assert backup["name"] in refused.err


def test_credentials_come_from_the_environment(run, store, backup, monkeypatch, tmp_path):
    from sandbox.process import SandboxProcess

    with SandboxProcess(tmp_path / "guarded", password="correct horse") as guarded:
        where = ("--store", store, "--server", guarded.url)
        assert "AuthenticationFailed" in run("restore", "latest", *where).err
        monkeypatch.setenv("VECTORIZER_USERNAME", "admin")
        monkeypatch.setenv("VECTORIZER_PASSWORD", "correct horse")
        restored = run("restore", "latest", *where)
        assert restored.code == 0, restored.err
        assert "correct horse" not in restored.out + restored.err
        assert requests.get(f"{guarded.url}/collections", timeout=10).status_code == 401


def test_in_place_leaves_no_second_copy_and_is_undone_by_the_servers_snapshot(run, store, server, content, backup):
    server.write("docs", [("r1", [9.0] * 16), ("added later", [1.0] * 16)])
    where = ("--store", store, "--server", server.url)
    shown = run("restore", "latest", *where, "--mode", "replace", "--in-place", "--collection", "docs", "--dry-run")
    assert "mixture" in shown.out
    restored = run(
        "restore", "latest", *where, "--mode", "replace", "--in-place", "--collection", "docs", "--yes", "--json"
    )
    assert restored.code == 0, restored.err
    assert server.content("docs") == content["docs"]
    assert server.names() == {"docs": 300, "notes": 40}
    restore_id = restored.document["restore_id"]
    asked = run("undo", restore_id, *where)
    assert asked.code == 1
    assert "--yes" in asked.err
    undone = run("undo", restore_id, *where, "--yes", "--json")
    assert undone.code == 0, undone.err
    assert server.names() == {"docs": 301, "notes": 40}
    assert run("restore", "latest", *where, "--mode", "replace", "--in-place", "--yes").code == 0
    assert server.names() == {"docs": 300, "notes": 40}


def test_in_place_needs_a_store(run, store, server, backup, tmp_path):
    file = tmp_path / "archive.tar.gz"
    run("download", "latest", "--store", store, "-o", file)
    asked = run("restore", "--archive", file, "--server", server.url, "--mode", "replace", "--in-place")
    assert asked.code == 2


def test_restores_are_listed_with_what_they_keep_until_all_that_are_old_enough_are_released(
    run, store, server, content, backup
):
    where = ("--store", store, "--server", server.url)
    assert "No restores" in run("restores", "--store", store).out
    restored = run("restore", "latest", *where, "--mode", "replace", "--yes", "--json").document["restore_id"]
    listed = run("restores", "--store", store)
    assert f"docs__before_{restored}" in listed.out
    [known] = run("restores", "--store", store, "--json").document["restores"]
    assert (known["restore_id"], known["progression"]) == (restored, "finished")
    young = run("release", "--older-than", "7d", *where)
    assert "kept until" in young.out
    planned = run("release", "--older-than", "0s", "--dry-run", *where, "--json").document
    assert [(one["restore_id"], one["release"]) for one in planned["planned"]] == [(restored, True)]
    assert len(server.names()) == 4
    released = run("release", "--older-than", "0s", *where, "--json")
    assert released.code == 0, released.err
    assert server.names() == {"docs": 300, "notes": 40}
    assert "released" in run("restores", "--store", store).out


def test_undo_swaps_back_what_was_replaced(run, store, server, content, backup):
    server.write("docs", [("added later", [1.0] * 16)])
    where = ("--store", store, "--server", server.url)
    restored = run("restore", "latest", *where, "--mode", "replace", "--yes", "--json").document["restore_id"]
    assert server.names()["docs"] == 300
    shown = run("undo", restored, *where, "--dry-run")
    assert "301 vectors" in shown.out
    assert server.names()["docs"] == 300
    assert run("undo", restored, *where, "--yes").code == 0
    assert server.names()["docs"] == 301
    assert run("release", restored, *where).code == 0
    assert run("restore", "latest", *where, "--mode", "replace", "--in-place", "--yes").code == 0
    assert server.names() == {"docs": 300, "notes": 40}


@pytest.mark.parametrize("arguments", [(), ("0123456789ab", "--older-than", "7d"), ("--older-than", "a week")])
def test_release_wants_one_restore_or_an_age(run, store, server, arguments):
    assert run("release", *arguments, "--store", store, "--server", server.url).code == 2
