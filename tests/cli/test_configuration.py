"""What the command line promises about the file a team edits."""

from __future__ import annotations

import pytest

DEPLOYMENTS = """
deployments:
  prod:
    tier: production
    server: {{url: {url}}}
    store: file://{folder}
    collections: {{exclude: ["notes"]}}
  typo:
    tier: importent
    server: {{url: http://localhost:15002}}
    store: file://{folder}
"""


@pytest.fixture
def configured(tmp_path, monkeypatch, server):
    file = tmp_path / "deployments.yaml"
    file.write_text(DEPLOYMENTS.format(url=server.url, folder=tmp_path / "backups"))
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(file))
    return file


def test_check_names_the_bad_entry_and_keeps_the_good_one(run, configured):
    checked = run("config", "check", "--json")
    assert checked.code == 1
    assert list(checked.document["deployments"]) == ["prod"]
    assert "importent" in checked.document["problems"]["typo"]


def test_check_passes_on_a_valid_file(run, configured):
    configured.write_text(configured.read_text().replace("importent", "development"))
    checked = run("config", "check")
    assert checked.code == 0
    assert "that much can be lost" in " ".join(checked.out.split()), (
        "a development tier with weekly fulls cannot meet its own RPO"
    )


def test_a_deployment_stands_for_server_store_and_scope(run, configured, store):
    made = run("create", "--deployment", "prod", "--json")
    assert made.code == 0, made.err
    assert [one["name"] for one in made.document["collections"]] == ["docs"]
    assert [one["name"] for one in made.document["left_out"]] == ["notes"]
    assert run("show", "latest", "--deployment", "prod").code == 0


@pytest.mark.parametrize(("name", "said"), [("typo", "importent"), ("nobody", "prod")])
def test_a_deployment_that_cannot_be_used_says_why(run, configured, name, said):
    refused = run("list", "--deployment", name)
    assert refused.code == 1
    assert said in refused.err
