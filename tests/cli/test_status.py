"""What `vectorizer-backup status` promises: one page that says how every deployment stands, and an exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

WIDTH = 168
PROD = """
  prod:
    tier: production
    server: {{url: {url}}}
    store: {base}/primary
    copies: [{base}/near, {base}/far]
"""
TYPO = """
  typo:
    tier: importent
    server: {url: http://localhost:15002}
    store: file:///nowhere
"""
NOWHERE = "http://127.0.0.1:9"


class Configured:
    """deployments.yaml and the folder where its stores lie."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self.url = url
        self.file = path / "deployments.yaml"
        self.write()

    def write(self, *others: str, url: str | None = None) -> None:
        prod = PROD.format(url=url or self.url, base=self.path.as_uri())
        self.file.write_text("deployments:" + "".join([prod, *others]))

    def root(self, base: str) -> str:
        return (self.path / base / "prod").as_uri()


@pytest.fixture
def configured(tmp_path, monkeypatch, server, run):
    made = Configured(tmp_path, server.url)
    monkeypatch.setenv("VECTORIZER_BACKUP_CONFIG", str(made.file))
    for base in ("primary", "near", "far"):
        assert run("store", "init", made.root(base)).code == 0
    return made


@pytest.fixture
def backed_up(configured, run):
    """One good backup, in the primary and in both copies."""
    assert run("create", "--deployment", "prod").code == 0
    assert run("sync", "--deployment", "prod").code == 0
    return configured


def made_long_ago(configured) -> None:
    """Let the stores be old enough that backups must have come."""
    for base in ("primary", "near", "far"):
        identity = configured.path / base / "prod" / "store.json"
        made = json.loads(identity.read_text()) | {"created_at": "2026-01-01T00:00:00Z"}
        identity.chmod(0o600)
        identity.write_text(json.dumps(made))


def cells(out: str, name: str) -> str:
    return next(line for line in out.splitlines() if line.startswith(name))


def metrics(text: str):
    families = text_string_to_metric_families(text)
    return {(one.name, one.labels.get("place", "")): one.value for family in families for one in family.samples}


def test_a_deployment_with_a_fresh_backup_everywhere_is_well(run, backed_up):
    shown = run("status")
    assert shown.code == 0, shown.out
    row = cells(shown.out, "prod")
    assert "production" in row
    assert "2 of 2 up to date" in row
    assert "never" in row, "it was never restored"
    assert max(map(len, shown.out.splitlines())) <= WIDTH


def test_the_document_holds_the_whole_judgement(run, backed_up):
    shown = run("status", "--json")
    assert shown.code == 0
    assert shown.document["well"] is True
    protection = shown.document["deployments"]["prod"]["protection"]
    assert protection["fresh"] == protection["newest"] is not None
    assert protection["vectors"] == 340
    assert [place["behind"] for place in protection["places"]] == [0, 0, 0]


def test_before_the_first_backup_everything_would_be_lost_and_the_exit_code_says_so(run, configured):
    made_long_ago(configured)
    shown = run("status")
    assert shown.code == 1
    row = cells(shown.out, "prod")
    assert "all is lost" in row
    assert "none" in row
    assert "2 without backup" in row
    assert "critical" in shown.out
    assert "full_backup" in shown.out or "create" in shown.out, "it says what to do"


def test_a_copy_that_lacks_the_newest_backup_is_not_counted_as_up_to_date(run, backed_up):
    shutil.rmtree(backed_up.path / "near")
    assert run("store", "init", backed_up.root("near")).code == 0
    shown = run("status")
    assert "1 of 2 up to date" in cells(shown.out, "prod")


def test_with_the_server_and_the_primary_gone_the_copies_still_say_how_old_the_newest_point_is(run, backed_up):
    shutil.rmtree(backed_up.path / "primary")
    backed_up.write(url=NOWHERE)
    shown = run("status")
    assert shown.code == 1
    row = cells(shown.out, "prod")
    assert "all is lost" not in row
    assert "ago" in row
    assert NOWHERE in shown.out.replace("\n", "")


def test_with_everything_gone_it_says_unknown_and_not_lost(run, backed_up):
    for base in ("primary", "near", "far"):
        shutil.rmtree(backed_up.path / base)
    backed_up.write(url=NOWHERE)
    shown = run("status")
    assert shown.code == 1
    assert cells(shown.out, "prod").count("unknown") == 5
    assert "0 of 2 answer" in cells(shown.out, "prod")
    assert "all is lost" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= WIDTH


def test_an_invalid_entry_is_shown_beside_the_others_and_is_a_reason_to_worry(run, backed_up):
    backed_up.write(TYPO)
    shown = run("status", "--json")
    assert shown.code == 1
    assert {one["severity"] for one in shown.document["deployments"]["prod"]["concerns"]} == {"note"}
    assert "importent" in shown.document["not_judged"]["typo"]["found"]
    table = run("status")
    assert "INVALID" in cells(table.out, "typo")
    assert "up to date" in cells(table.out, "prod")
    assert "importent" in table.out
    assert run("status", "--deployment", "prod").code == 0, "whoever asks for one is told of that one"
    assert run("status", "--deployment", "typo").code == 1


def test_a_file_that_cannot_be_read_is_said_and_is_no_crash(run, backed_up):
    backed_up.file.unlink()
    shown = run("status")
    assert shown.code == 1
    assert "No deployments." in shown.out
    assert "deployments.yaml" in shown.out


def test_a_name_that_is_not_there_is_refused_with_those_that_are(run, configured):
    refused = run("status", "--deployment", "prodd")
    assert refused.code == 1
    assert "'prodd'" in refused.err
    assert "it has: prod" in refused.err


def test_what_is_wrong_is_shown_worst_first_with_what_to_do(run, configured):
    lines = run("status").out.splitlines()
    heading = next(number for number, line in enumerate(lines) if line.startswith("severity"))
    assert "what to do" in lines[heading]
    ranks = {"critical": 0, "warning": 1, "note": 2}
    told = [ranks[word] for line in lines[heading + 1 :] if (word := line.split(" ")[0]) in ranks]
    assert told
    assert told == sorted(told)


def test_metrics_come_out_as_prometheus_reads_them_and_say_nothing_of_airflow(run, backed_up):
    shown = run("status", "--prometheus")
    assert shown.code == 0
    told = metrics(shown.out)
    assert told["vectorizer_backup_restorable", ""] == 1
    assert told["vectorizer_backup_newest_good_vectors", ""] == 340
    assert told["vectorizer_backup_place_backups", backed_up.root("near")] == 1
    assert not [name for name, _ in told if "failures" in name or "age_seconds" in name]


def test_a_metrics_file_is_written_also_when_something_is_wrong(run, configured, tmp_path):
    file = tmp_path / "vectorizer_backup.prom"
    made_long_ago(configured)
    shown = run("status", "--metrics-file", file)
    assert shown.code == 1
    assert "all is lost" in shown.out
    told = metrics(file.read_text())
    assert told["vectorizer_backup_restorable", ""] == 0
    assert ("vectorizer_backup_newest_good_timestamp_seconds", "") not in told


def test_a_metrics_file_that_cannot_be_written_is_an_error_that_names_it(run, backed_up, tmp_path):
    refused = run("status", "--metrics-file", tmp_path / "no" / "m.prom")
    assert refused.code == 1
    assert "no/m.prom" in refused.err


def test_two_documents_on_one_output_are_refused(run, configured):
    assert run("status", "--json", "--prometheus").code == 2
