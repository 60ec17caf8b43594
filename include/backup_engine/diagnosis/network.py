"""Whether a machine on the network can be reached from here: its name, its port, and which of the two is amiss."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from backup_engine import wording
from backup_engine.alerts.alert import Probe
from backup_engine.findings import Level

NETWORK = "network"

_PORTS = {"http": 80, "https": 443}
CONNECT_SECONDS = 5.0
"""A line around the world takes a third of a second; two lost packets are forgiven."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where connections are made to.

    :param what: what is reached there, for people
    :param proxied: it is a proxy, as this machine's environment names it
    """

    what: str
    host: str
    port: int
    proxied: bool = False


def endpoint_of(what: str, url: str) -> Endpoint | None:
    """Tell where connections for a URL go from this machine; None: it names no host."""
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    proxy = None if proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)
    aim = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else parts
    try:
        port = aim.port or _PORTS.get(aim.scheme)
    except ValueError:
        return None
    return Endpoint(what, aim.hostname, port, proxied=bool(proxy)) if aim.hostname and port else None


def reach(endpoint: Endpoint, *, seconds: float = CONNECT_SECONDS) -> Probe:
    """Look the name up and connect; what is wrong is said, not raised.

    :param seconds: until a connection has to stand
    """
    place = f"{endpoint.what}: {'the proxy ' if endpoint.proxied else ''}{endpoint.host}"
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        return name_trouble(place, error)
    address = wording.listing(dict.fromkeys(str(one[4][0]) for one in found), most=2)
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=seconds):
            return Probe(
                what=NETWORK, level=Level.OK, found=f"{place} ({address}) accepts connections at port {endpoint.port}"
            )
    except OSError as error:
        return connection_trouble(f"{place} ({address}), port {endpoint.port}", error, seconds)


def name_trouble(place: str, error: OSError | UnicodeError) -> Probe:
    """Say what a name that could not be looked up means. Pure."""
    here = socket.gethostname()
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        found = f"{place}: the name service of {here} does not answer"
        return Probe(what=NETWORK, level=Level.MISSING, found=found, remedy="mend the name service of that machine")
    return Probe(
        what=NETWORK,
        level=Level.MISSING,
        found=f"{place}: {here} knows no machine of this name",
        remedy="correct the address, or make the name known where the workers run",
    )


def connection_trouble(place: str, error: OSError, seconds: float) -> Probe:
    """Say what a connection that could not be made means. Pure.

    :param seconds: that were waited
    """
    here = socket.gethostname()
    if isinstance(error, ConnectionRefusedError):
        found, remedy = "refuses connections", "nothing listens there: start it, or correct the port"
    elif isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        found = f"does not answer within {wording.duration(seconds)}"
        remedy = f"the machine is down, or a firewall between it and {here} drops what is sent"
    else:
        found = f"cannot be reached: {error.strerror or error}"
        remedy = f"there is no way there from {here}: look at its network and at routes and firewalls between"
    return Probe(what=NETWORK, level=Level.MISSING, found=f"{place} {found}", remedy=remedy)
