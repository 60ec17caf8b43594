"""Ports nobody listens on, for servers that have to be told theirs."""

import secrets
import socket
from contextlib import suppress

_LOWEST, _MOST = 16_000, 16_000
"""Below 32,768, from where on the kernel gives ports to whoever connects: one that is free now is taken in a second."""

_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """Give ports that are free at this moment, each another one.

    :raises OSError: there are none
    """
    sockets = [socket.socket() for _ in range(count)]
    try:
        return [_bound(one) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _bound(one: socket.socket) -> int:
    for _ in range(_TRIES):
        port = _LOWEST + secrets.randbelow(_MOST)
        with suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise OSError(f"none of {_TRIES} ports from {_LOWEST} on is free")
