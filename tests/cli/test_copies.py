"""What the command line promises about copies: bringing them up to date, and reading from them in an emergency."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

DEPLOYMENTS = """
deployments:
  prod:
    tier: production
    server: {{url: {url}}}
    store: {base}/primary
    copies: [{base}/near, {base}/far]
  alone:
    tier: production
    server: {{url: {url}}}
    store: {base}/alone
"""


@dataclass(frozen=True)
class Places:
    """A deployment's three stores."""

    path: Path
    name: str

    @property
    def primary(self) -> str:
        return self.url("primary")

    def url(self, base: str) -> str:
        return (self.path / base / "prod").as_uri()

    def archive(self, base: str) -> Path:
        return next((self.path / base / "prod").glob(f"*/{self.name}.tar.gz"))

    def burn_down(self, base: str) -> None:
        shutil.rmtree(self.path / base)

    def flip(self, base: str) -> None:
        archive = self.archive(base)
        damaged = bytearray(archive.read_bytes())
        damaged[len(damaged) // 3] ^= 1
        archive.chmod(0o600)
        archive.write_bytes(damaged)


@pytest.fixture(scope="module")
def made(tmp_path_factory, server):
    """A primary with one backup and two empty copies, made once: it is moved to a fresh place for each test."""
    import sys

    from backup_engine.cli.main import main

    path = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        for base in ("primary", "near", "far"):
            patch.setattr(sys, "argv", ["vectorizer-backup", "store", "init", (path / base / "prod").as_uri()])
            with pytest.raises(SystemExit):
                main()
        create = ["create", "--server", server.url, "--store", (path / "primary" / "prod").as_uri()]
        patch.setattr(sys, "argv", ["vectorizer-backup", *create])
        with pytest.raises(SystemExit):
            main()
    return path, next((path / "primary" / "prod").glob("*/*.tar.gz")).name.removesuffix(".tar.gz")


@pytest.fixture
def places(made, tmp_path, monkeypatch, server):
    path, name = made
    shutil.copytree(path, tmp_path / "stores")
    file = tmp_path / "deployments.yaml"
    file.write_text(DEPLOYMENTS.format(url=server.url, base=(tmp_path / "stores").as_uri()))
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(file))
    return Places(tmp_path / "stores", name)


def synced(run, *arguments):
    done = run("sync", "--deployment", "prod", *arguments, "--json")
    return done.code, done.document, done.err


# ------------------------------------------------------------------ copy and sync


def test_a_copy_is_written_down_beside_the_original(run, places):
    copied = run("copy", "latest", "--deployment", "prod", "--to", places.url("near"), "--json").document
    assert copied["copied"] == copied["compared"] == copied["bytes"]
    shown = run("show", "latest", "--store", places.primary, "--json").document
    assert [one["to"] for one in shown["copies"]] == [places.url("near")]
    assert places.url("near") in run("show", "latest", "--store", places.primary).out.replace("\n", "")
    assert run("copy", "latest", "--deployment", "prod", "--to", places.url("near"), "--json").document["copied"] == 0


def test_sync_brings_every_copy_up_to_date_and_then_has_nothing_to_do(run, places):
    code, document, err = synced(run)
    assert code == 0, err
    assert [(step["backup"], step["action"], step["problem"]) for step in document["steps"]] == [
        (places.name, "copy", None)
    ] * 2
    assert "copy backup-" in err
    code, document, _ = synced(run)
    assert (code, document["steps"], document["conflicts"]) == (0, [], [])
    for base in ("near", "far"):
        assert run("verify", "latest", "--store", places.url(base)).code == 0


def test_a_dry_run_shows_sizes_and_reasons_and_brings_nothing(run, places):
    shown = run("sync", "--deployment", "prod", "--dry-run")
    assert shown.code == 0
    assert "it is missing there" in " ".join(shown.out.split())
    assert "2 steps" in shown.out
    assert run("list", "--store", places.url("near"), "--json").document == {"backups": []}


def test_addresses_can_be_given_instead_of_a_deployment(run, places):
    done = run("sync", "--store", places.primary, "--copy", places.url("far"), "--json")
    assert (done.code, len(done.document["steps"])) == (0, 1)


def test_a_copy_that_is_gone_is_said_and_the_other_gets_its_share(run, places):
    places.burn_down("near")
    code, document, err = synced(run)
    assert (code, document["gone"]) == (1, [places.url("near")])
    assert "is gone, and gets nothing now" in err
    assert run("show", "latest", "--store", places.url("far")).code == 0


def test_a_lost_primary_is_rebuilt_from_a_copy(run, places):
    synced(run)
    places.burn_down("primary")
    code, document, err = synced(run, "--direction", "back")
    assert (code, document["error"]["type"]) == (1, "StoreNotInitialised")
    assert "store init" in err
    run("store", "init", places.primary)
    code, document, err = synced(run, "--direction", "back")
    assert code == 0, err
    assert [step["source"] for step in document["steps"]] == [places.url("near")]
    assert run("verify", "latest", "--store", places.primary).code == 0
    assert [step["action"] for step in synced(run)[1]["steps"]] == ["records"], "the other copy is compared with it"
    assert synced(run)[1]["steps"] == []


def test_a_damaged_copy_is_repaired(run, places):
    synced(run)
    places.flip("far")
    assert run("verify", "latest", "--store", places.url("far")).code == 1
    code, document, _ = synced(run)
    assert (code, [step["action"] for step in document["steps"]]) == (0, ["repair"])
    assert run("show", "latest", "--store", places.url("far"), "--json").document["verified"]


def test_another_backup_under_the_same_name_is_a_conflict_and_stays(run, places, server):
    run("create", "--server", server.url, "--store", places.url("near"))
    code, document, err = synced(run)
    assert code == 1
    assert "CONFLICT" in err
    assert len(document["conflicts"]) == 1
    assert run("verify", "latest", "--store", places.url("near")).code == 0


def test_what_cannot_be_brought_fails_the_command_and_is_in_the_table(run, places):
    places.flip("primary")
    done = run("sync", "--deployment", "prod")
    assert done.code == 1
    assert "FAILED" in done.out
    assert "DamagedArchive" in done.err


def test_a_deployment_without_copies_is_told_how_to_get_some(run, places):
    refused = run("sync", "--deployment", "alone")
    assert refused.code == 1
    assert "`copies`" in refused.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--store", "file:///a"],
        ["--deployment", "prod", "--copy", "file:///b"],
        ["--deployment", "prod", "--store", "file:///a", "--copy", "file:///b"],
        ["--deployment", "prod", "--direction", "sideways"],
    ],
)
def test_sync_needs_to_know_between_which_places(run, places, arguments):
    assert run("sync", *arguments).code == 2


# ------------------------------------------------------------------ the primary is gone


@pytest.fixture
def lost(run, places):
    """Its backup lies in the second copy only."""
    assert run("copy", "latest", "--deployment", "prod", "--to", places.url("far")).code == 0
    places.burn_down("primary")
    return places


SAID = "the primary file://"


def test_every_command_that_reads_goes_on_from_a_copy_and_says_so(run, lost, tmp_path):
    file = tmp_path / "fetched.tar.gz"
    for arguments in (["download", "latest", "-o", file], ["restores"], ["list"]):
        done = run(*arguments, "--deployment", "prod")
        assert done.code == 0, done.err
        assert SAID in done.err
        assert "is gone" in done.err
        assert "; reading from file://" in done.err
    assert file.read_bytes() == lost.archive("far").read_bytes()


def test_a_copy_that_answers_and_is_empty_is_read_by_list_and_passed_over_by_name(run, lost):
    assert run("list", "--deployment", "prod", "--json").document == {"backups": []}
    for command in ("show", "verify"):
        assert run(command, lost.name, "--deployment", "prod").code == 0


def test_a_named_store_is_exactly_that_one(run, lost):
    listed = run("list", "--store", lost.primary)
    assert listed.code == 1
    assert "StoreNotInitialised" in listed.err


def test_a_backup_is_made_in_the_primary_only(run, lost):
    made = run("create", "--deployment", "prod")
    assert made.code == 1
    assert "StoreNotInitialised" in made.err
    assert run("list", "--store", lost.url("near"), "--json").document == {"backups": []}


def test_complete_loss_of_server_and_primary_is_restored_from_a_copy(run, lost, server):
    content = server.content("notes")
    server.delete("notes")
    restored = run("restore", "latest", "--deployment", "prod", "--collection", "notes", "--json")
    assert restored.code == 0, restored.err
    assert SAID in restored.err
    assert server.content("notes").keys() == content.keys()
    assert (lost.path / "far" / "prod" / "leases" / "restore.json").exists() is False
    assert (lost.path / "near" / "prod" / "leases" / "restore.json").exists(), "the first that answers has the lease"
    journals = [*(lost.path / "far" / "prod" / ".staging").glob("restore-*")]
    assert len(journals) == 1, "the journal is where the backup was read"


def test_a_restore_from_a_copy_is_listed_and_undone_when_the_primary_is_back(run, places, server):
    run("copy", "latest", "--deployment", "prod", "--to", places.url("far"))
    places.path.joinpath("primary").rename(places.path / "unplugged")
    server.write("docs", [("r1", [9.0] * 16)])
    before = server.content("docs")
    arguments = ("--collection", "docs", "--mode", "replace", "--yes", "--json")
    restored = run("restore", "latest", "--deployment", "prod", *arguments)
    assert restored.code == 0, restored.err
    places.path.joinpath("unplugged").rename(places.path / "primary")
    [known] = run("restores", "--deployment", "prod", "--json").document["restores"]
    undone = run("undo", known["restore_id"], "--deployment", "prod", "--yes", "--json")
    assert undone.code == 0, undone.err
    assert server.content("docs") == before
    assert (places.path / "primary" / "prod" / "leases" / "restore.json").exists(), "captures look there again"
    assert run("release", known["restore_id"], "--deployment", "prod").code == 0
    run("restore", "latest", "--deployment", "prod", *arguments)
    run("release", "--older-than", "0s", "--deployment", "prod")
    assert set(server.names()) == {"docs", "notes"}


def test_a_backup_that_is_damaged_in_the_primary_is_restored_from_a_copy(run, places, server):
    run("copy", "latest", "--deployment", "prod", "--to", places.url("near"))
    places.flip("primary")
    assert run("verify", "latest", "--deployment", "prod").code == 1, "verify looks at the primary's own"
    server.delete("notes")
    restored = run("restore", places.name, "--deployment", "prod", "--collection", "notes", "--json")
    assert restored.code == 0, restored.err
    assert "is passed over" in restored.err


def test_when_all_are_gone_each_is_named(run, lost):
    lost.burn_down("near")
    lost.burn_down("far")
    listed = run("list", "--deployment", "prod", "--json")
    assert (listed.code, listed.document["error"]["type"]) == (1, "StoreUnavailable")
    for base in ("primary", "near", "far"):
        assert lost.url(base) in listed.err


def test_what_is_nowhere_names_every_place_that_was_asked(run, places):
    shown = run("download", "backup-19990101", "--deployment", "prod", "-o", places.path / "x")
    assert shown.code == 1
    for base in ("primary", "near", "far"):
        assert places.url(base) in shown.err
