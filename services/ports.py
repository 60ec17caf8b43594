"""Ports nobody listens on, for servers that have to be told theirs."""

import socket


def free_ports(count: int) -> list[int]:
    """Give ports that are free at this moment, each another one."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
