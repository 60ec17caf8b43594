"""Calls to one Vectorizer: repeated where that is harmless, within a deadline, JSON and GraphQL read and checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from backup_engine.errors import RequestRefused, ServerFault, ServerUnavailable, TransientError, Unsupported
from backup_engine.model import Clock, system_clock
from backup_engine.vectorizer.answers import Answer, Patience, as_object, chunks_of, whole_body
from backup_engine.vectorizer.authorization import Authorization
from backup_engine.vectorizer.credentials import Credentials
from backup_engine.vectorizer.exchange import Exchange, Request
from backup_engine.vectorizer.refusals import RouteMissing, Throttled, graphql_refusal
from backup_engine.vectorizer.same_life import names_a_collection, require_same_life
from backup_engine.vectorizer.settings import ClientSettings, checked_url

T = TypeVar("T")

_LONGEST_PAUSE = 30.0
_QUIET = 1.0  # seconds in which no server is started again and nobody notices
_LONGEST_WISH = 180.0
"""A server that wants to be left alone for longer (a login locked for a quarter of an hour) is given up for now."""


class VectorizerClient:
    """Calls a Vectorizer. Synchronous; a client belongs to one thread.

    :param url: base address, without credentials
    :param sleep: how to pause between attempts
    :param clock: seconds that only ever grow, for deadlines
    :param now: the time of day, for a ``Retry-After`` that is a date
    :raises ConfigurationError: the address makes no sense or carries credentials
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        settings: ClientSettings | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = system_clock,
    ) -> None:
        self.url = checked_url(url)
        self.settings = settings or ClientSettings()
        self.version: str | None = None
        """What the server called itself when it was asked last."""
        self._exchange = Exchange(Authorization(credentials or Credentials()), self.settings, now)
        self._sleep = sleep
        self._clock = clock
        self._listed: float | None = None  # when the collections were listed last
        self._heard = 0.0  # when the server last answered
        self._broke = False  # a connection has, since the list

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Tell the address, never the credentials."""
        return f"VectorizerClient({self.url})"

    @property
    def called(self) -> str:
        """Name the server for a message, with its version if it has told it."""
        return f"Vectorizer {self.version} at {self.url}" if self.version else self.url

    def close(self) -> None:
        """Let go of the connections."""
        self._exchange.close()

    def get(self, path: str) -> Answer:
        """Ask for something."""
        return self.send("GET", path, None)

    def call(
        self,
        method: str,
        path: str,
        value: object = None,
        *,
        repeatable: bool = True,
        patient: bool = False,
        deadline: float | None = None,
    ) -> Answer:
        """Make one call and read its answer whole.

        :param value: JSON for the body; no body when None
        :param repeatable: making the call twice does no harm, so it is repeated after a transient error; otherwise
            only when the server refused it before doing anything
        :param patient: the server may be silent for the whole deadline (it is writing to its disk)
        :param deadline: seconds, where the settings' are not meant
        """
        body = None if value is None else json.dumps(value).encode()
        return self.send(method, path, body, repeatable=repeatable, patient=patient, deadline=deadline)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        repeatable: bool = True,
        patient: bool = False,
        deadline: float | None = None,
    ) -> Answer:
        """Do as ``call`` does, with a body that is JSON text already."""
        longest = deadline or self.settings.deadline
        request = Request(self.url, method, path, body, longest if patient else self.settings.read_timeout)
        patience = Patience(longest, self._clock)

        def attempt() -> Answer:
            with self._exchange.open(request, patience) as response:
                return Answer(request.what, whole_body(response, patience, request.what))

        return self._repeated(request, attempt, patience, repeatable=repeatable)

    def graphql(self, query: str, variables: Mapping[str, object], *, repeatable: bool = True) -> dict[str, object]:
        """Run one GraphQL operation and give its ``data``.

        :raises RequestRefused: the answer holds errors (``CollectionNotFound`` where that is what they say)
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        return graphql_data(self.send_graphql(body, repeatable=repeatable))

    def send_graphql(self, body: bytes, *, repeatable: bool = True) -> Answer:
        """Run one GraphQL request that is JSON text already, and give the answer as it came.

        :raises Unsupported: the server does not answer GraphQL
        """
        try:
            return self.send("POST", "/graphql", body, repeatable=repeatable)
        except RouteMissing as error:
            raise Unsupported(
                f"{self.called} does not answer GraphQL, which writing and the exact reading of doubtful payloads need "
                "(every Vectorizer since 1.7 has it): let the proxy before the server pass POST /graphql, or name the "
                "server's own address. Without it, read_with: list reads exactly too, and `server-backup restore` "
                "writes what the server itself has kept"
            ) from error

    @contextmanager
    def stream(self, path: str, value: object = None, *, costly: bool = False) -> Iterator[Iterator[bytes]]:
        """Post ``value``, or get what is there, and read the answer as it comes; repeated until it begins, never after.

        :param costly: the answer costs the server so much that it may be silent for the whole deadline, and is asked
            for once
        :raises ServerUnavailable: while reading: it broke off or took too long
        """
        method, body = ("GET", None) if value is None else ("POST", json.dumps(value).encode())
        silence = self.settings.page_deadline if costly else self.settings.read_timeout
        request = Request(self.url, method, path, body, silence)
        patience = Patience(self.settings.page_deadline, self._clock)

        def attempt() -> requests.Response:
            return self._exchange.open(request, patience)

        with self._repeated(request, attempt, patience, repeatable=not costly) as response:
            yield chunks_of(response, patience, request.what)
            self._heard = self._clock()

    def _repeated(self, request: Request, attempt: Callable[[], T], patience: Patience, *, repeatable: bool) -> T:
        naming = names_a_collection(request)
        if naming and (self._broke or self._clock() - self._heard > _QUIET):
            self._require_same_life(request)

        def helps(error: BaseException) -> bool:
            if isinstance(error, ServerUnavailable):
                self._broke = True
                if naming and repeatable:
                    self._require_same_life(request)
            return isinstance(error, TransientError if repeatable else Throttled)

        def pause(seconds: float) -> None:
            patience.spend(seconds)
            self._sleep(seconds)

        def enough(state: RetryCallState) -> bool:
            longest = min(patience.left, _LONGEST_WISH + _LONGEST_PAUSE)
            return state.attempt_number >= self.settings.attempts or state.upcoming_sleep >= longest

        retrying = Retrying(stop=enough, wait=_pause, retry=retry_if_exception(helps), sleep=pause, reraise=True)
        try:
            return retrying(attempt)
        except RouteMissing as error:
            raise RouteMissing(f"{error} ({self.called})", status=error.status) from error

    def listing(self) -> None:
        """Note that the collections are listed now: until the next list, what is named is named by this one."""
        self._listed, self._broke = self._clock(), False

    def _require_same_life(self, request: Request) -> None:
        if self._listed is None:
            return
        try:
            status = self.get("/status").fields()
        except (RequestRefused, ServerFault):  # it has no such route (servers up to 1.8.5), or cannot tell
            return
        whole_seconds = 0 if self._broke else 1  # without a sign of a restart, the doubt that uptime leaves is none
        require_same_life(request.what, status, self._clock() - self._listed - whole_seconds)
        self._broke = False


def graphql_data(answer: Answer) -> dict[str, object]:
    """Take the data out of a GraphQL answer.

    :raises RequestRefused: it holds errors
    """
    fields = answer.fields()
    if fields.get("errors"):
        raise graphql_refusal(answer.what, fields["errors"])
    return as_object(fields.get("data"), answer.what)


def _pause(state: RetryCallState) -> float:
    """Grow the pause with chance in it, and never come back sooner than the server asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TransientError) and error.retry_after else 0.0
    return asked + wait_random_exponential(multiplier=1, max=_LONGEST_PAUSE)(state)
