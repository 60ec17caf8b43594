"""What a compose file says, read as ``docker compose`` reads it, without one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from services.process import ServiceError

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<mark>:?[-?])(?P<rest>[^}]*))?\}|(?P<plain>\w+))")


class Compose:
    """One compose file with the variables that stand in it.

    :param variables: what ``.env`` would say
    """

    def __init__(self, path: Path, variables: Mapping[str, str]) -> None:
        self.document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._variables = dict(variables)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services by name, anchors and merges resolved, variables not."""
        return dict(self.document["services"])

    def environment(self, service: str) -> dict[str, str]:
        """Give the environment of a service's container.

        :raises ServiceError: a variable is empty that must not be
        """
        return {name: self.resolve(str(value)) for name, value in self.services[service]["environment"].items()}

    def command(self, service: str) -> list[str]:
        """Give the command of a service's container."""
        return [self.resolve(str(word)) for word in self.services[service]["command"]]

    def resolve(self, text: str) -> str:
        """Put the values of variables where their names stand."""
        return _VARIABLE.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, mark = match["name"] or match["plain"], match["mark"] or ""
        value = self._variables.get(name)
        if value or (value is not None and not mark.startswith(":")):
            return value
        if mark.endswith("?"):
            raise ServiceError(f"required variable {name} is missing a value: {match['rest']}")
        return match["rest"] if mark.endswith("-") else ""


def variables(text: str) -> dict[str, tuple[str, str]]:
    """Find the variables in a text: by name the mark behind it (``:?``, ``:-``, …) and what follows that."""
    found = (match for match in _VARIABLE.finditer(text) if not match["dollar"])
    return {match["name"] or match["plain"]: (match["mark"] or "", match["rest"] or "") for match in found}
