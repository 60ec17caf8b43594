"""What a restore will do, collection by collection, and everything that speaks against it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from backup_engine.archive.manifest import BackupState, Folder
from backup_engine.errors import InvalidInput, PermanentError, RestoreRefused, UnknownCollection, Unsupported
from backup_engine.model import CollectionConfiguration, Document, Moment
from backup_engine.restore.request import RestoreRequest


class Action(StrEnum):
    """What happens to one name on the server."""

    CREATE = "create"
    MERGE = "merge"
    REPLACE = "replace"


class Refusal(Document):
    """One reason why the plan cannot be carried out. The kind decides which error it becomes."""

    kind: Literal["invalid", "unknown", "unsupported", "refused"]
    text: str


class PlannedCollection(Document):
    """What happens to one collection.

    :param key: the collection's key in the backup
    :param source: its name in the backup
    :param target: its name on the server afterwards
    :param vectors: records that will be written
    :param left_behind: records of the backup that the server cannot be given (components that came as null)
    :param vectors_now: what the server has under the target's name; None: no such collection
    :param aside: the name it is loaded under before it appears as ``target``; None: loaded under its own name
    :param before: the name the replaced collection is kept under; None: nothing is replaced
    :param in_place: the live collection is changed until it is what the backup holds; the server's snapshot of it is
        the undo
    :param configuration: what is created (merge: what the server has)
    :param seconds: expected, at the plan's rate
    """

    key: str
    source: str
    target: str
    action: Action
    vectors: int = Field(ge=0)
    left_behind: int = 0
    vectors_now: int | None = None
    aside: str | None = None
    before: str | None = None
    in_place: bool = False
    configuration: CollectionConfiguration
    seconds: float
    warnings: tuple[str, ...] = ()


class NotRestored(Document):
    """A collection of the backup's server that this restore does not bring back, and why."""

    name: str
    reason: str


class RestorePlan(Document):
    """A whole restore. What is carried out is this and never the request again.

    :param rate: vectors a second that the expected times are made with
    :param aliases: alias to collection, as it will be afterwards
    :param untouched: collections the server has and keeps as they are
    :param refusals: every reason against it; a plan with one is never carried out
    """

    request: RestoreRequest
    folder: Folder
    state: BackupState
    captured_at: Moment
    server_url: str
    server_version: str
    rate: float
    collections: tuple[PlannedCollection, ...]
    aliases: dict[str, str] = {}
    not_restored: tuple[NotRestored, ...] = ()
    untouched: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def replaces(self) -> bool:
        """Whether anything the server has is replaced: what a person approves."""
        return any(item.action is Action.REPLACE for item in self.collections)

    @property
    def vectors(self) -> int:
        """Records that will be written."""
        return sum(item.vectors for item in self.collections)

    @property
    def seconds(self) -> float:
        """Expected time."""
        return sum(item.seconds for item in self.collections)


_COMPARED_SETTINGS = ("dimension", "metric", "quantization", "hnsw", "graph")


def differing_settings(one: CollectionConfiguration, other: CollectionConfiguration) -> tuple[str, ...]:
    """Name the settings in which two collections differ for those who search in them."""
    return tuple(name for name in _COMPARED_SETTINGS if getattr(one, name) != getattr(other, name))


_ERRORS: dict[str, type[PermanentError]] = {
    "invalid": InvalidInput,
    "unknown": UnknownCollection,
    "unsupported": Unsupported,
    "refused": RestoreRefused,
}


def raise_refusals(plan: RestorePlan) -> None:
    """Stop here if anything speaks against the plan; the message holds all of it.

    :raises UnknownCollection: only names were wrong
    :raises InvalidInput: only the request was wrong
    :raises Unsupported: only the server's version stands against it
    :raises RestoreRefused: anything else, or several kinds at once
    """
    if not plan.refusals:
        return
    kinds = {refusal.kind for refusal in plan.refusals}
    error = _ERRORS[kinds.pop()] if len(kinds) == 1 else RestoreRefused
    raise error("; ".join(refusal.text for refusal in plan.refusals))
