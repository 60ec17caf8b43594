"""What the command line promises about making, listing, checking and moving backups."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from demo.story import told_of


def archive_of(store: str, name: str) -> Path:
    return next(Path(store.removeprefix("file://")).glob(f"*/{name}.tar.gz"))


@pytest.fixture
def backup(run, store, server):
    made = run("create", "--server", server.url, "--store", store, "--label", "before the upgrade", "--json")
    assert made.code == 0, made.err
    return made.document


def test_create_makes_a_good_backup_and_verifies_it(backup):
    assert (backup["kind"], backup["state"], backup["vectors"]) == ("full", "good", 340)
    assert {one["name"]: one["vectors"] for one in backup["collections"]} == {"docs": 300, "notes": 40}
    assert backup["verified"]
    assert backup["label"] == "before the upgrade"


def test_json_is_one_document_on_standard_output_and_progress_goes_to_standard_error(run, store, server):
    made = run("create", "--server", server.url, "--store", store, "--json")
    assert made.out.count("\n") == 1
    assert made.document["name"]
    assert "export docs: 300 of 300 vectors" in made.err


def test_the_archive_is_an_ordinary_tar(backup, store):
    listed = subprocess.run(
        ["tar", "-tzf", archive_of(store, backup["name"])], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[-1] == "manifest.json"


def test_list_shows_every_backup_newest_first(run, store, server, backup):
    second = run("create", "--server", server.url, "--store", store, "--collection", "notes", "--json").document
    listed = run("list", "--store", store, "--json").document["backups"]
    assert [one["name"] for one in listed] == [second["name"], backup["name"]]
    assert "before the upgrade" in run("list", "--store", store).out


def test_the_demo_tells_of_a_backup_what_list_says(run, store, backup):
    (listed,) = run("list", "--store", store, "--json").document["backups"]
    assert told_of(listed).startswith(f"{backup['name']} is good: 2 collections, 340 vectors, ")


def test_a_subset_is_found_by_its_name_only(run, store, server):
    subset = run("create", "--server", server.url, "--store", store, "--collection", "notes", "--json").document
    assert run("show", "latest", "--store", store).code == 1
    assert run("show", subset["name"], "--store", store, "--json").document["whole_scope"] is False


def test_show_tells_how_each_collection_was_read(run, store, backup):
    shown = run("show", "latest", "--store", store)
    assert shown.code == 0
    assert "docs" in shown.out
    assert "euclidean" in shown.out
    assert "whole" in shown.out


def test_an_unknown_collection_is_refused_and_nothing_is_written(run, store, server):
    made = run("create", "--server", server.url, "--store", store, "--collection", "dcos", "--json")
    assert made.code == 1
    assert made.document["error"]["type"] == "UnknownCollection"
    assert "docs" in made.err
    assert run("list", "--store", store, "--json").document == {"backups": []}


@pytest.mark.parametrize("level", ["quick", "full"])
def test_verify_passes_on_a_whole_backup(run, store, backup, level):
    verified = run("verify", "latest", "--store", store, "--level", level, "--json")
    assert verified.code == 0
    assert verified.document["passed"] is True


def test_verify_finds_one_flipped_bit_and_the_backup_is_latest_no_more(run, store, backup):
    archive = archive_of(store, backup["name"])
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    archive.chmod(0o600)
    archive.write_bytes(damaged)
    verified = run("verify", "latest", "--store", store)
    assert verified.code == 1
    assert "FAILED" in verified.out
    assert run("show", "latest", "--store", store).code == 1
    assert run("show", backup["name"], "--store", store, "--json").document["verified"] is None


def test_download_gives_the_archive_and_never_overwrites(run, store, backup, tmp_path):
    file = tmp_path / "fetched.tar.gz"
    assert run("download", "latest", "--store", store, "-o", file).code == 0
    assert file.read_bytes() == archive_of(store, backup["name"]).read_bytes()
    with tarfile.open(file) as opened:
        assert "README.txt" in opened.getnames()
    assert run("download", "latest", "--store", store, "-o", file).code == 1


def test_download_refuses_to_pass_damage_on(run, store, backup, tmp_path):
    archive = archive_of(store, backup["name"])
    archive.chmod(0o600)
    archive.write_bytes(archive.read_bytes()[:-30])
    fetched = run("download", backup["name"], "--store", store, "-o", tmp_path / "fetched.tar.gz")
    assert fetched.code == 1
    assert list(tmp_path.glob("*.tar.gz")) == list(tmp_path.glob(".*.part")) == []


def test_a_copy_restores_like_the_original_and_copying_again_changes_nothing(run, store, backup, tmp_path):
    other = f"file://{tmp_path}/copies/prod"
    run("store", "init", other)
    copied = run("copy", "latest", "--store", store, "--to", other, "--json")
    assert copied.document["copied"] == backup["bytes"]
    assert run("verify", "latest", "--store", other).code == 0
    assert run("copy", "latest", "--store", store, "--to", other, "--json").document["copied"] == 0


def test_copying_needs_an_initialised_target(run, store, backup, tmp_path):
    copied = run("copy", "latest", "--store", store, "--to", f"file://{tmp_path}/nowhere")
    assert copied.code == 1
    assert "store init" in copied.err


def test_a_store_that_is_not_there_is_no_empty_catalog(run, tmp_path):
    listed = run("list", "--store", f"file://{tmp_path}/unmounted")
    assert listed.code == 1
    assert "StoreNotInitialised" in listed.err


def test_a_dead_server_is_an_error_that_names_it(run, store):
    made = run("create", "--server", "http://127.0.0.1:9", "--store", store)
    assert made.code == 1
    assert "127.0.0.1:9" in made.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--store", "file:///tmp/x"],
        ["list"],
        ["restore", "--store", "file:///tmp/x", "--server", "http://127.0.0.1:9"],
        ["verify", "latest", "--store", "file:///tmp/x", "--level", "deep"],
        ["fly"],
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    assert run(*arguments).code == 2


def test_credentials_are_no_options(run):
    for command in ("create", "restore"):
        assert "--password" not in run(command, "--help").out


def test_a_suspect_backup_fails_until_a_person_accepts_it(run, store, server):
    server.fill("scratch", 500)
    assert run("create", "--server", server.url, "--store", store).code == 0
    server.delete("scratch")
    made = run("create", "--server", server.url, "--store", store, "--json")
    assert made.code == 1
    assert made.document["state"] == "suspect"
    assert "scratch" in made.err
    accepted = run(
        "acknowledge", made.document["name"], "--why", "scratch was dropped on purpose", "--store", store, "--json"
    )
    assert accepted.document["state"] == "good"
    assert run("show", "latest", "--store", store, "--json").document["name"] == made.document["name"]
