"""What a verification found."""

from __future__ import annotations

from backup_engine import wording
from backup_engine.archive.manifest import Folder
from backup_engine.errors import VerificationFailed
from backup_engine.model import Document, Moment
from backup_engine.records import VerificationLevel


class Problem(Document):
    """One thing that is not as it should be.

    :param collection: its name; None when it concerns the backup as a whole
    :param entry: the file in the archive, if one is to blame
    """

    collection: str | None = None
    entry: str | None = None
    what: str

    def __str__(self) -> str:
        """Name collection, entry and problem."""
        owner = None if self.collection is None else f"collection {self.collection!r}"
        place = ", ".join(text for text in (owner, self.entry) if text is not None)
        return f"{place}: {self.what}" if place else self.what


class VerificationReport(Document):
    """What a verification found.

    :param collections: looked at
    :param entries: looked at; at level full read, hashed and decoded
    :param vectors: records whose digests were calculated again, or were compared with those of the base where an
        incremental has them from there; 0 at level quick, which reads none
    :param bytes: read
    """

    name: str
    folder: Folder
    level: VerificationLevel
    at: Moment
    passed: bool
    collections: int
    entries: int
    vectors: int
    bytes: int
    seconds: float
    problems: tuple[Problem, ...] = ()


def require_passed(report: VerificationReport) -> None:
    """Stop here unless the backup is what its manifest says.

    :raises VerificationFailed: it is not; the message shows the first problems
    """
    if not report.passed:
        problems = wording.count(len(report.problems), "problem")
        raise VerificationFailed(
            f"{report.folder.value}/{report.name} is not what its manifest says ({report.level.value} verification, "
            f"{problems}): {wording.listing(map(str, report.problems))}; use a copy or another backup"
        )
