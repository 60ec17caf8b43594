"""What can happen to each kind of request that a store in S3 makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.client import OK

from backup_engine.errors import BackupError
from services.proxying.rules import ACCESS_DENIED, SLOW_DOWN, Rule, Seen, s3_error
from tests.fire.faults import EVERY
from tests.fire.stores_scene import Journey

_NO_COPY = r"\A(?![\s\S]*x-amz-copy-source:)"

KINDS: dict[str, Rule] = {
    "put": Rule("drop", method="PUT", path=r"^[^?]*$", header=_NO_COPY),
    "begin upload": Rule("drop", method="POST", path=r"\?uploads"),
    "part": Rule("drop", method="PUT", path="partNumber=", header=_NO_COPY),
    "part copy": Rule("drop", method="PUT", path="partNumber=", header="x-amz-copy-source:"),
    "complete upload": Rule("drop", method="POST", path=r"\?uploadId="),
    "head": Rule("drop", method="HEAD"),
    "get": Rule("drop", method="GET", path=r"^[^?]*$"),
    "list": Rule("drop", method="GET", path="list-type=2"),
    "list uploads": Rule("drop", method="GET", path=r"\?uploads"),
    "delete": Rule("drop", method="POST", path=r"\?delete"),
}
"""Every request that a run makes is one of these; aborting an upload comes on top when something goes wrong."""

INTERNAL = s3_error(500, "InternalError", "We encountered an internal error. Please try again.")

PASSING: dict[str, Rule] = {
    "drops the request": Rule("drop"),
    "drops the answer after the effect": Rule("drop", "response"),
    "resets in the middle of a part": Rule("cut", size=1_000, reset=True),
    "hangs up in the middle of a part": Rule("cut", size=500_000),
    "cuts the answer": Rule("cut", "response", size=100),
    "cuts a long answer": Rule("cut", "response", size=2_000_000, reset=True),
    "answers SlowDown": Rule("answer", answer=SLOW_DOWN),
    "answers 500 after the effect": Rule("answer", "response", answer=INTERNAL),
}
"""It happens once to a request."""

LASTING: dict[str, Rule] = {
    "goes away": Rule("drop", times=10**6),
    "goes away after the effect": Rule("drop", "response", times=10**6),
    "answers nothing but SlowDown": Rule("answer", answer=SLOW_DOWN, times=10**6),
}
"""From some request on, until somebody mends it."""

STALLS: dict[str, Rule] = {
    "is silent before it begins": Rule("stall", seconds=60),
    "acts and is silent": Rule("stall", "response", seconds=60),
    "stops in the middle of an answer": Rule("stall", "response", size=1, seconds=60),
}
"""For longer than the client waits."""

STALLED = ("put", "part", "complete upload", "get", "list")

DENIED = Rule("answer", answer=ACCESS_DENIED, times=10**6)


def of_kind(kind: str, fault: Rule, nth: int, kinds: Mapping[str, Rule] = KINDS) -> Rule:
    """Let a fault happen to the n-th request of a kind."""
    which = kinds[kind]
    return replace(fault, method=which.method, path=which.path, header=which.header, nth=nth)


def kind_of(seen: Seen, kinds: Mapping[str, Rule] = KINDS) -> str:
    (kind,) = (kind for kind, rule in kinds.items() if rule.matches(seen))
    return kind


def strikes(
    counts: Mapping[str, int], fault: Rule, number: int, kinds: Mapping[str, Rule] = KINDS
) -> Iterator[list[Rule]]:
    """Choose what a fault happens to: one request of each kind in one run; with FIRE_EVERY=1 each one by itself.

    :param counts: requests of each kind in a run
    :param number: of the fault: others happen to other requests
    """
    if EVERY:
        every = [(kind, nth) for kind, count in counts.items() for nth in range(1, count + 1)]
        yield from ([of_kind(kind, fault, nth, kinds)] for kind, nth in every[number % EVERY :: EVERY])
    else:
        yield [of_kind(kind, fault, 1 + 7 * number % count, kinds) for kind, count in counts.items()]


def flips(every: int, count: int) -> range:
    """Choose among so many requests those whose bytes are changed."""
    return range(1, count + 1, EVERY or every)


def lasting_strikes(requests: int, number: int) -> range:
    """Choose the request from which on a fault lasts, for each fault another one; with FIRE_EVERY=1 each of them."""
    first = 0 if EVERY else requests * number // len(LASTING)
    return range(1 + first, requests - 1, EVERY or requests)


def struck(journey: Journey, rules: list[Rule], work: Callable[[], object] | None = None) -> BackupError | None:
    """Do some work, all of it when none is named, while this goes wrong; nothing but one of our errors may come."""
    proxy = journey.ground.proxy
    proxy.clear()
    proxy.place(*rules)
    try:
        (work or journey)()
    except BackupError as error:
        return error
    finally:
        begun = [seen for seen in proxy.requests() if KINDS["begin upload"].matches(seen)]
        journey.lost += sum(not (seen.status == OK and seen.whole) for seen in begun)
        proxy.clear()
    return None
