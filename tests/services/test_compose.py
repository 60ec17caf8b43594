"""Variables of a compose file mean what they mean to docker compose."""

from pathlib import Path

import pytest

from services.compose import Compose, variables
from services.process import ServiceError

FILE = """
x-common: &common
  environment: &environment
    URL: "redis://:${PASSWORD:?make one}@redis:6379"
services:
  one:
    <<: *common
    command: [run, "$$HOSTNAME", "${PLACE:-here}", "${PLACE-}"]
  two:
    environment: {<<: *environment, MORE: $PASSWORD}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "docker-compose.yaml"
    found.write_text(FILE)
    return found


def test_variables_and_anchors_are_resolved(path):
    compose = Compose(path, {"PASSWORD": "secret", "PLACE": ""})
    assert compose.environment("one") == {"URL": "redis://:secret@redis:6379"}
    assert compose.environment("two") == {"URL": "redis://:secret@redis:6379", "MORE": "secret"}
    assert compose.command("one") == ["run", "$HOSTNAME", "here", ""]


@pytest.mark.parametrize("given", [{}, {"PASSWORD": ""}])
def test_a_variable_that_must_not_be_empty_is_refused_with_what_to_do(path, given):
    with pytest.raises(ServiceError, match="required variable PASSWORD is missing a value: make one"):
        Compose(path, given).environment("one")


def test_variables_are_found_with_what_stands_behind_them():
    found = {"PASSWORD": ("", ""), "PLACE": ("-", "")}
    assert variables(FILE) == found
    assert variables("${A:?why} ${B:-b} $$C") == {"A": (":?", "why"), "B": (":-", "b")}
