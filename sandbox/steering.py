"""Placing faults in a running sandbox, and driving its start, from another process."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.rules import Rule, Seen

TIMEOUT_SECONDS = 30
RULES = "/sandbox/faults"
STEPS = "/sandbox/steps"


class SteeringError(RuntimeError):
    """The control route refused."""


@dataclass(frozen=True)
class Steering:
    """The control route of one sandbox that was started with faults."""

    url: str

    def place(self, *rules: Rule) -> None:
        """Add rules; each counts the requests from now on."""
        self._call("POST", RULES, [rule.model_dump(mode="json", by_alias=True) for rule in rules])

    def requests(self) -> list[Seen]:
        """Tell the requests since the start or the last `clear`, the first with the number 1."""
        return [Seen(**each) for each in self._call("GET", RULES)["requests"]]

    def applied(self) -> list[int]:
        """Tell how often each rule was applied, in the order they were placed."""
        return [each["applied"] for each in self._call("GET", RULES)["rules"]]

    def clear(self) -> None:
        """Take all rules and the list of requests away, and let go whoever waits because of a rule."""
        self._call("DELETE", RULES)

    def step(self) -> dict[str, Any]:
        """Go on with a start in steps: from answering to silence, from silence to one collection more.

        :return: `answers`, whether requests are answered now, and `coming`, the collections not loaded yet
        """
        return self._call("POST", STEPS)

    def finish_loading(self) -> None:
        """Go through all steps that are left."""
        while self.step()["coming"]:
            continue

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise SteeringError(f"{method} {path} answered {response.status}: {text}")
        answer: dict[str, Any] = json.loads(text)
        return answer
