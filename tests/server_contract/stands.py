"""Servers that a test may start again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Self

from backup_engine.ports import Server
from backup_engine.vectorizer.server import connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from tests.engine.memory_server import MemoryServer

SMALL_PAGES = 10_000
"""Bytes of JSON a page may have: a few dozen small records, so that a small collection takes several."""


class MemoryStand:
    """The server in memory, with a clock of its own: an hour passes between two starts."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 22, tzinfo=UTC)
        self._memory = MemoryServer(clock=lambda: self._now, page_records=50)
        self.server: Server = self._memory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def restart(self) -> None:
        """What an orderly stop saves and a start loads."""
        self._memory.flush()
        self._now += timedelta(hours=1)
        self._memory.restart()


class ProcessStand:
    """A process over a data directory."""

    def __init__(self, process: SandboxProcess) -> None:
        self._process = process
        self.server: Server

    def __enter__(self) -> Self:
        self._process.start()
        self.server = connect(self._process.url, None, ClientSettings(page_bytes=SMALL_PAGES))
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stop()

    def restart(self) -> None:
        """Stop it in order and start it again."""
        self._process.restart()
