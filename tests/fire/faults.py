"""What can happen to one request, and to a server that the requests come to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from backup_engine.errors import BackupError
from sandbox.rules import Rule
from tests.fire.servers import Process

At = Callable[[int], Rule]

EVERY = int(os.environ.get("FIRE_EVERY", "0"))
"""Every how many requests each fault is tried: 1 is all of them; 0: as few as each test thinks right."""

PASSING: dict[str, At] = {
    "answers 500": lambda n: Rule(what="500", nth=n),
    "answers 500 after the effect": lambda n: Rule(what="500", nth=n, when="after"),
    "answers 429": lambda n: Rule(what="429", nth=n),
    "cuts the answer": lambda n: Rule(what="cut", nth=n, size=20),
    "drops the request": lambda n: Rule(what="drop", nth=n),
    "drops the answer": lambda n: Rule(what="drop", nth=n, when="after"),
}
"""It happens once; the server stays what it was."""

RESTARTS: dict[str, At] = {
    "is killed before": lambda n: Rule(what="restart", nth=n, orderly=False),
    "is killed after": lambda n: Rule(what="restart", nth=n, orderly=False, when="after"),
    "is killed and away for a moment": lambda n: Rule(what="restart", nth=n, orderly=False, down=2),
}
"""Memory is what the disk has: other values, other times, no aliases."""

LASTING: dict[str, At] = {
    "goes away": lambda n: Rule(what="drop", nth=n, times=10_000),
    "answers nothing but 500": lambda n: Rule(what="500", nth=n, times=10_000),
}
"""It lasts until somebody mends it."""

SLOW: dict[str, At] = {
    "is silent": lambda n: Rule(what="slow", nth=n, seconds=60),
    "acts and is silent": lambda n: Rule(what="slow", nth=n, seconds=60, when="after"),
}
"""For longer than the client waits."""


def struck_requests(requests: int, faults: dict[str, At], fault: str, every: int = 0) -> Iterator[int]:
    """Choose the requests that a fault happens to, for each fault others; unless told otherwise, together all."""
    stride = EVERY or every or len(faults)
    return iter(range(1 + list(faults).index(fault) % stride, requests + 1, stride))


def requests_of(server: Process, work: Callable[[], object]) -> int:
    """How many requests some work takes when nothing happens."""
    server.clear()
    work()
    return len(server.requests())


def struck(server: Process, rule: Rule, work: Callable[[], object]) -> BackupError | None:
    """Do some work while a fault happens; give the error it ended in. Nothing but one of ours may come."""
    server.clear()
    server.place(rule)
    try:
        work()
    except BackupError as error:
        return error
    finally:
        server.clear()
    return None


def tells_what_to_do(error: BackupError, url: str, *names: str) -> bool:
    """Whether a message names the server or a collection, what was found, and what somebody can do now."""
    text = str(error)
    names_something = url in text or any(name in text for name in names)
    advises = re.search(r"; |: (?:try|start|resume|plan|restore|check|is the server)|\?$", text) is not None
    return names_something and advises and len(text) < 1000
