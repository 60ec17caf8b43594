"""Reserved names: where a restore keeps collections aside on the server. No capture reads them, no restore makes them
the target.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_RESERVED = re.compile(r"(?P<collection>.*)__(?P<kind>restore|before)_(?P<restore_id>[0-9a-f]{12})\Z", re.DOTALL)

Kind = Literal["restore", "before"]


class Reserved(NamedTuple):
    """What a reserved name says.

    :param kind: "restore": being loaded, to become ``collection``; "before": what ``collection`` was until then
    :param restore_id: 12 hex digits
    """

    collection: str
    kind: Kind
    restore_id: str


def aside_name(collection: str, restore_id: str) -> str:
    """Name the collection that a restore loads before it takes the place of ``collection``."""
    return f"{collection}__restore_{restore_id}"


def before_name(collection: str, restore_id: str) -> str:
    """Name the collection that a restore replaced."""
    return f"{collection}__before_{restore_id}"


def parse_reserved(name: str) -> Reserved | None:
    """Read a reserved name; None for every other."""
    match = _RESERVED.match(name)
    if match is None:
        return None
    kind: Kind = "restore" if match["kind"] == "restore" else "before"
    return Reserved(match["collection"], kind, match["restore_id"])


def is_reserved(name: str) -> bool:
    """Tell whether a restore holds collections under such names."""
    return parse_reserved(name) is not None
