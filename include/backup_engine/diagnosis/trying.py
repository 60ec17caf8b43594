"""What a diagnosis does: it asks the server, and tries what a backup needs of a store. Raises what it meets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from backup_engine.model import Clock, CollectionState, ServerFacts
from backup_engine.ports import Source
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import identity_for

_BETWEEN_LOOKS = 1.0  # seconds: a server that takes writes takes some in any second


@runtime_checkable
class Served(Protocol):
    """A store that a server on the network keeps."""

    @property
    def endpoint(self) -> str:
        """Address of that server."""


@dataclass(frozen=True, slots=True)
class ServerLook:
    """What a server said.

    :param later: its list, asked again a moment later
    :param seconds: until it had said what it is and what it holds
    """

    facts: ServerFacts
    states: tuple[CollectionState, ...]
    later: tuple[CollectionState, ...]
    seconds: float

    @property
    def moving(self) -> tuple[str, ...]:
        """Collections that were written to between the two looks, came, or went."""
        return tuple(sorted({state.name for state in {*self.states} ^ {*self.later}}))


def ask(server: Source) -> ServerLook:
    """Log in, and list twice."""
    began = time.monotonic()
    facts, states = server.facts(), server.collections()
    seconds = time.monotonic() - began
    time.sleep(_BETWEEN_LOOKS)
    return ServerLook(facts, states, server.collections(), seconds)


def try_rights(store: Store, deployment: str, token: str, clock: Clock) -> str:
    """Read whose store it is, write a tiny object and delete it; say what was allowed.

    :param token: names the object; nothing else is written
    """
    identity = identity_for(store, deployment)
    key = f".staging/check-{token}/rights"
    store.create(key, [f"{clock():%Y-%m-%dT%H:%M:%SZ}\n".encode()])
    store.delete([key])
    return f"store {identity.store_id} can be read, written and deleted from"
