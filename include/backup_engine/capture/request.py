"""What somebody asks a capture to do."""

from __future__ import annotations

from pydantic import Field

from backup_engine.model import Document

SHRINK_LIMIT = 0.2
"""Share of the last good backup's vectors, of all and of each collection, that may be missing unasked."""


class CaptureRequest(Document):
    """One capture, before anybody looked at the server.

    :param run_key: of the run that asks; at most one good backup a run
    :param store_id: the store it was made for; any other is refused
    :param label: a person's words; never part of a name
    :param collections: exactly these; None: the deployment's whole scope
    :param include: shell patterns over names that make the whole scope, case-sensitive
    :param exclude: patterns that take names out of it again
    :param incremental: store only what changed since the newest backup, where there is one to build on
    :param streams: how many workers read side by side, at most
    :param allow_empty: a backup without a single vector is fine
    :param acknowledged: collections somebody declared unreadable: they do not make the backup partial
    :param suspicions: why it must be suspect whatever is read (a server that may not have loaded), in words
    """

    run_key: str = Field(pattern=r"^[0-9a-f]{16}$")
    deployment: str
    store_id: str
    label: str | None = None
    collections: tuple[str, ...] | None = None
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    incremental: bool = False
    streams: int = Field(default=4, ge=1, le=64)
    allow_empty: bool = False
    acknowledged: tuple[str, ...] = ()
    shrink_limit: float = Field(default=SHRINK_LIMIT, ge=0, le=1)
    suspicions: tuple[str, ...] = ()
