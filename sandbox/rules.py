"""What shall go wrong, at which request: rules for the layer of faults."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

What = Literal["slow", "429", "500", "503", "missing", "cut", "drop", "kill", "restart", "write", "load"]


class Sent(BaseModel):
    """A request of another client, which the layer sends to the server behind it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = "POST"
    path: str
    body: Any = Field(None, alias="json")
    headers: dict[str, str] = {}


class Rule(BaseModel):
    """One fault.

    :param what: `slow` waits; `429`, `500`, `503` and `missing` (404 without a body) answer instead of the server;
        `cut` ends the connection after `size` bytes of the body; `drop` gives no answer; `kill` is SIGKILL of the
        process; `restart` does to the data what a restart does, and drops every connection; `write` lets another
        client send requests; `load` holds every collection that is being loaded because somebody asked for it,
        from the placing of the rule until it is applied
    :param method: of the request; any when empty
    :param path: regular expression searched for in the path as it was sent, percent-encoded
    :param body: regular expression searched for in the body of the request
    :param nth: which of the matching requests, the first after the placing is 1; None is every one
    :param times: from the nth on, how many
    :param when: before the server handles the request, or after it did and before anything of it is answered
    :param seconds: of `slow`: before the server begins; with `when="after"` before every piece of the answer
    :param size: of `cut`: how many bytes of the body are sent; of `slow` with `when="after"`: bytes a piece, 0 is all
    :param retry_after: seconds in the header of that name
    :param send: requests of `write`, one after the other
    :param wait: whether the request goes on only when all of `send` was answered
    :param orderly: whether a `restart` saves first; else it is one after a kill
    :param down: how many requests after a `restart` find nobody there
    :param loading: whether the server starts in steps after a `restart` (see `sandbox.starting`)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: What
    method: str = ""
    path: str = ""
    body: str = ""
    nth: int | None = Field(None, ge=1)
    times: int = Field(1, ge=1)
    when: Literal["before", "after"] = "before"
    seconds: float = Field(0, ge=0)
    size: int = Field(0, ge=0)
    retry_after: int | None = None
    send: tuple[Sent, ...] = ()
    wait: bool = True
    orderly: bool = True
    down: int = Field(0, ge=0)
    loading: bool = False

    @field_validator("path", "body")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return pattern

    @property
    def after(self) -> bool:
        """Whether the server handles the request first; an answer must be there before it is cut."""
        return self.when == "after" or self.what == "cut"

    def matches(self, method: str, path: str, body: bytes) -> bool:
        """Say whether a request is one of those that are counted."""
        return (
            self.method in {"", method}
            and re.search(self.path, path) is not None
            and (not self.body or re.search(self.body.encode(), body) is not None)
        )


@dataclass
class Placed:
    """A rule with what happened since it was placed."""

    rule: Rule
    matched: int = 0
    applied: int = 0

    def applies(self, method: str, path: str, body: bytes) -> bool:
        """Count a request and say whether the rule is for it."""
        if not self.rule.matches(method, path, body):
            return False
        self.matched += 1
        nth = self.rule.nth
        due = nth is None or nth <= self.matched < nth + self.rule.times
        self.applied += due
        return due

    def view(self) -> dict[str, Any]:
        """Tell of it in JSON."""
        rule = self.rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {"rule": rule, "matched": self.matched, "applied": self.applied}


@dataclass
class Seen:
    """One request, in the order of arrival; the first is 1."""

    number: int
    method: str
    path: str
    status: int | None = None


@dataclass
class Book:
    """Rules that are placed and requests that were seen."""

    placed: list[Placed] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    @property
    def reads_bodies(self) -> bool:
        """Whether a rule asks for the body of a request."""
        return any(placed.rule.body for placed in self.placed)

    def place(self, rules: Iterable[Rule]) -> None:
        """Add rules; each counts from now."""
        self.placed += [Placed(rule) for rule in rules]

    def enter(self, method: str, path: str) -> Seen:
        """Write down a request."""
        seen = Seen(len(self.seen) + 1, method, path)
        self.seen.append(seen)
        return seen

    def due(self, method: str, path: str, body: bytes) -> list[Rule]:
        """Give the rules for a request, in the order they were placed."""
        return [placed.rule for placed in self.placed if placed.applies(method, path.partition("?")[0], body)]

    def holds_loads(self) -> bool:
        """Whether a rule waits that lets loads end."""
        return any(placed.rule.what == "load" and not placed.applied for placed in self.placed)

    def view(self) -> dict[str, Any]:
        """Tell of both in JSON."""
        return {"requests": [vars(each) for each in self.seen], "rules": [each.view() for each in self.placed]}
