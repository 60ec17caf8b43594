"""What the command line promises about the places where backups lie."""

from __future__ import annotations

import pytest

from backup_engine.cli.places import open_root
from backup_engine.storage.local import LocalStore


def test_init_takes_the_deployment_from_the_roots_last_part(run, tmp_path):
    made = run("store", "init", f"{(tmp_path / 'a' / 'prod').as_uri()}/?shared=yes", "--json").document
    assert made["deployment"] == "prod"
    assert made["store"] == (tmp_path / "a" / "prod").as_uri()
    assert run("store", "init", (tmp_path / "b").as_uri(), "--deployment", "prod", "--json").document["store_id"]


def test_init_of_a_cloud_store_that_cannot_be_reached_is_an_error_that_names_it(run, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setattr("backup_engine.storage.s3.opening.ATTEMPTS", 1)
    made = run("store", "init", "s3://bucket/prod")
    assert made.code == 1
    assert "s3://bucket" in made.err
    assert "hidden" not in made.err


def test_check_finds_a_good_place_good_and_leaves_nothing(run, tmp_path):
    (tmp_path / "new").mkdir()
    checked = run("store", "check", (tmp_path / "new").as_uri(), "--json")
    assert checked.code == 0, checked.err
    document = checked.document
    assert document["missing"] == 0
    assert {finding["level"] for finding in document["findings"]} == {"ok", "note"}
    assert list(LocalStore(tmp_path / "new").list("")) == []


def test_check_fails_on_what_is_missing_and_says_what_to_do(run, tmp_path):
    checked = run("store", "check", (tmp_path / "unmounted").as_uri())
    assert checked.code == 1
    assert "MISSING" in checked.out
    assert "mount it" in " ".join(checked.out.split())


@pytest.mark.parametrize("url", ["ftp://host", "backups", "s3://user:hidden@bucket"])
def test_an_address_that_names_no_place_is_refused(run, url):
    for command in ("init", "check"):
        refused = run("store", command, url)
        assert refused.code == 1
        assert "InvalidInput" in refused.err
        assert "hidden" not in refused.err


def test_a_connection_in_an_address_is_ignored_and_that_is_said_once(run, monkeypatch, capsys):
    monkeypatch.setattr("backup_engine.cli.places.open_store", lambda url: url)
    run("--version")
    capsys.readouterr()
    for _ in range(3):
        open_root("s3://aws_default@bucket/prod")
    assert capsys.readouterr().err.count("aws_default@ in an address is a connection of Airflow and ignored here") == 1
    open_root("s3://bucket/prod")
    assert capsys.readouterr().err == ""
