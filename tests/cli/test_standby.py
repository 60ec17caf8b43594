"""A standby as a person meets it: two servers over HTTP, one store, one configuration file."""

from __future__ import annotations

import pytest
import requests

from sandbox.process import SandboxProcess
from tests.cli.conftest import Vectorizer

ENTRY = """
deployments:
  production:
    tier: critical
    server: {{url: "{first}"}}
    standby: {{connection: vectorizer_standby, url: "{second}"}}
    store: "file://{path}/backups"
"""


@pytest.fixture
def servers(tmp_path, run, monkeypatch):
    """The first server with two collections, the empty second one, a store, and the file that names them."""
    with SandboxProcess(tmp_path / "one") as one, SandboxProcess(tmp_path / "two") as two:
        first, second = Vectorizer(one.url), Vectorizer(two.url)
        first.fill("docs", 300)
        first.fill("notes", 40, metric="Cosine")
        configure(tmp_path, monkeypatch, first.url, second.url)
        assert run("store", "init", f"file://{tmp_path}/backups/production").code == 0
        yield first, second


def configure(path, monkeypatch, first: str, second: str) -> None:
    file = path / "deployments.yaml"
    file.write_text(ENTRY.format(first=first, second=second, path=path), encoding="utf-8")
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(file))


def create(run, *options: str) -> str:
    outcome = run("create", "--deployment", "production", "--json", *options)
    assert outcome.code == 0, outcome.err
    return str(outcome.document["name"])


def standby(run, command: str, *options: str):
    return run("standby", command, "--deployment", "production", "--json", *options)


def erase(server: Vectorizer, collection: str, *ids: str) -> None:
    body = {"collection": collection, "ids": list(ids)}
    assert requests.post(f"{server.url}/batch_delete", json=body, timeout=10).ok


def near(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        one[key][1] == other[key][1] and one[key][0] == pytest.approx(other[key][0], abs=0.01) for key in one
    )


def test_every_increment_comes_to_the_standby(servers, run):
    first, second = servers
    create(run)
    loaded = standby(run, "apply")
    assert loaded.code == 0, loaded.err
    assert {one["action"] for one in loaded.document["collections"]} == {"load"}
    assert second.names() == {"docs": 300, "notes": 40}

    first.write("docs", [("new", [0.5] * 16), ("r1", [0.25, *[0.5] * 15])])
    erase(first, "docs", "r7", "r8")
    newest = create(run, "--incremental")
    waiting = standby(run, "status")
    assert (waiting.document["waiting"], waiting.document["newest"]) == (1, newest)
    plan = standby(run, "apply", "--dry-run")
    assert {one["name"]: one["action"] for one in plan.document["changes"]} == {"docs": "apply", "notes": "keep"}
    assert "new" not in second.content("docs")

    applied = standby(run, "apply").document
    docs = next(one for one in applied["collections"] if one["name"] == "docs")
    assert (docs["action"], docs["upserts"], docs["deletions"]) == ("apply", 2, 2)
    assert near(first.content("docs"), second.content("docs"))
    compared = standby(run, "compare")
    assert (compared.code, compared.document["compared"]) == (0, 339)
    assert standby(run, "apply").document["already"]


def test_what_was_lost_on_the_standby_is_found_and_loaded_anew(servers, run):
    _, second = servers
    create(run)
    assert standby(run, "apply").code == 0
    erase(second, "docs", "r5")
    compared = standby(run, "compare")
    assert compared.code == 1
    assert "'docs'" in compared.document["problems"][0]
    refused = standby(run, "apply")
    assert refused.code == 1
    assert "--repair" in refused.err
    assert standby(run, "apply", "--repair").code == 0
    assert standby(run, "compare").code == 0


def test_failover_and_back(servers, run, tmp_path, monkeypatch):
    first, second = servers
    create(run)
    assert standby(run, "apply").code == 0
    plan = standby(run, "failover")
    assert plan.document["standby_url"] == second.url
    assert standby(run, "status").document["known"]["promoted"] is None
    assert standby(run, "failover", "--promote", "--yes").code == 0
    refused = standby(run, "apply")
    assert refused.code == 1
    assert "promoted" in refused.err

    second.write("docs", [("after", [0.5] * 16)])
    configure(tmp_path, monkeypatch, second.url, first.url)
    entry = (tmp_path / "deployments.yaml").read_text(encoding="utf-8")
    (tmp_path / "deployments.yaml").write_text(entry.replace("vectorizer_standby", "vectorizer_old"), encoding="utf-8")
    early = standby(run, "rejoin", "--yes")
    assert early.code == 1
    assert "itself" in early.err
    create(run)
    shown = standby(run, "rejoin", "--dry-run")
    assert {one["action"] for one in shown.document["changes"]} == {"align"}
    assert "after" not in first.content("docs")
    rejoined = standby(run, "rejoin", "--yes")
    assert rejoined.code == 0, rejoined.err
    assert near(first.content("docs"), second.content("docs"))
    assert standby(run, "compare").code == 0


def test_a_deployment_without_a_standby_is_told_what_to_write(servers, run, tmp_path, monkeypatch):
    file = tmp_path / "deployments.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(line for line in lines if "standby:" not in line), encoding="utf-8")
    outcome = standby(run, "status")
    assert outcome.code == 1
    assert "standby: {connection" in outcome.err
