"""What the command line promises about retention: it shows first, asks, deletes what is due, and no more."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup_engine.lease import acquire
from backup_engine.model import system_clock
from backup_engine.pruning.executing import LEASE
from backup_engine.storage.identity import init_store
from backup_engine.storage.local import LocalStore
from tests.engine.captures import STORE_ID, Time, capture
from tests.engine.memory_server import MemoryServer

DAYS = 9
SLOTS = "3d/0w/0m"
DEPLOYMENTS = """
deployments:
  production:
    tier: production
    server: {{url: "http://localhost:1"}}
    store: {base}/primary
    copies: [{base}/copy]
    retention: {{daily: 3, weekly: 0, monthly: 1, floor: 1h, copies: {{daily: 5, weekly: 0, monthly: 1}}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A store with a full of each of nine days, made once."""
    path = tmp_path_factory.mktemp("made") / "primary" / "production"
    now = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0)
    clock = Time(now - timedelta(days=DAYS))
    store, server = LocalStore(path), MemoryServer(clock=clock)
    init_store(store, "production", clock, lambda: STORE_ID)
    for day in range(DAYS):
        server.fill("docs", 10, first=10 * day, dimension=4)
        capture(server, store, clock, f"day {day}")
        clock.pass_by(days=1)
    return path


@pytest.fixture
def place(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "primary" / "production")
    return tmp_path


def url(place: Path, base: str = "primary") -> str:
    return (place / base / "production").as_uri()


def names(place: Path, base: str = "primary") -> list[str]:
    found = (place / base / "production").glob("*/backup-*.tar.gz")
    return sorted(path.name.removesuffix(".tar.gz") for path in found)


@pytest.fixture
def deployment(place, run, monkeypatch) -> str:
    file = place / "deployments.yaml"
    file.write_text(DEPLOYMENTS.format(base=place.as_uri()), encoding="utf-8")
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(file))
    assert run("store", "init", url(place, "copy"), "--deployment", "production").code == 0
    assert run("sync", "--deployment", "production").code == 0
    return "production"


def test_a_dry_run_says_why_each_stays_or_goes_and_touches_nothing(place, run):
    before = names(place)
    outcome = run("prune", "--store", url(place), "--policy", SLOTS, "--dry-run", "--json")
    document = outcome.document
    assert outcome.code == 0
    assert names(place) == before
    assert document["report"] is None
    assert {one["name"] for one in document["keep"]} | {one["name"] for one in document["delete"]} == set(before)
    assert all(one["reasons"] for one in document["keep"])
    assert all(one["reason"] for one in document["delete"])
    assert len(document["delete"]) == DAYS - 3
    assert document["quarantine"] == []
    assert document["bytes"]["freed"] > 0


def test_the_table_is_one_that_a_person_can_read(place, run):
    shown = run("prune", "--store", url(place), "--policy", SLOTS, "--dry-run").out
    assert "first full of" in shown
    assert "(day 1 of 3)" in shown
    assert "stands for no day, week or month of 3d/0w/0m" in shown
    assert "Ages are counted back from the newest good backup" in shown


def test_what_is_due_goes_and_the_newest_still_verifies(place, run):
    outcome = run("prune", "--store", url(place), "--policy", SLOTS, "--yes")
    assert outcome.code == 0, outcome.err
    assert len(names(place)) == 3
    assert "6 backups deleted" in outcome.out
    assert run("verify", "latest", "--store", url(place)).code == 0
    again = run("prune", "--store", url(place), "--policy", SLOTS, "--yes", "--json").document
    assert again["delete"] == []
    assert again["report"]["deleted"] == []


def test_without_a_terminal_nothing_is_deleted_unasked(place, run, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda _: False)
    outcome = run("prune", "--store", url(place), "--policy", SLOTS)
    assert outcome.code == 1
    assert "give --yes" in outcome.err
    assert len(names(place)) == DAYS


def test_a_pin_outlives_a_pruning_until_it_is_taken_off(place, run):
    oldest = run("list", "--store", url(place), "--json").document["backups"][-1]["name"]
    until = f"{datetime.now(UTC) + timedelta(days=400):%Y-%m-%d}"
    pinned = run("pin", oldest, "--store", url(place), "--until", until, "--why", "audit", "--json")
    assert pinned.document["until"].startswith(until)
    assert run("prune", "--store", url(place), "--policy", SLOTS, "--yes").code == 0
    assert oldest in names(place)
    assert run("unpin", oldest, "--store", url(place)).code == 0
    assert run("prune", "--store", url(place), "--policy", SLOTS, "--yes").code == 0
    assert oldest not in names(place)
    assert "is not pinned" in run("unpin", "latest", "--store", url(place)).err


@pytest.mark.parametrize(
    ("until", "why", "said"),
    [
        ("2020-01-01", "audit", "has ended already"),
        ("tomorrow", "audit", "no day like 2027-12-31"),
        ("2099-01-01T12:00:00", "audit", "names no time zone"),
        ("2099-01-01", " ", "say why it is pinned"),
    ],
)
def test_a_pin_that_makes_no_sense_is_refused(place, run, until, why, said):
    outcome = run("pin", "latest", "--store", url(place), "--until", until, "--why", why)
    assert outcome.code in {1, 2}
    assert said in " ".join(outcome.err.replace("│", " ").split())


def test_a_deployment_prunes_its_copies_after_the_primary_by_their_own_policy(place, deployment, run):
    refused = run("prune", "--deployment", deployment, "--yes", "--json")
    assert refused.code == 1
    assert "a person has to agree first, with --approve" in refused.err  # 5 of 9 are more than 30 %
    assert len(names(place)) == DAYS
    outcome = run("prune", "--deployment", deployment, "--approve", "--json")
    assert outcome.code == 0, outcome.err
    kept = set(names(place))
    assert len(kept) in {3, 4}  # the month's first full may be one of the three
    assert kept <= set(names(place, "copy"))
    assert len(names(place, "copy")) in {5, 6}
    assert [one["store"] for one in outcome.document["copies"]] == [url(place, "copy")]
    assert run("sync", "--deployment", deployment).code == 0
    assert set(names(place)) == kept, "the sync brought back what was pruned"


def test_a_question_without_a_terminal_names_the_option_that_answers_it(place, deployment, run, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda _: False)
    outcome = run("prune", "--deployment", deployment)
    assert outcome.code == 1
    assert "with --approve" in outcome.err
    assert "--yes" not in outcome.err
    assert len(names(place)) == DAYS


def test_a_copy_that_somebody_else_prunes_is_told_beside_what_the_primary_came_to(place, deployment, run):
    copy = LocalStore(place / "copy" / "production")
    with acquire(copy, LEASE, "another run", timedelta(minutes=5), system_clock):
        outcome = run("prune", "--deployment", deployment, "--approve", "--json")
    assert outcome.code == 1
    assert len(outcome.document["report"]["deleted"]) == DAYS - len(names(place)) > 0
    assert outcome.document["copies"] == []
    assert "another run" in " ".join(outcome.document["problems"])
    assert len(names(place, "copy")) == DAYS


def test_a_copy_is_left_alone_while_the_primary_is_gone(place, deployment, run):
    shutil.rmtree(place / "primary")
    outcome = run("prune", "--deployment", deployment, "--approve")
    assert outcome.code == 1
    assert "nothing is deleted" in outcome.err
    assert len(names(place, "copy")) == DAYS


def test_a_backup_that_no_copy_has_is_asked_about(place, deployment, run):
    oldest = run("list", "--store", url(place), "--json").document["backups"][-2]["name"]
    for path in (place / "copy" / "production").glob(f"*/{oldest}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    document = run("prune", "--deployment", deployment, "--dry-run", "--json").document
    asked = [one for one in document["delete"] if one["asks"]]
    assert [one["name"] for one in asked] == [oldest]
    assert "it would be gone for good there" in asked[0]["asks"]


def test_a_policy_of_a_deployment_is_not_given_twice(deployment, run):
    assert run("prune", "--deployment", deployment, "--policy", SLOTS).code == 2


def test_a_simulation_tells_how_many_how_large_and_how_far_back(run, tmp_path):
    picture = tmp_path / "retention.svg"
    arguments = ("--policy", "10d/4w/2m", "--years", "1", "--full-size", "2GB", "--increment-size", "20MB")
    document = run("retention", "simulate", *arguments, "--json").document
    last = document["samples"][-1]
    assert last["fulls"] <= 10 + 4 + 2 + 30  # and the bases of thirty days' increments
    assert last["bytes"] == last["fulls"] * 2 * 10**9 + last["incrementals"] * 2 * 10**7
    assert document["bands"][0]["age"] == "the last day"
    assert document["bands"][0]["largest_gap"] == 3600
    shown = run("retention", "simulate", *arguments, "--tier", "development", "--svg", picture).out
    assert "█" in shown
    assert "points in time" in shown
    assert picture.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    "wrong", [("--policy", "30d"), ("--full-size", "big"), ("--years", "0"), ("--policy", "0d/0w/0m")]
)
def test_a_simulation_of_nonsense_is_refused(run, wrong):
    assert run("retention", "simulate", *wrong).code == 2


def test_a_simulation_takes_the_sizes_of_a_deployment(deployment, place, run):
    document = json.loads(run("retention", "simulate", "--deployment", deployment, "--years", "1", "--json").out)
    newest = run("list", "--store", url(place), "--json").document["backups"][0]["bytes"]
    last = document["samples"][-1]
    assert document["slots"] == "3d/0w/1m"
    assert (last["bytes"] - last["incrementals"] * 10_000_000) == last["fulls"] * newest
