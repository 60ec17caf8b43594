"""What a check of an installation finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: nothing works without what is missing; a note is worth knowing."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    :param what: the thing
    :param found: how it is
    :param remedy: how to mend it; empty when there is nothing to mend
    """

    level: Level
    what: str
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Give it as programs read it."""
        return {"level": self.level.value, "what": self.what, "found": self.found, "remedy": self.remedy}


def count_missing(findings: Iterable[Finding]) -> int:
    """Tell how many things are missing."""
    return sum(finding.level is Level.MISSING for finding in findings)
