"""Recorded flows sent again to another server, and the comparison of what it answers.

What differs from run to run by its nature is compared by form: ids the server makes, times, ports, counts of
seconds. Floats are compared with a tolerance. Everything else must be equal.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.contract.client import TIMEOUT_SECONDS

RECORDINGS = Path(__file__).parent / "recordings"

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)")
SNAPSHOT = re.compile(r"\d{8}(T\d{6}Z|_\d{6})")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
SECONDS_LEFT = re.compile(r"again in \d+ seconds")

# Numbers that tell of the machine and the moment, not of the server's behaviour.
OF_THE_MOMENT = {"uptime_seconds", "at", "time", "misses"}
# Sizes of files whose format is the server's own affair.
OF_ITS_FILES = re.compile(r"size_bytes$|\.result(\[\d+\])?\.size$")
# Seven records hold the vector that is searched for: an approximate index gives any three of them.
OF_TIED_HITS = {"id", "payload"}
# The server scores with the vectors as they were sent, the sandbox with those it keeps.
SCORE_TOLERANCE = 1e-4

# What the recordings do not tell.
SECRETS = {"<access_token>", "<api_key>"}
SHORTEST_SECRET = 20

TOLERANCE = 2e-7


@dataclass
class Replay:
    """One pass through flows against one server."""

    url: str
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)

    def send(self, request: dict[str, Any], note: str) -> requests.Response:
        """Send a recorded request, ids that the recorded server made replaced by those of this one."""
        given = json.loads(self._translated(json.dumps(request)))
        headers = {**given.get("headers", {}), **self.headers.get(note, {})}
        body = given["body"].encode() if "body" in given else None
        return requests.request(
            given["method"],
            self.url + given["path"],
            json=given.get("json"),
            data=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
        )

    def learn(self, recorded: Any, actual: Any) -> None:
        """Remember which id of this server stands for which recorded one."""
        for key in ("id", "name"):
            if isinstance(recorded, dict) and isinstance(actual, dict) and isinstance(recorded.get(key), str):
                ours = recorded[key]
                if (UUID.fullmatch(ours) or SNAPSHOT.fullmatch(ours)) and key in actual:
                    self.made[ours] = actual[key]

    def _translated(self, text: str) -> str:
        for recorded, actual in self.made.items():
            text = text.replace(recorded, actual)
        return text


def flow(name: str) -> list[dict[str, Any]]:
    """The entries of one recorded flow."""
    entries: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return entries


def differences(recorded: Any, actual: Any, where: str = "") -> Iterator[str]:
    """What makes an answer another one than the recorded, in words."""
    if isinstance(recorded, dict) and "_truncated" in recorded:
        yield from _differences_of_heads(recorded["_head"], json.dumps(actual), where)
    elif isinstance(recorded, dict) and isinstance(actual, dict):
        yield from _differences_of_objects(recorded, actual, where)
    elif isinstance(recorded, list) and isinstance(actual, list):
        yield from _differences_of_lists(recorded, actual, where)
    else:
        yield from _differences_of_values(recorded, actual, where)


def body_of(response: requests.Response) -> Any:
    """The parsed body, or its text when it is no JSON."""
    return response.json() if "json" in response.headers.get("content-type", "") else response.text


def _differences_of_objects(recorded: dict[str, Any], actual: dict[str, Any], where: str) -> Iterator[str]:
    if recorded.keys() != actual.keys():
        yield f"{where}: keys {sorted(actual)} instead of {sorted(recorded)}"
        return
    for key in recorded.keys() - (OF_TIED_HITS if "score" in recorded else set()):
        yield from differences(recorded[key], actual[key], f"{where}.{key}")


def _differences_of_lists(recorded: list[Any], actual: list[Any], where: str) -> Iterator[str]:
    if len(recorded) != len(actual):
        yield f"{where}: {len(actual)} entries instead of {len(recorded)}"
        return
    if where.endswith(".empty_collections"):  # the server lists them in the order of its hash map
        recorded, actual = sorted(recorded), sorted(actual)
    for number, (ours, theirs) in enumerate(zip(recorded, actual, strict=True)):
        yield from differences(ours, theirs, f"{where}[{number}]")


def _differences_of_values(recorded: Any, actual: Any, where: str) -> Iterator[str]:
    key = where.rpartition(".")[2]
    if isinstance(recorded, str) and recorded in SECRETS:
        alike = isinstance(actual, str) and len(actual) >= SHORTEST_SECRET
    elif key in OF_THE_MOMENT or OF_ITS_FILES.search(where):
        alike = type(recorded) is type(actual)
    else:
        alike = _alike(recorded, actual, SCORE_TOLERANCE if key == "score" else TOLERANCE)
    if not alike:
        yield f"{where}: {actual!r} instead of {recorded!r}"


def _alike(recorded: Any, actual: Any, tolerance: float) -> bool:
    if type(recorded) is not type(actual):
        return False
    if isinstance(recorded, float):
        return math.isclose(recorded, actual, rel_tol=1e-6, abs_tol=tolerance)
    if isinstance(recorded, str):
        return _form(recorded) == _form(actual)
    return bool(recorded == actual)


def _form(text: str) -> str:
    text = SECONDS_LEFT.sub("again in … seconds", TIME.sub("<time>", UUID.sub("<uuid>", text)))
    return SNAPSHOT.sub("<snapshot>", text)


def _differences_of_heads(head: str, actual: str, where: str) -> Iterator[str]:
    ours, theirs = _tokens(head)[:-1], _tokens(actual)
    for recorded, other in zip(ours, theirs, strict=False):
        if not _same_token(recorded, other):
            yield f"{where}: {other!r} instead of {recorded!r} in the part that was recorded"
            return
    if len(theirs) < len(ours):
        yield f"{where}: ends before the part that was recorded does"


def _tokens(text: str) -> list[str]:
    return [token for token in re.split(rf"({NUMBER.pattern})", _form(text)) if token]


def _same_token(recorded: str, other: str) -> bool:
    if NUMBER.fullmatch(recorded) and NUMBER.fullmatch(other):
        return math.isclose(float(recorded), float(other), rel_tol=1e-6, abs_tol=TOLERANCE)
    return recorded == other
