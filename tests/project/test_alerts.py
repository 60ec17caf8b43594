"""What files and pages say about alerts is what the product reads."""

import json
import re
import shlex
import sys

import pytest
import yaml

from backup_engine.alerts.settings import CHANNEL_KINDS, AlertSettings
from backup_engine.deployments import read_deployments
from tests.project import repository

CONFIGURATION = (repository.ROOT / "include/deployments.yaml").read_text(encoding="utf-8")
PAGE = (repository.ROOT / "docs/alerts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^airflow connections add .*$", PAGE, re.MULTILINE)
COMMENTS = "\n".join(line for line in CONFIGURATION.splitlines() if line.startswith("#"))
PARSE = """
import json, sys
from airflow.cli.cli_parser import get_parser
for command in json.loads(sys.argv[1]):
    parsed = vars(get_parser().parse_args(command))
    print(json.dumps({name: value for name, value in parsed.items() if name.startswith("conn")}))
"""


def keys() -> set[str]:
    return set(AlertSettings.model_fields) | {name for kind in CHANNEL_KINDS.values() for name in kind.model_fields}


def uncommented(text: str) -> str:
    """The file with its example switched on."""
    (example,) = re.findall(r"^# alerts:\n(?:#  .*\n)+", text, re.MULTILINE)
    return text.replace(example, re.sub(r"^# ", "", example, flags=re.MULTILINE))


def test_the_file_s_example_can_be_switched_on() -> None:
    loaded = read_deployments(uncommented(CONFIGURATION))
    assert loaded.problems == {}
    assert loaded.alerts is not None
    assert {channel.kind for channel in loaded.alerts.channels.values()} == {"mail", "slack", "pagerduty"}
    assert loaded.alerts.heartbeat is not None


def test_an_example_that_cannot_be_read_would_be_found() -> None:
    assert read_deployments(uncommented(CONFIGURATION.replace("kind: slack", "kind: slak"))).problems


@pytest.mark.parametrize("key", sorted(keys()))
def test_the_file_explains_every_key(key: str) -> None:
    assert re.search(rf"^#\s+(?:\S+, )?{key}\b", COMMENTS, re.MULTILINE) or f" {key}: what it is made with" in COMMENTS


@pytest.mark.parametrize("kind", sorted(CHANNEL_KINDS))
def test_every_kind_is_named_in_the_file_and_shown_on_the_page(kind: str) -> None:
    assert re.search(rf"\b{kind}\b", COMMENTS)
    assert any(re.search(rf"kind: {kind}\b", example) for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_page_shows_can_be_read(example: str) -> None:
    settings = AlertSettings.model_validate(yaml.safe_load(example)["alerts"])
    assert settings.channels
    for deployment in (yaml.safe_load(example).get("deployments") or {}).values():
        assert set(deployment["alerts"]) <= set(settings.channels)


def test_every_connection_that_the_page_shows_is_added_by_a_command_airflow_understands() -> None:
    shown = [channel for text in EXAMPLES for channel in yaml.safe_load(text)["alerts"]["channels"].values()]
    wanted = {one.get("connection", "smtp_default") for one in shown if one["kind"] != "notifier"}
    commands = [shlex.split(command)[1:] for command in COMMANDS]
    answer = repository.run(sys.executable, "-c", PARSE, json.dumps(commands))
    assert answer.returncode == 0, answer.stderr
    understood = [json.loads(line) for line in answer.stdout.splitlines()[-len(commands) :]]
    added = {connection["conn_id"]: connection for connection in understood}
    assert wanted == set(added)
    assert {one["conn_type"] for one in added.values()} == {"smtp", "http"}
    assert all(one["conn_host"].startswith("https://") for one in added.values() if one["conn_type"] == "http")
    assert json.loads(added["smtp_default"]["conn_extra"])["from_email"]


def test_the_page_is_found_from_where_people_look() -> None:
    for name in ("install.md", "operations.md", "monitoring.md"):
        assert "](alerts.md" in (repository.ROOT / "docs" / name).read_text(encoding="utf-8"), name
    assert "](docs/alerts.md)" in (repository.ROOT / "README.md").read_text(encoding="utf-8")
