"""From what a person filled in to what the engine is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from backup_engine import wording
from backup_engine.deployment import Deployment
from backup_engine.errors import InvalidInput
from backup_engine.model import ReadWay
from backup_engine.restore.plan import Action, RestorePlan
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.run_key import run_key

if TYPE_CHECKING:
    from backup_engine.copies.reaching import Found

LEASE = "restore"


def restore_point(text: str) -> str:
    """Take what was typed: a name, a time, or one of the two words, however it is spaced and written."""
    words = "-".join(text.lower().split())
    return words if words in {"latest", "latest-verified"} else text.strip()


def restore_request(restore_id: str, backup: str, params: Mapping[str, Any]) -> RestoreRequest:
    """Put the form into the engine's words.

    :param backup: name of the backup, found already
    :raises InvalidInput: fields of the form contradict each other
    """
    mode, in_place = RestoreMode(params["mode"]), params["replacing"] == "in-place"
    if in_place and mode is not RestoreMode.REPLACE:
        raise InvalidInput(
            f"'How to replace' is 'in-place', but the mode is {mode.value!r}, which replaces nothing. Nothing was "
            "done: choose the mode 'replace', or leave 'How to replace' as it was"
        )
    return RestoreRequest(
        restore_id=restore_id,
        backup=backup,
        collections=tuple(params["collections"] or ()) or None,
        rename=renames(params["rename"] or ()),
        mode=mode,
        in_place=in_place,
        allow_incomplete=params["allow_incomplete"],
        allow_quantization=params["allow_quantization"],
    )


def renames(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``OLD=NEW`` pairs; the form has checked their shape.

    :raises InvalidInput: a collection is renamed twice
    """
    found: dict[str, str] = {}
    for pair in pairs:
        old, _, new = pair.partition("=")
        if old in found:
            raise InvalidInput(f"{old!r} is to be renamed to {found[old]!r} and to {new!r}: give one of them")
        found[old] = new
    return found


def told_of(found: Found, point: str, now: datetime, *, primary: str, primary_asked: bool) -> dict[str, str]:
    """Say what a person has to know of a backup that was found, as the ticket holds it: how far before the time that
    was asked for it lies, and that a copy is read, if one is.

    :param point: as it was asked for
    :param primary: root URL of the primary store
    """
    from backup_engine.catalog import how_far_before

    told = {"distance": how_far_before(point, found.backup) or ""}
    if found.url != primary:
        told["origin"] = origin(
            found.store.url,
            found.backup.captured_at,
            now,
            passed_over=found.passed_over,
            primary_asked=primary_asked,
        )
    return told


def origin(place: str, captured_at: datetime, now: datetime, *, passed_over: Sequence[str], primary_asked: bool) -> str:
    """Say that a copy is read, why, and how old that is; what was captured since does not come back.

    :param place: the copy, as people read it
    :param passed_over: why no store before it is read
    :param primary_asked: whether the primary store was asked at all
    """
    why = ". ".join(passed_over) if primary_asked and passed_over else "It was asked for"
    age = wording.duration(max(0.0, (now - captured_at).total_seconds()))
    return (
        f"**Read from the copy {place}.** {why[:1].upper()}{why[1:]}.\n\nThe copy's backup was captured "
        f"{wording.moment(captured_at)}, {age} ago: what came to the server since then is not in it."
    )


def changes(plan: RestorePlan) -> bool:
    """Tell whether a collection that the server has is changed: replaced, or written into."""
    return any(item.action is not Action.CREATE for item in plan.collections)


def lease_of(deployment: Deployment, connection: str, others: Iterable[Deployment]) -> tuple[str, str]:
    """Tell which lease guards a server: the one that the captures of that server look at.

    :return: root URL of the primary store it lies in, and its name
    """
    if connection == deployment.server.connection:
        return deployment.root, LEASE
    captured = next((other.root for other in others if other.server.connection == connection), None)
    return (captured, LEASE) if captured else (deployment.root, f"{LEASE}-{run_key(connection)}")


def read_with_of(deployment: Deployment, connection: str, others: Iterable[Deployment]) -> ReadWay | None:
    """Tell which way a server is read: as the deployment that captures it says; None: the best that it offers."""
    if connection == deployment.server.connection:
        return deployment.server.read_with
    return next((other.server.read_with for other in others if other.server.connection == connection), None)


def connection_of(url: str, connections: Iterable[str], address_of: Callable[[str], str]) -> str | None:
    """Find the connection that leads to a server; None if none of these does.

    :param address_of: tells the address behind a connection
    """
    return next((connection for connection in connections if address_of(connection) == url), None)
