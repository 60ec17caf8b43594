"""A server as a process of its own: started, waited for, stopped or killed with all its children."""

import contextlib
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from services.waiting import poll

START_DEADLINE_SECONDS = 60.0
STOP_DEADLINE_SECONDS = 15.0


class ServiceError(RuntimeError):
    """A server did not start, or did not do within its deadline what was expected of it."""


class Startable(ABC):
    """What runs for the length of a ``with`` block."""

    @abstractmethod
    def start(self) -> None:
        """Start it and return once it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it with all it started. Does nothing when it is not running."""

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        self.stop()


class ServiceProcess(Startable):
    """One server process in a session of its own, so that nothing it started outlives it.

    :param command: program and arguments
    :param home: its working directory, made when missing; its log lies there
    :param ready: tells whether it answers; asked twice a second until it does
    :param environment: more variables than this process has
    """

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [*command]
        self.home = home
        self.log = home / f"{Path(command[0]).name}.log"
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        if self._process is None:
            raise ServiceError(f"{self.command[0]} does not run")
        return self._process.pid

    def start(self, deadline_seconds: float = START_DEADLINE_SECONDS) -> None:
        """Start it and return once it answers.

        :raises ServiceError: it ends or does not answer in time; the message holds the end of its log
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            poll(self._answers, f"{self.command[0]} to answer", deadline_seconds, 0.1)
        except (TimeoutError, ServiceError) as error:
            self.kill()
            said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
            raise ServiceError(f"{error}. Its log ends with:\n{said}") from error

    def stop(self) -> None:
        """Ask it to end, and end it if it does not. Does nothing when it is not running."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_DEADLINE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once with everything of its session, as a power cut would."""
        if self._process is None:
            return
        for process in self._session():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(STOP_DEADLINE_SECONDS)
        self._process = None

    def _session(self) -> list[psutil.Process]:
        """Everything that was started in its session, children whose parent died too."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) == self.pid:
                    found.append(process)
        return found

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise ServiceError(f"{self.command[0]} ended by itself")
        return self._ready()
