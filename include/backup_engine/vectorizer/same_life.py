"""Whether a server is still the one that a request was sent to.

A server that has just started lists a part of what it has, and one of its collections that is asked for by name before
it is listed comes back broken: loaded by the question and a second time by the start, so that it counts and lists
everything twice. So what names a collection is not repeated at a server that was started meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from backup_engine.errors import ServerLoading
from backup_engine.vectorizer.exchange import Request

_NAMING = re.compile(r"(/api|/qdrant)?/collections/(?!aliases$)|(/api)?/backups/(create|restore)$")


def names_a_collection(request: Request) -> bool:
    """Tell whether a request says a collection's name: in its path, or in its body. Pure."""
    if _NAMING.match(request.path):
        return True
    return request.path == "/graphql" and b'"variables": {}' not in (request.body or b"")


def require_same_life(what: str, status: Mapping[str, object], seconds: float) -> None:
    """Make sure that a server did not start within the last so many seconds; one that does not tell is trusted. Pure.

    :param status: what it says about itself now
    :param seconds: since its collections were listed
    :raises ServerLoading: it did
    """
    uptime = status.get("uptime_seconds")
    if isinstance(uptime, (int, float)) and uptime < seconds:
        raise ServerLoading(
            f"{what}: the server was started again since it listed its collections (it is up for {uptime:.0f} s), and "
            "may not list all that it has yet; try again when it has loaded"
        )
