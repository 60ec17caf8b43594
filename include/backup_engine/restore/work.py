"""What every step of a restore needs at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from backup_engine.archive.manifest import Manifest
from backup_engine.archive.parts import Part
from backup_engine.model import Clock, Progress, ProgressEvent
from backup_engine.ports import Server
from backup_engine.restore.flushing import flush_if_possible
from backup_engine.restore.guard import Guard
from backup_engine.restore.journal import Journal
from backup_engine.restore.plan import RestorePlan


class Restorable(Protocol):
    """What a restore is made from: a restore point, or an archive that needs no other."""

    @property
    def manifest(self) -> Manifest:
        """Of the backup."""

    def parts(self, key: str) -> Iterator[Part]:
        """Give every record of a collection's state, in an order that is always the same."""

    def at_hand(self, directory: Path | None) -> AbstractContextManager[Restorable]:
        """Give the same for as long as it is read several times: what comes from afar is fetched once."""


@dataclass(slots=True, kw_only=True)
class Change:
    """One process that changes names on one server, by one plan.

    :param again: the command that goes on with it
    :param flushed: what the last flush said
    :param names_forgotten: the server's disk knows no name that nothing in its memory had when work began
    """

    plan: RestorePlan
    server: Server
    guard: Guard
    again: str = "resume"
    notes: list[str] = field(default_factory=list)
    flushed: bool = False
    names_forgotten: bool = False

    def flush(self) -> None:
        """Have the server write everything down; that it refuses to while it holds no vector at all is only noted.

        :raises NotFlushed: it holds vectors and did not confirm that they are on its disk
        """
        self.flushed = flush_if_possible(self.server)
        self.names_forgotten = self.names_forgotten or self.flushed


@dataclass(slots=True, kw_only=True)
class Work(Change):
    """One process carrying out one plan."""

    archive: Restorable
    journal: Journal
    clock: Clock
    progress: Progress
    temporary: Path | None


@dataclass(slots=True)
class Meter:
    """Tells how far a step is."""

    work: Work
    step: str
    subject: str
    total: int
    began: datetime = field(init=False)
    done: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        """Begin now."""
        self.began = self.work.clock()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return (self.work.clock() - self.began).total_seconds()

    def advance(self, records: int, size: int) -> None:
        """Tell that so many more records are done."""
        self.done += records
        self.bytes += size
        self.work.progress(
            ProgressEvent(
                step=self.step,
                subject=self.subject,
                done=self.done,
                total=self.total,
                bytes=self.bytes,
                seconds=self.seconds,
            )
        )
