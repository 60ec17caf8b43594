"""What is wrong with the configuration, as people are told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_engine.deployments import Loaded, load_deployments, read_deployments
from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.configured import WHOLE_FILE, configuration_concerns

GOOD = """
  good:
    tier: production
    server: {url: http://localhost:15002}
    store: file:///backups
"""


def concerns_of(text: str):
    return configuration_concerns(read_deployments(text))


def test_a_configuration_that_is_right_is_no_concern():
    assert concerns_of(f"deployments:{GOOD}") == {}
    assert configuration_concerns(Loaded()) == {}


def test_an_entry_that_cannot_be_used_is_that_deployments_concern_and_no_others():
    found = concerns_of(f"deployments:{GOOD}  bad:\n    tier: gold\n")
    assert list(found) == ["bad"]
    assert found["bad"].kind is ConcernKind.DEPLOYMENT_INVALID
    assert found["bad"].severity is Severity.CRITICAL
    assert found["bad"].found.startswith("The entry 'bad' of deployments.yaml cannot be used: ")
    assert found["bad"].grace_seconds == 300


@pytest.mark.parametrize("text", ["", "deployments:\n", "[", "deployment:\n  a: 1\n"])
def test_a_file_that_says_nothing_is_critical(text):
    found = concerns_of(text)
    assert found[WHOLE_FILE].kind is ConcernKind.CONFIGURATION_UNREADABLE
    assert found[WHOLE_FILE].severity is Severity.CRITICAL
    assert "no backup is made of any" in found[WHOLE_FILE].risk


def test_a_file_that_is_not_there_is_critical(tmp_path: Path):
    found = configuration_concerns(load_deployments(tmp_path / "deployments.yaml"))
    assert list(found) == [WHOLE_FILE]
    assert found[WHOLE_FILE].severity is Severity.CRITICAL
    assert "cannot be read" in found[WHOLE_FILE].found


def test_channels_that_cannot_be_read_are_the_files_concern_and_the_deployments_go_on():
    found = concerns_of(f"deployments:{GOOD}alerts: {{channels: {{ops: {{kind: pigeon}}}}}}\n")
    assert list(found) == [WHOLE_FILE]
    assert found[WHOLE_FILE].severity is Severity.WARNING
    assert "last readable configuration" in found[WHOLE_FILE].risk


def test_a_stray_key_is_told_beside_a_broken_entry():
    found = concerns_of(f"deployments:{GOOD}  bad:\n    tier: gold\nOther-Thing:\n  tier: production\n")
    assert sorted(found) == [WHOLE_FILE, "bad"]
    assert found[WHOLE_FILE].severity is Severity.WARNING
    assert "Other-Thing: it stands at the top" in found[WHOLE_FILE].found


def test_a_name_that_no_deployment_can_have_is_the_files_concern():
    found = concerns_of(f"deployments:{GOOD}  My_Prod:\n    tier: production\n")
    assert list(found) == [WHOLE_FILE]
    assert "My_Prod" in found[WHOLE_FILE].found


def test_nothing_that_stands_in_an_address_is_repeated():
    secret = "store: 's3://key:hunter2@bucket'"
    found = concerns_of(
        f"deployments:{GOOD}  bad:\n    tier: production\n    server: {{url: http://a}}\n    {secret}\n"
    )
    assert "hunter2" not in str(found)
