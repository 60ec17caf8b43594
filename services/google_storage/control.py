"""What a test may ask of the server beside the API: faults, permissions, and what was asked of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from services.google_storage.errors import ApiError, forbidden


@dataclass
class Fault:
    """Something that goes wrong with the next requests that match.

    * status: refused with this status before anything is done
    * lost: done, and the connection is closed without an answer
    * cut, stall: the answer's body ends, or stops, after so many bytes
    * short: the answer's body is only so long, and says so
    * partial: of a resumable upload's chunk only so many bytes are kept, then 503
    * flip: one bit of what arrives is changed
    * checksum: the answer's JSON names another crc32c than the content's

    :param skip: so many matching requests are left alone first
    :param times: so many are hit then
    """

    method: str
    target: str
    kind: str
    times: int = 1
    skip: int = 0
    status: int = 503
    size: int = 0
    reason: str = "backendError"
    message: str = "We encountered an internal error. Please try again."

    def hits(self, method: str, target: str) -> bool:
        """Tell whether this request is hit, and count it."""
        if not self.times or method != self.method or not re.search(self.target, target):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True

    def error(self) -> ApiError:
        """Give the refusal."""
        return ApiError(self.status, self.reason, self.message)


@dataclass
class Seen:
    """One request, and what it needed."""

    method: str
    target: str
    token: str
    permissions: list[str] = field(default_factory=list)


class Control:
    """Faults to come, permissions per token, and the requests so far."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.grants: dict[str, list[tuple[str, str]]] = {}
        self.seen: list[Seen] = []
        self._lock = Lock()

    def order(self, fault: dict[str, Any]) -> None:
        """Have something go wrong."""
        with self._lock:
            self.faults.append(Fault(**fault))

    def fault(self, method: str, target: str) -> Fault | None:
        """Give what goes wrong with this request."""
        with self._lock:
            return next((fault for fault in self.faults if fault.hits(method, target)), None)

    def see(self, method: str, target: str, token: str) -> Seen:
        """Note a request."""
        seen = Seen(method, target, token)
        with self._lock:
            self.seen.append(seen)
            del self.seen[:-10_000]
        return seen

    def allows(self, token: str, permission: str, name: str) -> bool:
        """Tell whether the token has the permission for what has this name; without grants everybody has all."""
        granted = self.grants.get(token)
        if granted is None:
            return not token
        return any(permission == given and name.startswith(prefix) for given, prefix in granted)

    def require(self, seen: Seen, permission: str, name: str = "") -> None:
        """Refuse unless the caller has the permission."""
        seen.permissions.append(permission)
        if not self.allows(seen.token, permission, name):
            raise forbidden(
                f"{seen.token} does not have {permission} access to the Google Cloud Storage object. "
                f"Permission '{permission}' denied on resource (or it may not exist)."
            )

    def reset(self) -> None:
        """Forget faults, permissions and requests."""
        with self._lock:
            self.faults.clear()
            self.grants.clear()
            self.seen.clear()
