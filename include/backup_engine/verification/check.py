"""One verification on its way: what was looked at, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backup_engine.archive.manifest import Folder
from backup_engine.errors import BrokenChain, DamagedArchive, HostileArchive, ObjectNotFound, UnknownFormat
from backup_engine.model import Clock, Progress
from backup_engine.records import VerificationLevel
from backup_engine.storage.contract import Store
from backup_engine.verification.report import Problem, VerificationReport

_MOST_PROBLEMS = 1_000
"""Problems that are written down; a record must stay readable when everything is damaged."""


@dataclass(slots=True)
class Check:
    """The counts of one verification, and its problems."""

    store: Store
    folder: Folder
    name: str
    clock: Clock
    progress: Progress
    temporary: Path | None
    began: datetime = field(init=False)
    problems: list[Problem] = field(default_factory=list)
    collections: int = 0
    entries: int = 0
    vectors: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        """Begin now."""
        self.began = self.clock()

    def blame(self, what: str, *, collection: str | None = None, entry: str | None = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(collection=collection, entry=entry, what=what))

    @contextmanager
    def noting(self, *, collection: str | None = None, entry: str | None = None) -> Iterator[None]:
        """Note what the block finds wrong with the backup, and go on behind it. A store that fails is no finding."""
        try:
            yield
        except (DamagedArchive, HostileArchive, UnknownFormat, ObjectNotFound) as error:
            self.blame(str(error), collection=collection, entry=entry)
        except BrokenChain as error:  # no file of this backup is to blame
            self.blame(str(error), collection=collection)

    def report(self, level: VerificationLevel) -> VerificationReport:
        """Add it up."""
        return VerificationReport(
            name=self.name,
            folder=self.folder,
            level=level,
            at=self.began,
            passed=not self.problems,
            collections=self.collections,
            entries=self.entries,
            vectors=self.vectors,
            bytes=self.bytes,
            seconds=max(0.0, (self.clock() - self.began).total_seconds()),
            problems=tuple(self.problems[:_MOST_PROBLEMS]),
        )
