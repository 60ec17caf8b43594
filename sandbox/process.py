"""The sandbox as a process of its own: started, stopped, killed and restarted by tests and the demo."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal, Self

from sandbox.rules import Rule, Seen
from sandbox.steering import Steering

READY = "listening on "
START_DEADLINE_SECONDS = 30.0
STOP_DEADLINE_SECONDS = 30.0
PASSWORD_VARIABLE = "VECTORIZER_SANDBOX_PASSWORD"  # noqa: S105


class SandboxError(RuntimeError):
    """The sandbox process did not start or did not stop within its deadline."""


class SandboxProcess:
    """One sandbox process over one data directory.

    :param data_dir: where it keeps its data; made when missing, kept when the process ends
    :param port: 0 picks a free one; a restart keeps the port of the first start
    :param password: turns authentication on, user `admin`; handed over in the environment, never as an argument
    :param log: file that takes the process's log; without it the log is shown only when a start fails
    :param dialect: `bare` is the server people run, `guide` the one its backup guide describes
    :param faults: whether rules can be placed while it runs; they are gone when the process ends
    :param rules: faults that are placed at every start
    :param loading: vectors a second of every load from disk, or `steps` that the control route drives
    """

    def __init__(
        self,
        data_dir: Path | str,
        port: int = 0,
        password: str | None = None,
        log: Path | None = None,
        *,
        dialect: Literal["bare", "guide"] = "bare",
        faults: bool = False,
        rules: Sequence[Rule] = (),
        loading: float | Literal["steps"] | None = None,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.password = password
        self.log = log or self.data_dir / "sandbox.log"
        self.dialect = dialect
        self.loading = loading
        self.rules = tuple(rules)
        self._faults = faults or loading == "steps"
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """Base address, `http://127.0.0.1:PORT`, without a slash at the end; the same after a restart."""
        if not self._url:
            raise SandboxError("the sandbox has no address yet: call start() first")
        return self._url

    @property
    def pid(self) -> int:
        """Process id of the running sandbox."""
        return self._running().pid

    def start(self) -> None:
        """Start the process and return once it accepts requests.

        :raises SandboxError: when it runs already, or ends or says nothing within 30 seconds;
            the message holds its log
        """
        if self._process is not None:
            raise SandboxError(f"the sandbox runs already, at {self._url}: stop() it first")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command(), env=self._environment(), stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._url = self._wait_until_ready(self._process)
        self._port = int(self._url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """End it with SIGTERM, which saves what is in memory. Does nothing when it is not running."""
        if self._process is not None:
            self._process.terminate()
            self._wait_until_ended()

    def kill(self) -> None:
        """End it with SIGKILL: what was not flushed is lost. Does nothing when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._wait_until_ended()

    def restart(self) -> None:
        """Stop it in an orderly way and start it again on the same port and data."""
        self.stop()
        self.start()

    def revive(self) -> None:
        """Wait until it ended by itself, killed by a rule, and start it again on the same port and data.

        :raises SandboxError: when it does not end within 30 seconds
        """
        self._wait_until_ended()
        self.start()

    @property
    def steering(self) -> Steering:
        """The control route.

        :raises SandboxError: when the process was not asked to have one
        """
        if not self._faults:
            raise SandboxError("the sandbox takes no rules: start it with faults=True")
        return Steering(self.url)

    def place(self, *rules: Rule) -> None:
        """Add faults; each counts the requests from now on."""
        self.steering.place(*rules)

    def requests(self) -> list[Seen]:
        """Tell the requests since the start or the last `clear`, the first with the number 1."""
        return self.steering.requests()

    def applied(self) -> list[int]:
        """Tell how often each rule was applied, in the order they were placed."""
        return self.steering.applied()

    def clear(self) -> None:
        """Take all rules and the list of requests away, and let go whoever waits because of a rule."""
        self.steering.clear()

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise SandboxError("the sandbox is not running: call start() first")
        return self._process

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "sandbox", "--port", str(self._port), "--data", str(self.data_dir)]
        command += ["--dialect", self.dialect, *(["--faults"] if self._faults else [])]
        command += [] if self.loading is None else ["--loading", str(self.loading)]
        for rule in self.rules:
            command += ["--fault", rule.model_dump_json(by_alias=True)]
        return command

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name != PASSWORD_VARIABLE}
        root = str(Path(__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        if self.password is not None:
            environment[PASSWORD_VARIABLE] = self.password
        return environment

    def _wait_until_ready(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None  # noqa: S101
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_first_line, args=(process.stdout, lines), daemon=True).start()
        try:
            line = lines.get(timeout=START_DEADLINE_SECONDS)
        except queue.Empty:
            line = ""
        if not line.startswith(READY):
            self.kill()
            raise SandboxError(f"the sandbox did not start, its log says:\n{self.log.read_text()[-4000:]}")
        return line.removeprefix(READY).strip()

    def _wait_until_ended(self) -> None:
        process, self._process = self._running(), None
        try:
            process.wait(timeout=STOP_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise SandboxError(f"the sandbox did not end within {STOP_DEADLINE_SECONDS} s") from error
        finally:
            if process.stdout is not None:
                process.stdout.close()


def _first_line(stream: IO[str], lines: "queue.Queue[str]") -> None:
    lines.put(stream.readline())
